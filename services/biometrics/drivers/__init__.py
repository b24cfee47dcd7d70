"""Sensor drivers, one per file; the setting ``driver`` is the file's name."""
