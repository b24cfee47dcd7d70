"""The capture process: publishes the frames of a source, no faster than consumers take them."""

import os

# Read when OpenCV is loaded. Problems with a source are reported once, by us.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
