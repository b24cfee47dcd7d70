"""The capture process: publishes the frames of a source, no faster than consumers take them."""

import os

# OpenCV reads these when it is loaded. We report problems with a source ourselves, once.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
