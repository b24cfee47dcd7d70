"""Validates the stress estimate on public datasets: recordings run through the live estimator."""
