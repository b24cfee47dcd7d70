"""Measures with flashes how long frames take from the display to their time stamp."""
