"""Draws the overlay on frames, and writes annotated videos."""
