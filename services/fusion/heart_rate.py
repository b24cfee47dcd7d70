"""Heart rate and its variability from beats, from a series of rates, or from a pulse wave.

Causal, with artefacts rejected: sensors say 0 and 265 beats a minute when they lose the heart.
"""

import math
import statistics
from collections import deque
from itertools import pairwise
from typing import Final, Protocol

from affectline.services.fusion.beat_detection import BeatFinder

SLOWEST: Final = 30.0
FASTEST: Final = 210.0
"""Beats a minute that a person awake can have."""
JUMP: Final = 0.3
"""An interval farther than this share from the median of the last ones is a missed or extra beat.
The Task Force (1996) uses 20 % from one interval to the next; breathing alone moves young people's
intervals by that much, so the median is allowed a little more."""
NEIGHBOURS: Final = 9
"""Accepted intervals whose median counts."""
PATIENCE: Final = 8
"""Rejected in a row: the heart has changed its pace after all, and the median starts anew."""
BEATS_WINDOW_S: Final = 120.0
"""Two minutes average over breathing and over the ten-second waves of blood pressure."""
SERIES_WINDOW_S: Final = 60.0
ENOUGH_BEATS: Final = 6
RMSSD_WINDOW_S: Final = 60.0
ENOUGH_PAIRS: Final = 20
"""Ultra-short RMSSD holds from half a minute on (Munoz et al. 2015, PLoS ONE 10(9))."""
NOW_WINDOW_S: Final = 10.0
"""For the figure shown to people."""
SAME_RATE: Final = 0.02
"""A wave whose rate changes by more is another one: a device was set up anew."""


class HeartRateSource(Protocol):
    """What can say how fast the heart beats. Times in seconds on the clock of the samples."""

    newest_s: float
    """When the last accepted value was taken."""

    def add(self, at_s: float, value: float) -> object:
        """Take in a value."""

    def fits(self, sampling: float | None) -> bool:
        """Whether it can go on with samples at that rate; None where their times tell."""

    def rate(self, now_s: float) -> float | None:
        """Beats a minute over one or two minutes; None where too little is known."""

    def rate_now(self, now_s: float) -> float | None:
        """The same over the last ten seconds."""

    def coverage(self, now_s: float) -> float:
        """How much of the window was measured, 0 to 1."""

    def rmssd(self, now_s: float) -> float | None:
        """Root mean square of successive differences in ms; None where too little is known."""


