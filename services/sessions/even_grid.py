"""Resamples measurements to an even time grid, which many tools expect."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

EVEN: Final = 0.1
"""A signal is evenly sampled if its intervals are, on average, within a tenth of their median."""
UNEVEN_RATE: Final = 4.0
"""Interpolation rate of heart rates and RR intervals in Hz, as suggested for their spectra by Task
Force of the ESC and the NASPE (1996), Heart rate variability, Circulation 93."""
LONGEST_GAP_S: Final = 5.0
"""Longer gaps are not interpolated."""
LATEST_S: Final = 10.0
"""A delay that messages make up for within this time is not a gap."""
LEAST_GAP: Final = 0.75
"""Minimum gap, in samples: a sensor's clock may be corrected by nearly as much between two messages
(`services.biometrics.sensor_clock`)."""
LARGEST_SLIP_S: Final = 0.05
"""A sensor whose clock is off by less over a whole recording has its nominal rate."""
BEAT_BY_BEAT: Final = frozenset({"heart_rate", "rr_interval"})
"""Signals with one value per beat, whatever their times look like."""


class EvenGrid(NamedTuple):
    """Measurements on an even grid."""

    values: NDArray[np.float64]
    """``(N, C) float64``; NaN where nothing was measured."""
    rate: float
    """Samples a second."""
    start_s: float
    """Time of the first sample, in s of the session."""
    is_interpolated: bool
    """The measurements were uneven."""


def put_on_grid(
    times_s: NDArray[np.float64], values: NDArray[np.float64], *, by_beat: bool = False
) -> EvenGrid | None:
    """Resample measurements to an even grid.

    Even measurements keep their rate and values, with NaN in gaps, which drifting clocks and late
    messages are not. Others are interpolated at `UNEVEN_RATE`, except across gaps longer than
    `LONGEST_GAP_S`.

    Args:
        times_s: ``(N,)``, in s of the session, in any order; of equal times the first counts.
        values: ``(N, C)``.
        by_beat: There is one value per beat, so the signal is never even.

    Returns:
        The grid; None with fewer than two distinct times.
    """
    times, places = np.unique(times_s, return_index=True)
    values = values[places]
    if len(times) < 2:
        return None
    intervals = np.diff(times) / np.median(np.diff(times))
    # Whole multiples of the median are gaps in an even signal
    is_even = not by_beat and np.mean(np.abs(intervals - np.round(intervals))) < EVEN
    if not is_even:
        return EvenGrid(_interpolate(times, values), UNEVEN_RATE, float(times[0]), True)
    place, rate = _number(times, 1 / float(np.median(np.diff(times))))
    grid = np.full((place[-1] + 1, values.shape[1]), np.nan)
    grid[place] = values
    return EvenGrid(grid, rate, float(times[0]), False)


def _number(times: NDArray[np.float64], nominal: float) -> tuple[NDArray[np.int64], float]:
    """Number even samples, counting missing ones, and measure their rate.

    Clocks of sensors drift, so the number is not the time multiplied by the nominal rate. After a
    gap, all samples are later than the rate says; after a late message, others soon are on time.

    Args:
        times: ``(N,)``, increasing, in s.
        nominal: Samples a second according to most intervals.
    """
    intervals = np.diff(times)
    near = intervals < max(LATEST_S, 2 / nominal)
    rate = float(np.sum(np.round(intervals[near] * nominal)) / np.sum(intervals[near]))
    # A roughly known rate is only good for short windows
    is_step = _count_missing(times, rate, LATEST_S / 5)[1:] == 0
    rate = float(np.sum(is_step) / np.sum(intervals[is_step]))
    place = np.arange(len(times)) + np.cumsum(_count_missing(times, rate, LATEST_S))
    span, plain = times[-1] - times[0], _plain_rate(nominal)
    if abs(place[-1] / plain - span) <= max(0.5 / plain, LARGEST_SLIP_S):
        return place, plain
    return place, float(f"{place[-1] / span:.7g}")


def _count_missing(times: NDArray[np.float64], rate: float, seconds: float) -> NDArray[np.int64]:
    """How many samples are missing before each one, by the least delays before and after it."""
    window = max(3, round(seconds * rate))
    late = (times - times[0]) * rate - np.arange(len(times))
    missing, begin = np.zeros(len(times), np.int64), 0
    for i in (np.flatnonzero(np.diff(late) >= LEAST_GAP / 2) + 1).tolist():
        gap = np.min(late[i : i + window]) - np.min(late[max(begin, i - window) : i])
        if gap >= LEAST_GAP:
            missing[i], begin = round(gap), i
    return missing


def _interpolate(times: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    moments = np.arange(times[0], times[-1], 1 / UNEVEN_RATE)
    grid = np.stack([np.interp(moments, times, column) for column in values.T], axis=1)
    after = np.clip(np.searchsorted(times, moments, "right"), 1, len(times) - 1)
    grid[times[after] - times[after - 1] > LONGEST_GAP_S] = np.nan
    return grid


def _plain_rate(rate: float) -> float:
    """Remove rounding errors of the times from a rate: 3.99999 becomes 4."""
    plain = float(f"{rate:.4g}")
    return float(round(plain)) if abs(plain - round(plain)) < 1e-3 * plain else plain
