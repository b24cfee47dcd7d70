"""Recorded signals, played as if they were measured now."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from affectline.common.settings.biometrics import BiometricsSettings
from affectline.services.biometrics.driver import WAIT_S, Clock, Driver, Reading
from affectline.services.biometrics.validation import NS

STEP_NS: Final = NS
"""As fast as possible still means pieces of a second: messages stay small, signals interleave."""
LATEST_PLAYED: Final = 2**62
"""In ns, the year 2116: as far again from it is still a time that the wire can say."""

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


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

    def piece(self, start: int, stop: int, shift: int) -> Reading:
        """Samples ``start`` to ``stop`` (excluded), their times moved by ``shift`` ns."""
        at = int(self.times[start])
        offsets: tuple[int, ...] = ()
        if self.rate is None:
            offsets = tuple((self.times[start:stop] - at).tolist())
        values = tuple(self.values[start:stop].tolist())
        return Reading(self.signal, self.unit, at + shift, values, self.rate, offsets)


def even_times(start: int, rate: float, count: int) -> Times:
    """Times in ns of ``count`` samples, ``rate`` a second (0.001 or more) from ``start`` on."""
    steps = np.round(np.arange(count) * (NS / rate))
    return start + steps.astype(np.int64)


def ascending(times: Times) -> tuple[Times, int]:
    """Times that never fall, and how many had to be changed for it: nothing is sorted or dropped.

    One time that is ahead of its neighbours on both sides is a slip, and is put between them. After
    any other fall a clock was set back: what follows comes the usual (median) step behind the
    last, and keeps its distance until the clock has caught up. It is the order that is true then,
    and not the times, so samples that would overlap are not sorted in between.

    Args:
        times: ``(N,) int64`` in ns, from 0 to `LATEST_PLAYED`.
    """
    steps = np.diff(times)
    if not (steps < 0).any():
        return times, 0
    usual = int(np.median(steps[steps >= 0])) if (steps >= 0).any() else 0
    raw: list[int] = times.tolist()
    changed = _smooth_slips(raw, usual)
    last, shift = raw[0], 0
    for i, own in enumerate(raw):
        if own >= last:
            shift = 0
        elif own + shift < last:
            shift = last + usual - own
            changed += 1
        last = raw[i] = min(own + shift, LATEST_PLAYED)
    return np.array(raw, np.int64), changed


def _smooth_slips(raw: list[int], usual: int) -> int:
    """Put single times that are ahead of both neighbours between them; return how many."""
    slips = 0
    for i in range(1, len(raw) - 1):
        if raw[i - 1] <= raw[i + 1] < raw[i]:
            raw[i] = min(raw[i - 1] + usual, raw[i + 1])
            slips += 1
    return slips


class FilePlayback(Driver):
    """Plays tracks; subclasses `load` them.

    The first sample's time is now, and the others keep the distance from it that they had when
    they were recorded: at four times the speed they run ahead of the clock. With ``keep_times``
    the recorded times are said as they are.
    """

    can_wait = True

    def __init__(self, settings: BiometricsSettings, clock: Clock) -> None:
        super().__init__()
        self._settings, self._clock = settings, clock

    def load(self) -> list[RecordedSignal]:
        """Read the recording.

        Raises:
            AffectlineError: There is nothing to play.
        """
        raise NotImplementedError

    def open(self) -> None:
        self._tracks = self.load()
        self._first = min(int(track.times[0]) for track in self._tracks)
        self._last = max(int(track.times[-1]) for track in self._tracks)
        self._shift = 0 if self._settings.keep_times else self._clock.now() - self._first
        self._rewind()

    def _rewind(self) -> None:
        self._next = [0] * len(self._tracks)
        self._began = self._clock.monotonic()

    def read(self) -> list[Reading]:
        until = self._until()
        pieces: list[Reading] = []
        for i, track in enumerate(self._tracks):
            start = self._next[i]
            stop = int(np.searchsorted(track.times, until, side="right"))
            if stop > start:
                self._next[i] = stop
                pieces.append(track.piece(start, stop, self._shift))
        if until >= self._last:
            self._end()
        return sorted(pieces, key=lambda piece: piece.at)

    def _until(self) -> int:
        """The recorded time up to which samples are due now."""
        speed = self._settings.speed
        if speed == "max":
            due = (
                t.times[i]
                for t, i in zip(self._tracks, self._next, strict=True)
                if i < len(t.times)
            )
            return int(min(due)) + STEP_NS
        self._clock.wait(WAIT_S)
        played_s = (self._clock.monotonic() - self._began) * speed
        # The end of a file is no surprise: not even a speed that makes the number too large
        return self._first + math.ceil(min(played_s * NS, self._last - self._first))

    def _end(self) -> None:
        if not self._settings.loop:
            self.ended = True
            return
        # The next round follows as far behind as samples usually follow each other
        gap = min(_usual_step(track) for track in self._tracks)
        self._shift += self._last - self._first + max(gap, 1)
        self._rewind()


def _usual_step(track: RecordedSignal) -> int:
    return int(np.median(np.diff(track.times))) if len(track.times) > 1 else NS


def scaled(track: RecordedSignal, scale: tuple[float, float]) -> RecordedSignal:
    """A track in another unit: ``value * factor + summand``."""
    factor, summand = scale
    if (factor, summand) == (1, 0):
        return track
    with np.errstate(over="ignore"):  # a value that gets infinite is missing, as it was unreadable
        return dataclasses.replace(track, values=track.values * factor + summand)
