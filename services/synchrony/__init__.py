"""How long frames take from the display to their time stamp, measured with flashes."""
