"""The colours of emotions and signals, on light and on dark pages: one place for all of them.

Every colour stands out from both backgrounds of its theme by 3:1 at least, as WCAG 2.2 asks of
graphics (1.4.11), and words by 4.5:1 (1.4.3). No signal has the colour of an emotion, or nearly.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

ThemeName = Literal["light", "dark"]
THEMES: Final[tuple[ThemeName, ...]] = ("light", "dark")


class Shade(NamedTuple):
    """One colour in both themes, each such as ``#d55e00``."""

    light: str
    dark: str


class Surface(NamedTuple):
    """What everything is drawn on, and what is written on it."""

    paper: Shade
    """Behind everything."""
    card: Shade
    """Behind what is grouped."""
    ink: Shade
    """Words."""
    soft: Shade
    """Words of less importance."""
    line: Shade
    """Lines that only separate; they tell nothing."""
    accent: Shade
    """Links, and what is chosen."""
    bad: Shade
    """What is wrong, and nothing else."""


SURFACE: Final = Surface(
    paper=Shade("#f5f6f8", "#14171a"),
    card=Shade("#ffffff", "#1e2227"),
    ink=Shade("#1c2024", "#e8eaed"),
    soft=Shade("#56606b", "#a3adb8"),
    line=Shade("#ccd2d9", "#3b424a"),
    accent=Shade("#005a8d", "#6cc0f0"),
    bad=Shade("#b33a00", "#ff9a62"),
)

EMOTIONS: Final[Mapping[str, Shade]] = MappingProxyType(
    {
        "angry": Shade("#d55e00", "#d55e00"),
        "disgust": Shade("#009e73", "#009e73"),
        "fear": Shade("#b9628f", "#cc79a7"),
        "happy": Shade("#9a8c00", "#f0e442"),
        "sad": Shade("#0072b2", "#0072b2"),
        "surprise": Shade("#bf7a00", "#e69f00"),
        "neutral": Shade("#7f868e", "#c8c8c8"),
    }
)
"""Dark: Okabe and Ito's palette (2008), which colour-blind people can tell apart. Light: the same
hues, darker where they would pale on paper."""

SIGNALS: Final[Mapping[str, Shade]] = MappingProxyType(
    {
        "heart": Shade("#d8003f", "#ff2e63"),
        "skin": Shade("#00665c", "#19e8cc"),
        "nervousness": Shade("#8a22e0", "#ae80ff"),
        "valence": Shade("#2a6600", "#4cdb24"),
        "arousal": Shade("#850069", "#d234d2"),
        "yaw": Shade("#0b1a7d", "#66adff"),
        "pitch": Shade("#8c1d0c", "#a3796f"),
        "roll": Shade("#664d00", "#858717"),
        "left_eye": Shade("#003f52", "#4fdcff"),
        "right_eye": Shade("#573636", "#ffb0a3"),
        "quality": Shade("#5a5485", "#7b79a3"),
    }
)
"""``heart``: heart rate, beats and pulse waves; ``skin``: skin conductance; ``yaw``, ``pitch`` and
``roll``: how the head is turned, lifted and tilted; ``quality``: how far something is known, and
every signal that has no colour of its own."""

_OF_QUANTITIES: Final[Mapping[str, str]] = MappingProxyType({
    "heart_rate": "heart", "rr_interval": "heart", "ppg": "heart", "ecg": "heart",
    "skin_conductance": "skin",
})  # fmt: skip


def signal_name(quantity: str) -> str:
    """Which of `SIGNALS` a quantity such as ``heart_rate`` is drawn as."""
    name = _OF_QUANTITIES.get(quantity, quantity)
    return name if name in SIGNALS else "quality"


def css_variables(theme: ThemeName) -> dict[str, str]:
    """All colours of a theme by their CSS variable, such as ``--happy`` and ``--heart``."""
    shades = {**SURFACE._asdict(), **EMOTIONS, **SIGNALS}
    return {f"--{name.replace('_', '-')}": getattr(shade, theme) for name, shade in shades.items()}
