"""Evaluation: predictions, metrics, figures and the report."""
