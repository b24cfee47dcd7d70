"""Finds the bounds of a drive's segments: button presses are spikes in the marker channel."""

from typing import Final

import numpy as np
from scipy.ndimage import median_filter

from affectline.services.validation.metrics import Vector

SEGMENTS: Final = ("rest", "city", "highway", "city", "highway", "city", "rest")
"""Segments in the order of every drive (Healey and Picard 2005)."""
TYPICAL_S: Final = (900.0, 900.0, 420.0, 420.0, 450.0, 800.0, 900.0)
"""Usual lengths of the segments: fifteen minutes of rest by protocol, the others from Healey and
Picard's description of the route. Used only if there are more or fewer than eight spikes."""
SPIKE_MV: Final = 3.0
"""Minimum height of a spike above the median of half a minute; the noise is below 1 mV."""
MEDIAN_S: Final = 30.0
MERGE_S: Final = 40.0
"""Spikes closer than this are one mark, pressed twice."""
SUBSTITUTE_COST: Final = 4.0
"""Cost of using the start or end of the file for a missing mark: as much as a segment that is seven
times too long or too short."""


def find_marks(marker: Vector, rate: float) -> list[float]:
    """Return the times of the spikes in seconds from the beginning, with close ones merged."""
    size = max(3, round(MEDIAN_S * rate) | 1)
    high = np.flatnonzero(marker - median_filter(marker, size=size, mode="nearest") > SPIKE_MV)
    if not len(high):
        return []
    groups = np.split(high, np.flatnonzero(np.diff(high) > MERGE_S * rate) + 1)
    return [float(group[0]) / rate for group in groups]


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
