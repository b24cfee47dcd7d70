"""The panels of the dashboard, one a file."""
