"""Finds the bounds of a drive's segments: button presses are spikes in the marker channel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from scipy.ndimage import median_filter

from affectline.services.validation.metrics import Vector

SEGMENTS: Final = ("rest", "city", "highway", "city", "highway", "city", "rest")
"""Segments in the order of every drive (Healey and Picard 2005)."""
TYPICAL_S: Final = (900.0, 885.0, 500.0, 470.0, 470.0, 760.0, 900.0)
"""Usual lengths of the segments: fifteen minutes of rest by protocol (Healey and Picard 2005, IEEE
Transactions on Intelligent Transportation Systems 6(2)), the others are means of the complete
drives 05 to 08. Used only if there are more or fewer than eight spikes."""
SPREAD_S: Final = (25.0, 120.0, 120.0, 110.0, 60.0, 130.0, 40.0)
"""How much the lengths vary between drives: about their standard deviation in the same four."""
SPIKE_MV: Final = 3.0
"""Minimum height of a spike above the median of half a minute; the noise is below 1 mV."""
MEDIAN_S: Final = 30.0
MERGE_S: Final = 40.0
"""Spikes closer than this are one mark, pressed twice."""
SUBSTITUTE_COST: Final = 4.0
"""Cost of using the start or end of the file for a missing mark: as much as a segment that is seven
times too long or too short."""
MARGIN_S: Final = 60.0
MARGIN_SPREAD_S: Final = 90.0
"""Complete drives are recorded from half a minute to a minute and a half before the first mark, and
half a minute to two minutes beyond the last."""
MIN_MARKS: Final = 3
SPURIOUS_COST: Final = 6.0
"""Cost of leaving out a mark, in squared standard deviations."""
MAX_COST_PER_SPAN: Final = 4.0
"""Marks whose distances are further from the protocol's, by this mean of squared standard
deviations, do not fit it."""
AMBIGUOUS_S: Final = 90.0
AMBIGUOUS_COST: Final = 3.0
"""If another reading of the marks moves a bound by more and costs hardly more, nothing is fixed."""


@dataclass(frozen=True)
class Segmentation:
    """The eight bounds of a drive's seven segments."""

    bounds: tuple[float, ...]
    """Seconds from the beginning."""
    marked: tuple[bool, ...]
    """Whether each bound is a mark; the others follow from the protocol's durations."""

    @property
    def inferred(self) -> int:
        """Number of bounds without a mark."""
        return len(self.marked) - sum(self.marked)


def find_marks(marker: Vector, rate: float) -> list[float]:
    """Return the times of the spikes in seconds from the beginning, with close ones merged."""
    size = max(3, round(MEDIAN_S * rate) | 1)
    high = np.flatnonzero(marker - median_filter(marker, size=size, mode="nearest") > SPIKE_MV)
    if not len(high):
        return []
    groups = np.split(high, np.flatnonzero(np.diff(high) > MERGE_S * rate) + 1)
    return [float(group[0]) / rate for group in groups]


def segment_drive(marks: Sequence[float], length_s: float) -> Segmentation | None:
    """Return the segments of a drive; None if the marks do not fix them.

    Exactly eight marks are used unchanged, of more than eight those that fit. Of fewer, each is
    taken for the bound that makes the distances most like the protocol's, and bounds without a mark
    are put where its durations would put them between their neighbours.

    Args:
        marks: Times of the marks in s.
        length_s: Length of the recording in s.
    """
    count = len(SEGMENTS) + 1
    if len(marks) >= count:
        bounds = choose_bounds(list(marks), length_s)
        if bounds is None:
            return None
        return Segmentation(tuple(bounds), tuple(bound in marks for bound in bounds))
    if len(marks) < MIN_MARKS:
        return None
    readings = sorted(_read_marks(marks, length_s), key=lambda found: found[0])
    if not readings:
        return None
    cost, best = readings[0]
    known = sum(best.marked)
    if cost > MAX_COST_PER_SPAN * (known + 1):
        return None
    for other, reading in readings[1:]:
        if other > cost + AMBIGUOUS_COST:
            break
        moved = np.abs(np.subtract(reading.bounds, best.bounds))
        if moved.max() > AMBIGUOUS_S:
            return None
    return best


