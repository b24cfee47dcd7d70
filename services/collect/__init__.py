"""Collects a dataset: people show the seven emotions, and their faces are stored as samples."""
