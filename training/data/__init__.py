"""Labelled faces: reading, checking and splitting datasets."""
