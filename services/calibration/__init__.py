"""Calibration to one person: a shift of the model's log-probabilities from their own faces."""
