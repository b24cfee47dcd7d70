"""Colours can be seen on both themes, and told from each other."""

import itertools
import math
from pathlib import Path

import pytest

from affectline.common.labels import LABELS
from affectline.common.palette import (
    EMOTIONS,
    SIGNALS,
    SURFACE,
    ThemeName,
    css_variables,
    signal_name,
)

GRAPHICS = 3.0
"""WCAG 2.2, 1.4.11: contrast of what is drawn."""
WORDS = 4.5
"""WCAG 2.2, 1.4.3: contrast of text."""
APART = 12.0
"""CIEDE2000 between any two colours; about 2 is seen where two areas touch, and lines are thin."""
STYLE = Path(__file__).parents[3] / "services/web/static/style.css"
both_themes = pytest.mark.parametrize("theme", ["light", "dark"])


def linear(colour: str) -> list[float]:
    """Red, green and blue as amounts of light, 0 to 1."""
    parts = [part / 255 for part in bytes.fromhex(colour.removeprefix("#"))]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours, 1 to 21."""
    weights = (0.2126, 0.7152, 0.0722)
    lights = [
        sum(w * part for w, part in zip(weights, linear(colour), strict=True)) + 0.05
        for colour in (one, other)
    ]
    return max(lights) / min(lights)


def to_lab(colour: str) -> tuple[float, float, float]:
    """A colour in CIELAB, for the white point D65."""
    r, g, b = linear(colour)
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def distance(one: str, other: str) -> float:
    """CIEDE2000 (Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = to_lab(one), to_lab(other)
    chroma = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * math.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue = (h1 + turn / 2) % 360
    light, c = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1.0
    for weight, times, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63)):
        t += weight * math.cos(math.radians(times * hue + shift))
    in_light = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2))
    in_chroma = (c2 - c1) / (1 + 0.045 * c)
    in_hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * c * t)
    bend = math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2)))
    mixed = -2 * math.sqrt(c**7 / (c**7 + 25.0**7)) * math.sin(bend) * in_chroma * in_hue
    return math.sqrt(in_light**2 + in_chroma**2 + in_hue**2 + mixed)


def test_the_measures_are_those_of_the_literature() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert distance("#000000", "#ffffff") == pytest.approx(100, abs=0.01)
    assert distance("#ff0000", "#00ff00") == pytest.approx(86.6, abs=0.1)


@both_themes
def test_what_is_drawn_stands_out_from_both_backgrounds(theme: ThemeName) -> None:
    grounds = [getattr(ground, theme) for ground in (SURFACE.paper, SURFACE.card)]
    drawn = {name: getattr(shade, theme) for name, shade in (*EMOTIONS.items(), *SIGNALS.items())}
    faint = {
        f"{name} {colour} on {ground}": round(contrast(colour, ground), 2)
        for name, colour in drawn.items()
        for ground in grounds
        if contrast(colour, ground) < GRAPHICS
    }
    assert not faint


@both_themes
def test_words_can_be_read_on_both_backgrounds(theme: ThemeName) -> None:
    for words in (SURFACE.ink, SURFACE.soft, SURFACE.accent, SURFACE.bad):
        for ground in (SURFACE.paper, SURFACE.card):
            assert contrast(getattr(words, theme), getattr(ground, theme)) >= WORDS


@both_themes
def test_no_two_emotions_or_signals_share_a_colour(theme: ThemeName) -> None:
    drawn = {name: getattr(shade, theme) for name, shade in (*EMOTIONS.items(), *SIGNALS.items())}
    alike = {
        f"{one} and {other}": round(distance(drawn[one], drawn[other]), 1)
        for one, other in itertools.combinations(drawn, 2)
        if distance(drawn[one], drawn[other]) < APART
    }
    assert not alike


def test_every_emotion_has_a_colour() -> None:
    assert set(EMOTIONS) == set(LABELS)
    assert not set(EMOTIONS) & set(SIGNALS)


def test_quantities_are_drawn_as_signals() -> None:
    assert signal_name("heart_rate") == "heart"
    assert signal_name("valence") == "valence"
    assert signal_name("respiration") == "quality"


def test_css_has_all_of_them() -> None:
    variables = css_variables("dark")
    assert variables["--heart"] == SIGNALS["heart"].dark
    assert variables["--left-eye"] == SIGNALS["left_eye"].dark
    assert len(variables) == len(SURFACE) + len(EMOTIONS) + len(SIGNALS)
