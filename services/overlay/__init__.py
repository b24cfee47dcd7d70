"""The annotated frame, and the video that is made of it."""