def _read_marks(marks: Sequence[float], length_s: float) -> Iterator[tuple[float, Segmentation]]:
    """Yield every reading of the marks as bounds, with its cost in squared standard deviations."""
    indexes = range(len(SEGMENTS) + 1)
    for used in range(MIN_MARKS, len(marks) + 1):
        for chosen in combinations(marks, used):
            for places in combinations(indexes, used):
                cost = SPURIOUS_COST * (len(marks) - used)
                cost += sum(
                    _cost(b - a, i, k)
                    for a, b, i, k in zip(chosen, chosen[1:], places, places[1:], strict=False)
                )
                bounds = _fill_bounds(chosen, places, length_s)
                if bounds is None:
                    continue
                cost += _margin_cost(bounds[0], 0, places[0])
                cost += _margin_cost(length_s - bounds[-1], places[-1], len(SEGMENTS))
                marked = tuple(i in places for i in indexes)
                yield cost, Segmentation(bounds, marked)


def _cost(span_s: float, first: int, last: int) -> float:
    """How unlike the protocol the distance of two bounds is."""
    spread = float(np.hypot.reduce(SPREAD_S[first:last]))
    return ((span_s - sum(TYPICAL_S[first:last])) / spread) ** 2


def _margin_cost(margin_s: float, first: int, last: int) -> float:
    """How unlike a complete drive the recording before the first or after the last bound is."""
    spread = float(np.hypot.reduce([MARGIN_SPREAD_S, *SPREAD_S[first:last]]))
    return ((margin_s - MARGIN_S) / spread) ** 2


def _fill_bounds(
    marks: Sequence[float], places: Sequence[int], length_s: float
) -> tuple[float, ...] | None:
    """Return all bounds from those that are marked; None if they do not fit into the recording."""
    typical = np.concatenate([[0.0], np.cumsum(TYPICAL_S)])
    bounds = np.interp(typical, typical[list(places)], marks)
    first, last = places[0], places[-1]
    bounds[:first] = marks[0] - (typical[first] - typical[:first])
    bounds[last + 1 :] = marks[-1] + (typical[last + 1 :] - typical[last])
    if bounds[0] < -MARGIN_SPREAD_S or bounds[-1] > length_s + MARGIN_SPREAD_S:
        return None
    bounds = np.clip(bounds, 0.0, length_s)
    if (np.diff(bounds) <= 0).any():
        return None
    return tuple(float(bound) for bound in bounds)


def choose_bounds(marks: list[float], length_s: float) -> list[float] | None:
    """Return the eight bounds of the seven segments; None if the marks do not fit a drive.

    Exactly eight marks are used unchanged. Otherwise dynamic programming chooses the eight whose
    segments are closest to their typical lengths; the start and end of the file may replace the
    first and last mark.
    """
    if len(marks) == len(SEGMENTS) + 1:
        return marks
    candidates = [
        (0.0, SUBSTITUTE_COST),
        *((mark, 0.0) for mark in marks),
        (length_s, SUBSTITUTE_COST),
    ]
    best: dict[int, tuple[float, list[float]]] = {
        i: (cost, [at]) for i, (at, cost) in enumerate(candidates)
    }
    for typical in TYPICAL_S:
        following: dict[int, tuple[float, list[float]]] = {}
        for i, (cost, bounds) in best.items():
            for k in range(i + 1, len(candidates)):
                span = candidates[k][0] - bounds[-1]
                if span <= 0:
                    continue
                total = cost + candidates[k][1] + np.log(span / typical) ** 2 + 0.5 * (k - i - 1)
                if k not in following or total < following[k][0]:
                    following[k] = (float(total), [*bounds, candidates[k][0]])
        best = following
    return min(best.values(), key=lambda found: found[0])[1] if best else None
