"""Starts, watches and stops the processes of a pipeline: nobody else does."""
