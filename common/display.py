"""Detection of a screen."""

import os
import sys


def has_screen() -> bool:
    """Whether windows can be opened."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
