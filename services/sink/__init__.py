"""The sink process: writes the emotion timeline to disk, and shows the overlay."""
