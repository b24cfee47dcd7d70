"""Trained models on disk, and their runners."""