class RRSource:
    """Heart rate from the intervals between beats, in ms, each told at its second beat."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=NEIGHBOURS)
        self._kept: deque[tuple[float, float, bool]] = deque()
        """Time, interval, and whether the interval before it was accepted too."""
        self._sum = 0.0
        self._rejected_in_row = 0
        self._follows = False
        self.newest_s = -math.inf
        self.rejected = 0

    def add(self, at_s: float, value: float) -> bool:
        """Take in an interval in ms; False where it is an artefact."""
        if not self._believable(value):
            self.rejected += 1
            self._follows = False
            return False
        follows = self._follows and abs(at_s - self.newest_s - value / 1000) < 0.25
        self._last.append(value)
        self._kept.append((at_s, value, follows))
        self._sum += value
        self.newest_s, self._follows = at_s, True
        return True

    def fits(self, sampling: float | None) -> bool:
        return True

    def _believable(self, value: float) -> bool:
        if not (math.isfinite(value) and 60_000 / FASTEST <= value <= 60_000 / SLOWEST):
            return False
        middle = statistics.median(self._last) if self._last else value
        if abs(value - middle) <= JUMP * middle:
            self._rejected_in_row = 0
            return True
        self._rejected_in_row += 1
        if self._rejected_in_row < PATIENCE:
            return False
        self._last.clear()
        self._rejected_in_row = 0
        return True

    def _forget(self, now_s: float) -> None:
        while self._kept and self._kept[0][0] <= now_s - BEATS_WINDOW_S:
            self._sum -= self._kept.popleft()[1]
        if not self._kept:
            self._sum = 0.0  # so that rounding does not gather

    def rate(self, now_s: float) -> float | None:
        self._forget(now_s)
        count = len(self._kept)
        return 60_000 * count / self._sum if count >= ENOUGH_BEATS else None

    def rate_now(self, now_s: float) -> float | None:
        recent = self._since(now_s - NOW_WINDOW_S)
        return 60_000 / statistics.median(v for _, v, _ in recent) if len(recent) > 2 else None

    def coverage(self, now_s: float) -> float:
        self._forget(now_s)
        return max(0.0, min(1.0, self._sum / 1000 / BEATS_WINDOW_S))

    def rmssd(self, now_s: float) -> float | None:
        recent = self._since(now_s - RMSSD_WINDOW_S)
        squares = [(b[1] - a[1]) ** 2 for a, b in pairwise(recent) if b[2]]
        return math.sqrt(statistics.fmean(squares)) if len(squares) >= ENOUGH_PAIRS else None

    def _since(self, start_s: float) -> list[tuple[float, float, bool]]:
        found = []
        for beat in reversed(self._kept):
            if beat[0] <= start_s:
                break
            found.append(beat)
        return found[::-1]


class RateSource:
    """Heart rate from a series of rates, in beats a minute, as most devices give."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, float]] = deque()
        """Second, and the median of what was accepted in it."""
        self._now: list[float] = []
        self._second = -1
        self.newest_s = -math.inf
        self.rejected = 0

    def add(self, at_s: float, value: float) -> bool:
        """Take in a rate; False where it is an artefact."""
        if int(at_s) != self._second:
            self._close()
            self._second = int(at_s)
        if not (math.isfinite(value) and SLOWEST <= value <= FASTEST):
            self.rejected += 1
            return False
        self._now.append(value)
        self.newest_s = at_s
        return True

    def fits(self, sampling: float | None) -> bool:
        return True

    def _close(self) -> None:
        if self._now:
            self._seconds.append((self._second, statistics.median(self._now)))
            self._now.clear()

    def _since(self, start_s: float) -> list[float]:
        while self._seconds and self._seconds[0][0] <= self._second - SERIES_WINDOW_S:
            self._seconds.popleft()
        kept = [value for second, value in self._seconds if second > start_s]
        return kept + ([statistics.median(self._now)] if self._now else [])

    def rate(self, now_s: float) -> float | None:
        # A median: spikes of a second or two, as in the drives, leave no trace
        kept = self._since(now_s - SERIES_WINDOW_S)
        return statistics.median(kept) if kept else None

    def rate_now(self, now_s: float) -> float | None:
        kept = self._since(now_s - NOW_WINDOW_S)
        return statistics.median(kept) if kept else None

    def coverage(self, now_s: float) -> float:
        return min(1.0, len(self._since(now_s - SERIES_WINDOW_S)) / SERIES_WINDOW_S)

    def rmssd(self, now_s: float) -> float | None:
        return None


class WaveformSource(RRSource):
    """Heart rate from a pulse wave or an electrocardiogram: beats are found, then counted.

    Args:
        finder: Finds the beats of that kind of wave.
    """

    def __init__(self, finder: BeatFinder) -> None:
        super().__init__()
        self._finder = finder
        self._last_beat_s: float | None = None

    def fits(self, sampling: float | None) -> bool:
        return sampling is None or abs(sampling / self._finder.rate - 1) < SAME_RATE

    def add(self, at_s: float, value: float) -> bool:
        """Take in a sample of the wave; True where it completed an accepted interval."""
        accepted = False
        for beat_s in self._finder.add(at_s, value):
            if self._last_beat_s is not None:
                interval_ms = (beat_s - self._last_beat_s) * 1000
                accepted = super().add(beat_s, interval_ms) or accepted
            self._last_beat_s = beat_s
        return accepted
