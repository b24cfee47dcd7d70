"""The colours of the seven emotions on images, for films and windows."""

from typing import Final

from affectline.common.palette import EMOTIONS

COLOURS: Final = {label: shade.dark for label, shade in EMOTIONS.items()}
"""Colours of the dark theme, because text on images has a dark background."""


def to_bgr(colour: str) -> tuple[int, int, int]:
    """Convert a colour such as ``#d55e00`` to OpenCV's order: blue, green, red, 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red
