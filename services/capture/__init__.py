"""The capture process: pictures in, frames out, at the pace that the consumers bear."""

import os

# Read when OpenCV is loaded. What is wrong with a source is told once, in our words.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
