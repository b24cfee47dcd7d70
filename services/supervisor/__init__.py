"""Starts, watches and stops the processes of a pipeline; no other code does."""
