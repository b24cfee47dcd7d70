"""From what drivers read to what may go over the wire: finite, plausible, in order of time."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from affectline.common.settings.biometrics import SIGNALS
from affectline.common.wire.biometrics import MAX_SAMPLES
from affectline.services.biometrics.driver import Reading

NS: Final = 1_000_000_000
SET_BACK_NS: Final = NS
"""A batch that is early by less is jitter; by more, somebody has set a clock back."""
SET_BACK_QUALITY: Final = 0.5
LATEST: Final = 2**63 - 1
"""The latest time that the wire can say."""


def time_of(reading: Reading, i: int) -> int:
    """When a sample of a reading was taken, in nanoseconds since the Unix epoch."""
    if reading.rate is None:
        return reading.at + reading.offsets[i]
    return reading.at + round(i * NS / reading.rate)


def cut(reading: Reading, start: int, stop: int) -> Reading:
    """Samples ``start`` to ``stop`` (excluded) of a reading."""
    at = time_of(reading, start)
    shift = at - reading.at
    offsets = tuple(offset - shift for offset in reading.offsets[start:stop])
    return dataclasses.replace(reading, at=at, values=reading.values[start:stop], offsets=offsets)


def clean(reading: Reading, counters: Counter[str]) -> Iterator[Reading]:
    """Leave out what is missing, cut to the size of a message, and say what is not plausible.

    Args:
        reading: Any; its values may be NaN or infinite.
        counters: ``missing`` counts the values that are.
    """
    for finite, group in groupby(range(len(reading.values)), lambda i: _is_finite(reading, i)):
        indexes = list(group)
        if not finite:
            counters["missing"] += len(indexes)
            continue
        for start in range(indexes[0], indexes[-1] + 1, MAX_SAMPLES):
            yield judge(cut(reading, start, min(start + MAX_SAMPLES, indexes[-1] + 1)))


def _is_finite(reading: Reading, i: int) -> bool:
    return math.isfinite(reading.values[i])


def judge(reading: Reading) -> Reading:
    """Lower the quality to the share of values that a living person can have."""
    known = SIGNALS.get(reading.signal)
    if known is None:
        return reading
    share = sum(known.low <= value <= known.high for value in reading.values) / len(reading.values)
    if share >= reading.quality:
        return reading
    reason = f"not between {known.low:g} and {known.high:g} {known.unit}"
    return dataclasses.replace(reading, quality=share, reason=reading.reason or reason)


class MonotonicTimestamps:
    """Sees to it that the times of one signal never fall; nothing is dropped for it.

    Clocks jump backwards: a computer's when it is corrected, a device's when it is reset. A batch
    that would begin before the end of the last one is put right behind it, and as long as the
    clock has not caught up the following batches keep their distance from it. Where the clock was
    set back by a second or more, they say so, at half their quality.
    """

    def __init__(self) -> None:
        self._last = -1
        self._period = 0
        self._shift = 0

    def take(self, reading: Reading, counters: Counter[str]) -> Reading | None:
        """The reading at a time that does not fall; None where no message can say its time.

        Args:
            reading: With at least one sample.
            counters: ``reanchored`` counts the jumps, ``invalid`` the samples of no known time.
        """
        end = time_of(reading, len(reading.values) - 1)
        if reading.at >= self._last:
            self._shift = 0
        elif reading.at + self._shift < self._last:
            counters["reanchored"] += 1
            self._shift = self._last + self._period - reading.at
        if not 0 <= reading.at + self._shift <= end + self._shift <= LATEST:
            counters["invalid"] += len(reading.values)
            return None
        if reading.rate is not None:
            self._period = round(NS / reading.rate)
        self._last = end + self._shift
        return self._moved(reading)

    def _moved(self, reading: Reading) -> Reading:
        if not self._shift:
            return reading
        moved = dataclasses.replace(reading, at=reading.at + self._shift)
        if self._shift < SET_BACK_NS:
            return moved
        quality = min(moved.quality, SET_BACK_QUALITY)
        return dataclasses.replace(
            moved, quality=quality, reason=moved.reason or "the clock was set back"
        )
