"""Repeats the paper's experiments."""
