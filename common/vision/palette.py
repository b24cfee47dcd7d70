"""The colours of the seven emotions on pictures, as films and windows show them."""

from typing import Final

from affectline.common.palette import EMOTIONS, SIGNALS

COLOURS: Final = {label: shade.dark for label, shade in EMOTIONS.items()}
"""Those of the dark theme: what is written on pictures stands on a dark veil."""
AFFECT_COLOURS: Final = {name: SIGNALS[name].dark for name in ("valence", "arousal")}


def to_bgr(colour: str) -> tuple[int, int, int]:
    """A colour such as ``#d55e00`` as OpenCV wants it: blue, green, red, 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red
