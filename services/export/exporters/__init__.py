"""Export formats, one per file; ``--to`` takes the name of the file."""
