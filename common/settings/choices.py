"""Values that settings and options choose from: without models, which take 100 ms to import."""

from typing import Final, Literal

Backend = Literal["litert", "tensorflow"]
"""What runs the emotion model."""
Delivery = Literal["live", "lossless"]
"""``live``: the newest frame wins; ``lossless``: the source waits."""
Display = Literal["none", "window", "mp4", "browser"]
Pace = Literal["realtime", "fast"]
"""The speed of files: at their own rate, or as fast as they are consumed."""
Privacy = Literal["everything", "blurred", "features"]
"""``everything``: the frames as they are. ``blurred``: frames with the faces pixelated beyond
recognition. ``features``: no images, only what was computed from them."""
SECURITY: Final = "AFFECTLINE_SECURITY"
"""Environment variable: the security of hubs with the setting ``auto``."""
