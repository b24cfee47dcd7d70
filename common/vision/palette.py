"""The colours of the seven emotions, wherever people look at them."""

from typing import Final

from affectline.common.labels import LABELS

COLOURS: Final = dict(
    zip(
        LABELS,
        ("#d55e00", "#009e73", "#cc79a7", "#f0e442", "#0072b2", "#e69f00", "#c8c8c8"),
        strict=True,
    )
)
"""Okabe & Ito's palette, which colour-blind people can tell apart (2008)."""
AFFECT_COLOURS: Final[dict[str, str]] = {"valence": "#56b4e9", "arousal": "#9b5fc0"}
"""Other colours than those of the emotions, beside which these two are drawn."""


def to_bgr(colour: str) -> tuple[int, int, int]:
    """A colour such as ``#d55e00`` as OpenCV wants it: blue, green, red, 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red
