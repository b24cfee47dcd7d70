"""The colours of emotions and signals in light and dark themes, all in one place.

Every colour has a contrast of at least 3:1 to both backgrounds of its theme, as WCAG 2.2 requires
for graphics (1.4.11), and text of 4.5:1 (1.4.3). No signal has a colour close to an emotion's.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

ThemeName = Literal["light", "dark"]
THEMES: Final[tuple[ThemeName, ...]] = ("light", "dark")


class Shade(NamedTuple):
    """One colour in both themes, e.g. ``#d55e00``."""

    light: str
    dark: str


class Surface(NamedTuple):
    """The colours of backgrounds, text and page elements."""

    paper: Shade
    """Background of the page."""
    card: Shade
    """Background of groups."""
    ink: Shade
    """Text."""
    soft: Shade
    """Less important text."""
    line: Shade
    """Separating lines without meaning."""
    accent: Shade
    """Links and selected elements."""
    bad: Shade
    """Errors only."""


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
"""Dark: Okabe and Ito's palette (2008), which colour-blind people can distinguish. Light: the same
hues, darker if they would look pale on paper."""

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
``roll``: how the head is turned, lifted and tilted; ``quality``: the reliability of a value, and
every signal without a colour of its own."""

_OF_QUANTITIES: Final[Mapping[str, str]] = MappingProxyType({
    "heart_rate": "heart", "rr_interval": "heart", "ppg": "heart", "ecg": "heart",
    "skin_conductance": "skin",
})  # fmt: skip


def signal_name(quantity: str) -> str:
    """The name in `SIGNALS` of the colour for a quantity such as ``heart_rate``."""
    name = _OF_QUANTITIES.get(quantity, quantity)
    return name if name in SIGNALS else "quality"


def css_variables(theme: ThemeName) -> dict[str, str]:
    """All colours of a theme, by CSS variable such as ``--happy`` and ``--heart``."""
    shades = {**SURFACE._asdict(), **EMOTIONS, **SIGNALS}
    return {f"--{name.replace('_', '-')}": getattr(shade, theme) for name, shade in shades.items()}
