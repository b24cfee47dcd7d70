"""Validates what drivers read: finite values, plausibility, monotonic times."""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from affectline.common.settings.biometrics import SIGNALS
from affectline.common.wire.biometrics import MAX_SAMPLES, MOST_RATE
from affectline.services.biometrics.driver import Reading

NS: Final = 1_000_000_000
SET_BACK_NS: Final = NS
"""A batch that is early by less shows jitter; by more, a clock that was set back."""
SLEW: Final = 0.01
"""Share of its time by which a signal that was moved comes back."""
SET_BACK_QUALITY: Final = 0.5
LATEST: Final = 2**63 - 1
"""The latest time that a message can hold."""


def time_of(reading: Reading, i: int) -> int:
    """When a sample of a reading was taken, in nanoseconds since the Unix epoch."""
    if reading.rate is None:
        return reading.at + reading.offsets[i]
    return reading.at + round(i * NS / reading.rate)


def has_times(reading: Reading) -> bool:
    """Whether a message can express the times of a reading's samples."""
    if reading.rate is not None:
        return 0 < reading.rate <= MOST_RATE and not reading.offsets  # NaN is not
    steps = itertools.pairwise((0, *reading.offsets))
    return len(reading.offsets) == len(reading.values) and all(a <= b for a, b in steps)


def slice_reading(reading: Reading, start: int, stop: int) -> Reading:
    """Samples ``start`` to ``stop`` (excluded) of a reading."""
    at = time_of(reading, start)
    shift = at - reading.at
    offsets = tuple(offset - shift for offset in reading.offsets[start:stop])
    return dataclasses.replace(reading, at=at, values=reading.values[start:stop], offsets=offsets)


def validate(reading: Reading, counters: Counter[str]) -> Iterator[Reading]:
    """Drop missing values, split to the size of a message, and rate plausibility.

    Args:
        reading: Any reading; its values may be NaN or infinite.
        counters: ``missing`` counts the dropped values.
    """
    for finite, group in groupby(range(len(reading.values)), lambda i: _is_finite(reading, i)):
        indexes = list(group)
        if not finite:
            counters["missing"] += len(indexes)
            continue
        for start in range(indexes[0], indexes[-1] + 1, MAX_SAMPLES):
            yield rate_plausibility(
                slice_reading(reading, start, min(start + MAX_SAMPLES, indexes[-1] + 1))
            )


def _is_finite(reading: Reading, i: int) -> bool:
    return math.isfinite(reading.values[i])


def rate_plausibility(reading: Reading) -> Reading:
    """Lower the quality to the share of values that are plausible for a living person."""
    known = SIGNALS.get(reading.signal)
    if known is None:
        return reading
    plausible = sum(known.low <= value <= known.high for value in reading.values) / len(
        reading.values
    )
    if plausible >= reading.quality:
        return reading
    reason = f"not between {known.low:g} and {known.high:g} {known.unit}"
    return dataclasses.replace(reading, quality=plausible, reason=reading.reason or reason)


class MonotonicTimestamps:
    """Keeps the times of one signal from decreasing, unless its clock was set back.

    A batch that would begin before the end of the last one is moved right after it, and the
    following ones come back to their own times, by at most `SLEW`. If it would begin a second or
    more before that, the clock was set back (a computer's when it is corrected, a device's when it
    is reset): the signal follows it at once, as frames do; the quality of that batch is at most
    0.5, and its reason says why.
    """

    def __init__(self) -> None:
        self._last = self._own = -1
        """Time of the last sample: as published, and by its own clock."""
        self._period = 0
        self._shift = 0

    def adjust(
        self, reading: Reading, counters: Counter[str], latest: int = LATEST
    ) -> Reading | None:
        """Shift a reading so that times do not decrease; None if its time fits no message.

        Args:
            reading: A reading with at least one sample.
            counters: ``reanchored`` counts the jumps, ``invalid`` the samples whose time fits no
                message.
            latest: The latest time that receivers accept, in ns since the Unix epoch.
        """
        end = time_of(reading, len(reading.values) - 1)
        was_set_back = reading.at <= self._last - SET_BACK_NS
        shift = 0 if was_set_back else self._find_shift(reading.at, end)
        if not 0 <= reading.at + shift <= end + shift <= min(latest, LATEST):
            counters["invalid"] += len(reading.values)
            return None
        if was_set_back or shift > self._shift:
            counters["reanchored"] += 1
        if reading.rate is not None:
            self._period = round(NS / reading.rate)
        self._last, self._own, self._shift = end + shift, end, shift
        reading = dataclasses.replace(reading, at=reading.at + shift)
        if not was_set_back:
            return reading
        quality = min(reading.quality, SET_BACK_QUALITY)
        return dataclasses.replace(
            reading, quality=quality, reason=reading.reason or "the clock was set back"
        )

    def _find_shift(self, at: int, end: int) -> int:
        """By how much to move a batch so that it does not begin before the last one ended."""
        if at >= self._last:
            return 0
        room = at + self._shift - self._last
        if room < 0:
            return self._last + self._period - at
        return self._shift - min(room // 2, max(0, round(SLEW * (end - self._own))))
