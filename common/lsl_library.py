"""Loads mne-lsl, and with it liblsl, which introduces itself on standard error.

It does so twice: with its configuration when the first stream is described, and with its version
when the first outlet or inlet is made. Whoever makes one does so within `silence_stderr`.
"""

from typing import Any

from affectline.common.stderr import silence_stderr


def import_lsl() -> Any:
    """Import ``mne_lsl.lsl`` and let liblsl read its configuration silently.

    Raises:
        ImportError: mne-lsl is not installed, or cannot be loaded.
    """
    from mne_lsl import lsl

    with silence_stderr():
        lsl.StreamInfo("affectline", "none", 1, 0, "float32", "")
    return lsl
