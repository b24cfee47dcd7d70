"""Other models for the same labels, measured on the same rows: the table in docs/results.md."""
