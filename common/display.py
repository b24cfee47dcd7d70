"""Whether there is a screen here."""

import os
import sys


def has_screen() -> bool:
    """Whether a window could be opened."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
