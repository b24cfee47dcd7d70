"""The overlay on a frame, and the video that it is written to."""
