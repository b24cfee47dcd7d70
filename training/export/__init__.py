"""Exports a training run as the artifact that the classifier loads."""
