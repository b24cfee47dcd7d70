"""The sink process: emotions in, a timeline on disk and a picture for people out."""
