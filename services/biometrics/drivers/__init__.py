"""Sensor drivers, one a file: the file's name is what ``driver`` is in the settings."""
