"""Export formats, one a file: the file's name is what ``--to`` names."""
