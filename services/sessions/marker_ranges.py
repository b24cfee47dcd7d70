"""Parts of a session between markers: ``rest..drive``, or ``0s..60s``."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from affectline.common.errors import AffectlineError

TIMES: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}


class MarkerRange(NamedTuple):
    """A part of a session: begin and end, each a time in s or the label of a marker."""

    begin: float | str
    end: float | str


def parse_range(option: str, text: str) -> MarkerRange:
    """Parse ``FROM..TO``, where both are times or labels of markers.

    Args:
        option: The option that it was given to, for the error.
        text: What was given.

    Raises:
        AffectlineError: The text has another form, or ends before it begins.
    """
    begin, dots, end = text.partition("..")
    if not dots or not begin.strip() or not end.strip():
        raise AffectlineError(
            f"{option} {text}: not FROM..TO", "times or labels of markers: 0s..60s, rest..drive"
        )
    first, last = _edge(begin.strip()), _edge(end.strip())
    if isinstance(first, float) and isinstance(last, float) and last <= first:
        raise AffectlineError(
            f"{option} {text}: it ends at {last:g} s but begins at {first:g} s",
            "name the earlier time first, as in 0s..60s",
        )
    return MarkerRange(first, last)


def _edge(text: str) -> float | str:
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)?", text)
    is_time = parts and "".join("".join(pair) for pair in parts) == text.replace(" ", "")
    return sum(float(n) * TIMES[unit or "s"] for n, unit in parts) if is_time else text


def find_ranges(
    wanted: MarkerRange, markers: Sequence[tuple[float, str]]
) -> list[tuple[float, float]]:
    """Return every part of a session that a range names, in s.

    Args:
        wanted: From each marker of the first label to the next one of the second.
        markers: Times in s and labels, in order of time.
    """
    if isinstance(wanted.begin, float):
        begins = [wanted.begin]
    else:
        begins = [at for at, label in markers if label == wanted.begin]
    found: list[tuple[float, float]] = []
    for begin in begins:
        if isinstance(wanted.end, float):
            end: float | None = wanted.end
        else:
            end = next((at for at, label in markers if label == wanted.end and at > begin), None)
        if end is not None and end > begin:
            found.append((begin, end))
    return found


def find_labelled(
    label: str, markers: Sequence[tuple[float, str]], end_s: float
) -> list[tuple[float, float]]:
    """Return the parts from each marker with a label to the next marker, or to the end, in s."""
    times = [at for at, _ in markers] + [end_s]
    return [
        (at, times[i + 1])
        for i, (at, found) in enumerate(markers)
        if found == label and times[i + 1] > at
    ]
