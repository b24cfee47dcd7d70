"""The time axis of charts, and curves downsampled for it."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.wire.messages import Marker
from affectline.services.report.drawing import AxisFlag, AxisShade, DrawnCurve, TimeSpan
from affectline.services.sessions.edits import Annotation
from affectline.services.sessions.timeseries import Series, SessionSeries

POINTS: Final = 4000
"""Longer curves are reduced to about this number of points; every peak is kept."""
GAP_S: Final = 3.0
"""Values further apart are not joined by a line."""
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"

Floats = NDArray[np.float64]


def seconds_of(times: NDArray[np.int64], session: SessionSeries) -> Floats:
    """Convert nanoseconds since the Unix epoch to seconds of a session."""
    return (times - session.zero) / 1e9


def stretches_of(
    stretches: Sequence[tuple[int, int]], session: SessionSeries
) -> list[tuple[float, float]]:
    """Convert stretches of time from nanoseconds since the Unix epoch to seconds of a session."""
    return [((begin - session.zero) / 1e9, (end - session.zero) / 1e9) for begin, end in stretches]


def curve_of(
    series: Series,
    session: SessionSeries,
    name: str,
    colour: str,
    *,
    breaks: NDArray[np.bool_] | None = None,
    factor: float = 1.0,
    dash: str = "",
) -> DrawnCurve:
    """A series as a downsampled curve of a chart.

    Args:
        series: The series.
        session: The session, whose start is zero.
        name: Name of the curve.
        colour: Name of its colour in `common.palette`.
        breaks: True for values with a gap before them even if they follow soon, ``(N,)``.
        factor: Multiplier of the values, such as 100 for per cent.
        dash: Lengths of dashes and gaps in pixels.
    """
    times, values = downsample(series, breaks)
    return DrawnCurve(name, colour, seconds_of(times, session), factor * values, dash)


def whole_span(session: SessionSeries, annotations: Sequence[Annotation] = ()) -> TimeSpan:
    """The time axis of a session, with its markers and annotations.

    It begins with the session, or earlier if something was measured or marked before.
    """
    first, last = session.first or session.zero, session.last or session.zero
    begin = min(0.0, (first - session.zero) / 1e9)
    if (first - session.zero) / 1e9 > (last - first) / 1e9:  # data begin long after the start
        begin = (first - session.zero) / 1e9
    return TimeSpan(
        begin,
        (last - session.zero) / 1e9,
        flags_of(session.markers, session),
        shades_of(annotations),
    )


def flags_of(markers: Sequence[Marker], session: SessionSeries) -> list[AxisFlag]:
    """Markers labelled with their numbers, without those that are not on the axis."""
    return [
        AxisFlag((marker.at - session.zero) / 1e9, str(number), marker.label)
        for number, marker in enumerate(markers, start=1)
        if not session.is_stray(marker)
    ]


def shades_of(annotations: Sequence[Annotation]) -> list[AxisShade]:
    """Annotations labelled with their letters."""
    return [
        AxisShade(
            one.begin_s, one.end_s, LETTERS[i] if i < len(LETTERS) else "",
            describe_annotation(one), one.is_excluded,
        )
        for i, one in enumerate(annotations)
    ]  # fmt: skip


def describe_annotation(annotation: Annotation) -> str:
    """The annotation's label, and whether studies exclude that part."""
    return f"{annotation.label} (left out)" if annotation.is_excluded else annotation.label


def downsample(
    series: Series, breaks: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], Floats]:
    """Reduce a series to about ``POINTS`` points; gaps get a NaN.

    Each stretch keeps its lowest and highest value, so that no peak is lost.

    Args:
        series: The series.
        breaks: True for values with a gap before them even if they follow soon, ``(N,)``.
    """
    times, values = series.times, series.values
    is_late = np.concatenate([[False], np.diff(times) > GAP_S * 1e9])
    stretch = np.cumsum(is_late if breaks is None else is_late | breaks)
    if len(times) > POINTS:
        size = -(-len(times) * 2 // POINTS)
        parts = (slice(i, i + size) for i in range(0, len(times), size))
        ends = [(p.start + values[p].argmin(), p.start + values[p].argmax()) for p in parts]
        kept = np.unique(np.array(ends))
        times, values, stretch = times[kept], values[kept], stretch[kept]
    gaps = np.flatnonzero(np.diff(stretch)) + 1
    return np.insert(times, gaps, times[gaps - 1] + 1), np.insert(values, gaps, np.nan)


def downsample_stack(several: Sequence[Series]) -> tuple[NDArray[np.int64], Floats]:
    """Reduce series with the same times to about ``POINTS`` common points, for a stacked chart.

    Stacked curves need the same times, so each point is the mean of a stretch. Gaps are surrounded
    by points of value zero.

    Returns:
        Times ``(M,)``, and values ``(N, M)`` of the N series.
    """
    times, values = several[0].times, np.stack([series.values for series in several])
    gaps = np.flatnonzero(np.diff(times) > GAP_S * 1e9) + 1
    starts = np.union1d(np.arange(0, len(times), -(-len(times) // POINTS)), gaps)
    values = np.add.reduceat(values, starts, axis=1) / np.diff(np.append(starts, len(times)))
    around = np.stack([times[gaps - 1] + 1, times[gaps] - 1], axis=1).ravel()
    places = np.repeat(np.searchsorted(starts, gaps), 2)
    return np.insert(times[starts], places, around), np.insert(values, places, 0.0, axis=1)
