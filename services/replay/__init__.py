"""The replay process: publishes a recorded session again."""
