"""Plays recorded signals on the session's time line."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import PlaybackSettings
from affectline.services.biometrics.driver import WAIT_S, Clock, Driver, Reading
from affectline.services.biometrics.validation import NS

BLOCK_NS: Final = NS // 4
"""The most recorded time in one message if messages must not depend on the pace: signals
interleave, and others wait only briefly."""
LATEST_PLAYED: Final = 2**62
"""In ns, the year 2116: twice that still fits the message format."""

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RecordedSignal:
    """One recorded signal."""

    signal: str
    unit: str
    times: Times
    """``(N,) int64``, nanoseconds since the Unix epoch or any other moment; never decreasing."""
    values: Values
    """``(N,) float64``, NaN where a sample is missing."""
    rate: float | None = None
    """Samples a second, if they are evenly spaced."""

    def slice(self, start: int, stop: int, shift: int = 0) -> Reading:
        """Samples ``start`` to ``stop`` (excluded), their times shifted by ``shift`` ns."""
        at = int(self.times[start])
        offsets: tuple[int, ...] = ()
        if self.rate is None:
            offsets = tuple((self.times[start:stop] - at).tolist())
        values = tuple(self.values[start:stop].tolist())
        return Reading(self.signal, self.unit, at + shift, values, self.rate, offsets)


class RecordedSignals(NamedTuple):
    """The contents of a file or folder."""

    signals: list[RecordedSignal]
    start: int
    """When it begins, on the time line of the signals in ns: not later than the first sample."""


def regular_times(start: int, rate: float, count: int, source: str = "a signal") -> Times:
    """Times in ns of ``count`` samples, ``rate`` a second (0.001 or more) from ``start`` on.

    Args:
        start: Time of the first sample.
        rate: Samples a second.
        count: Number of samples.
        source: Where the samples come from, for the error.

    Raises:
        AffectlineError: The samples end after `LATEST_PLAYED`.
    """
    if start + count * NS / rate > LATEST_PLAYED:
        raise AffectlineError(
            f"{source}: {count} samples at {rate:g} a second end after the year 2116",
            "is the rate right, and the start?",
        )
    steps = np.round(np.arange(count) * (NS / rate))
    return start + steps.astype(np.int64)


def make_monotonic(times: Times) -> tuple[Times, int]:
    """Correct times that decrease; nothing is sorted or dropped.

    A single time that is later than both its neighbours is an outlier, and is moved between them.
    Any other decrease means that the clock was set back: the next sample is put the usual (median)
    step after the last one, and those that follow keep their distance to it until the clock has
    caught up. In that case the order of samples is right and their times are wrong, so samples
    that would overlap are not sorted in between.

    Args:
        times: ``(N,) int64`` in ns, from 0 to `LATEST_PLAYED`.

    Returns:
        Times that do not decrease, and how many were changed.
    """
    steps = np.diff(times)
    if not (steps < 0).any():
        return times, 0
    usual = int(np.median(steps[steps >= 0])) if (steps >= 0).any() else 0
    raw: list[int] = times.tolist()
    changed = _fix_outliers(raw, usual)
    last, shift = raw[0], 0
    for i, own in enumerate(raw):
        if own >= last:
            shift = 0
        elif own + shift < last:
            shift = last + usual - own
            changed += 1
        last = raw[i] = min(own + shift, LATEST_PLAYED)
    return np.array(raw, np.int64), changed


def _fix_outliers(raw: list[int], usual: int) -> int:
    """Move single times that are later than both neighbours between them; return how many."""
    outliers = 0
    for i in range(1, len(raw) - 1):
        if raw[i - 1] <= raw[i + 1] < raw[i]:
            raw[i] = min(raw[i - 1] + usual, raw[i + 1])
            outliers += 1
    return outliers


class FilePlayback(Driver):
    """Plays recorded signals, which subclasses `load`.

    A recording begins at the session's start or at its own date, and its samples keep their
    distance from there at any speed. If the sources of a run are aligned, each message contains the
    samples of one block of `BLOCK_NS`, so that messages are the same at any pace.
    """

    _settings: PlaybackSettings
    can_wait = True
    length_ns: int | None = None
    """Recorded time from its begin to its last sample; None until it is open."""
    _hurries = False

    def load(self) -> RecordedSignals:
        """Read the recording.

        Raises:
            AffectlineError: There is nothing that can be played.
        """
        raise NotImplementedError

    @classmethod
    def find_start(cls, settings: Any) -> int:
        """When a recording begins by its own times, in ns; reads no more than necessary.

        Raises:
            AffectlineError: The recording cannot be read.
        """
        return cls(settings, Clock(now_ns, monotonic, lambda _: True)).load().start

    def open(self) -> None:
        recording = self.load()
        self._signals, self._start = recording.signals, recording.start
        self._end = max(int(signal.times[-1]) for signal in self._signals)
        self.length_ns = self._end - self._start
        begins_at = self._find_begin()
        if begins_at < 0:
            raise AffectlineError(
                f"keep_times: {self.device} has times before 1970",
                "its times are not dates: leave keep_times out",
            )
        self._shift = begins_at - self._start
        self._speed = self._settings.speed or self.timing.speed
        # A recording with its own speed or date does not follow the clock
        self._follows_clock = (
            self.timing.follows_clock
            and self._settings.speed is None
            and self._speed != "max"
            and not (self._settings.start or self._settings.keep_times)
        )
        self._in_blocks = self.timing.is_aligned or self._speed == "max"
        self._started_s = self._clock.monotonic()
        self._next = [0] * len(self._signals)
        self.complete_until = begins_at

    def hurry(self) -> None:
        self._hurries = True

    def _find_begin(self) -> int:
        """When the recording begins on the session's time line, in ns."""
        settings = self._settings
        offset = round(settings.offset * NS)
        if settings.keep_times:
            return self._start + offset
        if settings.start is not None:
            return max(0, round(settings.start.timestamp() * 1e6) * 1000 + offset)
        start = self.timing.session_start
        return max(0, (self._clock.now() if start is None else start) + offset)

    def read(self) -> list[Reading]:
        until = self._next_block() if self._in_blocks else self._due_until()
        readings = self._samples_before(until)
        if until > self._end:
            self._finish_pass()
        if self.timing.ends_at is not None:
            self.ended = self.ended or self._next_time() + self._shift >= self.timing.ends_at
        self.complete_until = self._next_time() + self._shift
        return sorted(readings, key=lambda reading: reading.at)

    def _samples_before(self, until: int) -> list[Reading]:
        """The samples before a recorded time that were not returned yet."""
        if self.timing.ends_at is not None:
            until = min(until, self.timing.ends_at - self._shift)
        readings = []
        for i, signal in enumerate(self._signals):
            start = self._next[i]
            stop = int(np.searchsorted(signal.times, until, side="left"))
            if stop > start:
                self._next[i] = stop
                readings.append(signal.slice(start, stop, self._shift))
        return readings

    def _next_time(self) -> int:
        """Recorded time of the next sample; after the last one, 1 ns after that."""
        due = (
            s.times[i] for s, i in zip(self._signals, self._next, strict=True) if i < len(s.times)
        )
        return int(min(due, default=self._end + 1))

    def _next_block(self) -> int:
        """End of the next block with samples; if it is not due, its start, after a pause."""
        first = self._next_time()
        begin = first - (first - self._start) % BLOCK_NS
        end = begin + BLOCK_NS
        if self._speed == "max" or self._hurries:
            return end
        missing_ns = min(end - 1, self._end) - self._played_until()
        if missing_ns <= 0:
            return end
        self._clock.wait(min(WAIT_S, missing_ns / NS))
        return begin

    def _due_until(self) -> int:
        """The recorded time before which samples are due now."""
        self._clock.wait(WAIT_S)
        return min(self._played_until(), self._end) + 1

    def _played_until(self) -> int:
        """How far playing has come, in recorded time."""
        if self._follows_clock:
            return self._clock.now() - self._shift
        assert self._speed != "max"  # noqa: S101 - for the type checker
        return self._start + int((self._clock.monotonic() - self._started_s) * self._speed * NS)

    def _finish_pass(self) -> None:
        if not self._settings.loop:
            self.ended = True
            return
        # The next pass starts one usual step between samples after the last one
        gap = min(_usual_step(signal) for signal in self._signals)
        length = self._end - self._start + max(gap, 1)
        self._shift += length
        if self._speed != "max":
            self._started_s += length / NS / self._speed
        self._next = [0] * len(self._signals)


def _usual_step(signal: RecordedSignal) -> int:
    return int(np.median(np.diff(signal.times))) if len(signal.times) > 1 else NS


def rescale(signal: RecordedSignal, scale: tuple[float, float]) -> RecordedSignal:
    """Convert a signal to another unit: ``value * factor + offset``."""
    factor, offset = scale
    if (factor, offset) == (1, 0):
        return signal
    with np.errstate(over="ignore"):  # a value that becomes infinite is dropped as missing later
        return dataclasses.replace(signal, values=signal.values * factor + offset)
