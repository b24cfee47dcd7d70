"""Playback of recorded signals, as if they were measured now."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from affectline.common.settings.biometrics import BiometricsSettings
from affectline.services.biometrics.driver import WAIT_S, Driver, Reading
from affectline.services.biometrics.validation import NS

STEP_NS: Final = NS
"""At maximum speed a step plays one second: messages stay small, signals interleave."""
LATEST_PLAYED: Final = 2**62
"""In ns, the year 2116: twice as much still fits the message format."""

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Speed = Annotated[float, Field(ge=0.001, le=10_000)] | Literal["max"]


class PlaybackSettings(BiometricsSettings):
    """What the settings of all drivers that play a recording share."""

    speed: Speed = 1.0
    """1 plays at the recorded pace, 4 four times as fast, ``max`` as fast as it is consumed."""
    keep_times: bool = False
    """Publish the recorded times; by default the first sample's time is that of the start."""
    loop: bool = False
    """Start again at the end."""

    @model_validator(mode="after")
    def _check_times_rise(self) -> Self:
        if self.loop and self.keep_times:
            raise ValueError("loop and keep_times exclude each other: times would fall")
        return self


@dataclass(frozen=True, eq=False)
class RecordedSignal:
    """One recorded signal."""

    signal: str
    unit: str
    times: Times
    """``(N,) int64``, nanoseconds since the Unix epoch or any other moment; not falling."""
    values: Values
    """``(N,) float64``, NaN where a sample is missing."""
    rate: float | None = None
    """Samples a second, where they are evenly spaced."""

    def slice(self, start: int, stop: int, shift: int = 0) -> Reading:
        """Samples ``start`` to ``stop`` (excluded), their times shifted by ``shift`` ns."""
        at = int(self.times[start])
        offsets: tuple[int, ...] = ()
        if self.rate is None:
            offsets = tuple((self.times[start:stop] - at).tolist())
        values = tuple(self.values[start:stop].tolist())
        return Reading(self.signal, self.unit, at + shift, values, self.rate, offsets)


def regular_times(start: int, rate: float, count: int) -> Times:
    """Times in ns of ``count`` samples, ``rate`` a second (0.001 or more) from ``start`` on."""
    steps = np.round(np.arange(count) * (NS / rate))
    return start + steps.astype(np.int64)


def make_monotonic(times: Times) -> tuple[Times, int]:
    """Correct times that fall; nothing is sorted or dropped.

    A single time that is later than both its neighbours is an outlier, and is moved between them.
    After any other fall the clock was set back: the next sample is put the usual (median) step
    behind the last one, and those that follow keep their distance to it until the clock has caught
    up. The order of samples is right then and their times are not, so samples that would overlap
    are not sorted in between.

    Args:
        times: ``(N,) int64`` in ns, from 0 to `LATEST_PLAYED`.

    Returns:
        Times that do not fall, and how many were changed.
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

    The first sample's time is that of the start, and the others keep their recorded distance from
    it: at four times the speed they run ahead of the clock. With ``keep_times`` the recorded times
    are published.
    """

    _settings: PlaybackSettings
    can_wait = True

    def load(self) -> list[RecordedSignal]:
        """Read the recording.

        Raises:
            AffectlineError: There is nothing to play.
        """
        raise NotImplementedError

    def open(self) -> None:
        self._signals = self.load()
        self._start = min(int(signal.times[0]) for signal in self._signals)
        self._end = max(int(signal.times[-1]) for signal in self._signals)
        self._shift = 0 if self._settings.keep_times else self._clock.now() - self._start
        self._rewind()

    def _rewind(self) -> None:
        self._next = [0] * len(self._signals)
        self._started_s = self._clock.monotonic()

    def read(self) -> list[Reading]:
        until = self._due_time()
        readings: list[Reading] = []
        for i, signal in enumerate(self._signals):
            start = self._next[i]
            stop = int(np.searchsorted(signal.times, until, side="right"))
            if stop > start:
                self._next[i] = stop
                readings.append(signal.slice(start, stop, self._shift))
        if until >= self._end:
            self._finish_pass()
        return sorted(readings, key=lambda reading: reading.at)

    def _due_time(self) -> int:
        """The recorded time up to which samples are due now."""
        speed = self._settings.speed
        if speed == "max":
            due = (
                s.times[i]
                for s, i in zip(self._signals, self._next, strict=True)
                if i < len(s.times)
            )
            return int(min(due)) + STEP_NS
        self._clock.wait(WAIT_S)
        played_s = (self._clock.monotonic() - self._started_s) * speed
        # Never beyond the end: at the highest speeds the product would overflow
        return self._start + math.ceil(min(played_s * NS, self._end - self._start))

    def _finish_pass(self) -> None:
        if not self._settings.loop:
            self.ended = True
            return
        # The next pass starts the usual step between samples after the last one
        gap = min(_usual_step(signal) for signal in self._signals)
        self._shift += self._end - self._start + max(gap, 1)
        self._rewind()


def _usual_step(signal: RecordedSignal) -> int:
    return int(np.median(np.diff(signal.times))) if len(signal.times) > 1 else NS


def rescale(signal: RecordedSignal, scale: tuple[float, float]) -> RecordedSignal:
    """Convert a signal to another unit: ``value * factor + offset``."""
    factor, offset = scale
    if (factor, offset) == (1, 0):
        return signal
    with np.errstate(over="ignore"):  # a value that becomes infinite is dropped as missing later
        return dataclasses.replace(signal, values=signal.values * factor + offset)
