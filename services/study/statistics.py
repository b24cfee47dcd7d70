"""Means with intervals from resampling participants, and averages around events."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 10_000
SEED: Final = 1
FEWEST: Final = 3
"""Minimum of participants for an interval: two show nothing about how people differ."""
STEP_S: Final = 0.25
"""Time between the points of averages around events."""
DIGITS: Final = 9
"""Decimal places of changes: further digits are floating-point noise."""
LONGEST_GAP_S: Final = 5.0
"""A curve is not interpolated over longer gaps."""


class MeanInterval(NamedTuple):
    """A mean over participants."""

    participants: int
    mean: float
    low: float | None
    """Lower end of the 95 % interval; None with fewer than `FEWEST` participants."""
    high: float | None


def bootstrap_mean(values: Sequence[float] | NDArray[np.float64]) -> MeanInterval:
    """Mean over participants with its 95 % percentile bootstrap interval (Efron & Tibshirani 1993).

    Args:
        values: One value per participant.
    """
    given = np.asarray(values, np.float64)
    if len(given) < FEWEST:
        return MeanInterval(len(given), float(given.mean()), None, None)
    random = np.random.default_rng(SEED)
    means = given[random.integers(0, len(given), (RESAMPLES, len(given)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return MeanInterval(len(given), float(given.mean()), float(low), float(high))


def mean_by_participant(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Mean by participant, so that several sessions of one count as one."""
    values: dict[str, list[float]] = {}
    for participant, value in pairs:
        values.setdefault(participant, []).append(value)
    return {name: float(np.mean(found)) for name, found in values.items()}


def paired_difference(
    first: Mapping[str, float], second: Mapping[str, float]
) -> MeanInterval | None:
    """Second minus first, for participants with both; None if nobody has both."""
    both = [second[name] - first[name] for name in first if name in second]
    return bootstrap_mean(both) if both else None


def event_grid(before_s: float, after_s: float) -> NDArray[np.float64]:
    """Seconds from an event at which curves are averaged."""
    steps = np.arange(-round(before_s / STEP_S), round(after_s / STEP_S) + 1)
    return np.asarray(steps * STEP_S, np.float64)


def cut_around(
    times: NDArray[np.float64], values: NDArray[np.float64], at: float, grid: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """A curve around an event, minus its mean before the event.

    Args:
        times: Times in s, increasing.
        values: A value for each time.
        at: Time of the event in s.
        grid: Seconds from the event.

    Returns:
        A value for each point of the grid, NaN where nothing was measured; None if there is no
        value before the event to compare with.
    """
    moments = at + grid
    cut = np.interp(moments, times, values, left=np.nan, right=np.nan)
    after = np.clip(np.searchsorted(times, moments, "right"), 1, len(times) - 1)
    if len(times) > 1:
        cut[times[after] - times[after - 1] > LONGEST_GAP_S] = np.nan
    before = cut[grid < 0]
    if not np.isfinite(before).any():
        return None
    return np.asarray(np.round(cut - np.nanmean(before), DIGITS), np.float64)


def average_events(
    cuts: Mapping[str, Sequence[NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], int]:
    """Mean over participants of their means over events, with its interval, point by point.

    Args:
        cuts: By participant: curves around events.

    Returns:
        Mean, lower and upper end (NaN with fewer than `FEWEST` participants), and the number of
        participants.
    """
    means = np.stack([_nanmean(np.stack(list(curves))) for curves in cuts.values()])
    mean = _nanmean(means)
    low, high = np.full(len(mean), np.nan), np.full(len(mean), np.nan)
    if len(means) >= FEWEST:
        random = np.random.default_rng(SEED)
        drawn = random.integers(0, len(means), (RESAMPLES // 10, len(means)))
        resampled = np.stack([_nanmean(means[rows]) for rows in drawn])
        known = np.isfinite(means).sum(axis=0) >= FEWEST
        low[known], high[known] = np.nanpercentile(resampled[:, known], [2.5, 97.5], axis=0)
    return mean, low, high, len(means)


def _nanmean(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Column means of the known values; NaN without any."""
    known = np.isfinite(rows)
    counts = known.sum(axis=0)
    sums = np.where(known, rows, 0.0).sum(axis=0)
    found: NDArray[np.float64] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return found
