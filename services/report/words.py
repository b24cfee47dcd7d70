"""Formats the report's texts: quantities with units, shares in per cent, times and durations."""

import time
from collections.abc import Iterable
from typing import Final, NamedTuple

from affectline.common.palette import signal_name
from affectline.services.sessions.timeseries import Series, SessionSeries

SPACE: Final = "\N{NO-BREAK SPACE}"
UNITS: Final = {"/min": "bpm", "uS": "µS", "degrees": "°", "1": ""}
"""Display forms of UCUM units, which messages use."""
ORDER: Final = ("nervousness", "heart_rate", "skin_conductance", "arousal", "valence")
USUAL_SUBJECT: Final = "person"
"""Subject of measurements if no name was given."""


class Quantity(NamedTuple):
    """How a quantity is named and drawn."""

    title: str
    colour: str
    """One of `common.palette.SIGNALS`."""
    bounds: tuple[float, float] | None = None
    """Bounds of its scale, if it has one."""
    least: float = 0.0
    """Minimum span of its axis, in its unit, so that small changes look small."""


QUANTITIES: Final = {
    "nervousness": Quantity("Nervousness", "nervousness", bounds=(0, 100)),
    "heart_rate": Quantity("Heart rate", "heart", least=20),
    "rr_interval": Quantity("RR interval", "heart", least=200),
    "skin_conductance": Quantity("Skin conductance (EDA)", "skin", least=1),
    "arousal": Quantity("Fused arousal", "arousal", bounds=(-1, 1)),
    "valence": Quantity("Fused valence", "valence", bounds=(-1, 1)),
    "ppg": Quantity("Pulse wave (PPG)", "heart"),
    "ecg": Quantity("ECG", "heart"),
}


def quantity(series: Series) -> str:
    """Name of a series without the subject."""
    return series.name.split(" ", 1)[-1]


def subject(series: Series) -> str:
    """Subject of a series."""
    return series.name.split(" ", 1)[0]


def describe_quantity(name: str) -> Quantity:
    """Describe a quantity such as ``heart_rate``; unknown ones get a default."""
    found = QUANTITIES.get(name)
    return found or Quantity(name.replace("_", " ").capitalize(), signal_name(name))


def title(series: Series, *, with_subject: bool = True) -> str:
    """Title of a series, such as ``Heart rate of anna``."""
    text = describe_quantity(quantity(series)).title
    whose = subject(series)
    return f"{text} of {whose}" if with_subject and whose != USUAL_SUBJECT else text


def unit(series: Series) -> str:
    """Display form of a series' unit, or its scale, such as ``0 to 100``."""
    bounds = describe_quantity(quantity(series)).bounds
    if bounds:
        return f"{number(bounds[0])} to {number(bounds[1])}"
    return UNITS.get(series.unit, series.unit)


def by_importance(several: Iterable[Series]) -> list[Series]:
    """Sort series so that those most readers look for come first."""
    places = {kind: i for i, kind in enumerate(ORDER)}
    return sorted(several, key=lambda series: places.get(quantity(series), len(ORDER)))


def number(value: float, decimals: int = 0) -> str:
    """Format a number with a typographic minus sign."""
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    """Format a value between -1 and 1 with its sign; values near 0 have none."""
    text = f"{value:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def percent(share: float, decimals: int = 0) -> str:
    """Format a share of 1 in per cent; only exact values become 0 % or 100 %."""
    text = f"{100 * share:.{decimals}f}"
    if not decimals and text == "0" and share > 0:
        return f"under 1{SPACE}%"
    if not decimals and text == "100" and share < 1:
        return f"over 99{SPACE}%"
    return f"{text}{SPACE}%"


def format_duration(seconds: float) -> str:
    """Format a duration such as ``8 min 10 s``, or ``19.6 s`` below a minute."""
    if seconds < 59.95:
        return f"{seconds:.1f}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{n}{SPACE}{name}" for n, name in parts if n)


def format_date(at: int, *, seconds: bool = True) -> str:
    """Format nanoseconds since the Unix epoch as local date and time."""
    pattern = "%Y-%m-%d %H:%M:%S %z" if seconds else "%Y-%m-%d %H:%M"
    return time.strftime(pattern, time.localtime(at / 1e9))


def format_clock(at: int, session: SessionSeries) -> str:
    """Format a time as minutes and seconds of the session, such as ``3:05``.

    Args:
        at: Time on the session's time line, in ns since the Unix epoch.
        session: The session, which starts at 0:00; earlier times are negative.
    """
    return format_second((at - session.zero) / 1e9)


def format_second(seconds: float, decimals: int = 0) -> str:
    """Format seconds of a session as minutes and seconds, such as ``3:05`` or ``1:02:03``."""
    shown = f"{abs(seconds):.{decimals}f}" if decimals else str(int(abs(seconds)))
    whole, dot, fraction = shown.partition(".")
    minutes, rest = divmod(int(whole), 60)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else str(minutes)
    sign = "\N{MINUS SIGN}" if seconds < 0 and float(shown) else ""
    return f"{sign}{start}:{rest:02d}{dot}{fraction}"
