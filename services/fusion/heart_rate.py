"""Heart rate and its variability from RR intervals, rates or waves; deviation from baseline.

All of it is causal. Artefacts are rejected: sensors that lose contact report 0 or 265 beats a
minute.
"""

import math
import statistics
from collections import deque
from itertools import pairwise
from typing import Final, Protocol

from affectline.services.fusion.beat_detection import BeatDetector

MIN_RATE: Final = 30.0
MAX_RATE: Final = 210.0
"""Range of an awake person's heart rate, in beats a minute."""
MAX_CHANGE: Final = 0.3
"""An RR interval that differs from the median of the last ones by more than this share is a missed
or extra beat. The Task Force (1996) uses 20 % between successive intervals. Breathing alone changes
young people's intervals by that much, so this limit is slightly higher."""
MEDIAN_INTERVALS: Final = 9
"""Number of accepted intervals in the median."""
MAX_REJECTED: Final = 8
"""After this many rejections in a row the heart rate has really changed: the median starts over."""
RR_WINDOW_S: Final = 120.0
"""Two minutes average out breathing and the ten-second waves of blood pressure."""
SERIES_WINDOW_S: Final = 60.0
MIN_INTERVALS: Final = 6
RMSSD_WINDOW_S: Final = 60.0
MIN_DIFFERENCES: Final = 20
"""Ultra-short RMSSD is valid from half a minute on (Munoz et al. 2015, PLoS ONE 10(9))."""
FAST_WINDOW_S: Final = 30.0
"""Window of the fast rate, which shows what began within the last minute."""
CURRENT_WINDOW_S: Final = 10.0
"""Window of the current heart rate, which is displayed."""
SAMPLING_RATE_TOLERANCE: Final = 0.02
"""If a wave's sampling rate changes by more, its device was reconfigured."""


class HeartRateSource(Protocol):
    """A source of the heart rate. Times in seconds on the clock of the samples."""

    newest_s: float
    """Time of the last accepted value."""

    def add(self, at_s: float, value: float) -> object:
        """Add a value."""

    def accepts_sampling_rate(self, sampling: float | None) -> bool:
        """Return whether samples at this rate continue the source; None: they carry time stamps."""

    def rate(self, now_s: float) -> float | None:
        """Beats a minute over one or two minutes; None if too little is known."""

    def current_rate(self, now_s: float) -> float | None:
        """Beats a minute over the last ten seconds; None if too little is known."""

    def fast_rate(self, now_s: float) -> float | None:
        """Beats a minute over the last half minute; None if too little is known."""

    def coverage(self, now_s: float) -> float:
        """How much of the window was measured, 0 to 1."""

    def rmssd(self, now_s: float) -> float | None:
        """Root mean square of successive differences in ms; None if too little is known."""


class RRSource:
    """Heart rate from RR intervals in ms, each with the time of its second beat."""

    def __init__(self) -> None:
        self._neighbours: deque[float] = deque(maxlen=MEDIAN_INTERVALS)
        self._accepted: deque[tuple[float, float, bool]] = deque()
        """Time, interval, and whether the interval before it was accepted too."""
        self._sum = 0.0
        self._rejected_in_row = 0
        self._contiguous = False
        self.newest_s = -math.inf
        self.rejected = 0

    def add(self, at_s: float, value: float) -> bool:
        """Add an RR interval in ms; return False if it is an artefact."""
        if not self._is_plausible(value):
            self.rejected += 1
            self._contiguous = False
            return False
        contiguous = self._contiguous and abs(at_s - self.newest_s - value / 1000) < 0.25
        self._neighbours.append(value)
        self._accepted.append((at_s, value, contiguous))
        self._sum += value
        self.newest_s, self._contiguous = at_s, True
        return True

    def accepts_sampling_rate(self, sampling: float | None) -> bool:
        return True

    def _is_plausible(self, value: float) -> bool:
        if not (math.isfinite(value) and 60_000 / MAX_RATE <= value <= 60_000 / MIN_RATE):
            return False
        middle = statistics.median(self._neighbours) if self._neighbours else value
        if abs(value - middle) <= MAX_CHANGE * middle:
            self._rejected_in_row = 0
            return True
        self._rejected_in_row += 1
        if self._rejected_in_row < MAX_REJECTED:
            return False
        self._neighbours.clear()
        self._rejected_in_row = 0
        return True

    def _drop_old(self, now_s: float) -> None:
        while self._accepted and self._accepted[0][0] <= now_s - RR_WINDOW_S:
            self._sum -= self._accepted.popleft()[1]
        if not self._accepted:
            self._sum = 0.0  # do not accumulate rounding errors

    def rate(self, now_s: float) -> float | None:
        self._drop_old(now_s)
        count = len(self._accepted)
        return 60_000 * count / self._sum if count >= MIN_INTERVALS else None

    def current_rate(self, now_s: float) -> float | None:
        recent = self._since(now_s - CURRENT_WINDOW_S)
        return 60_000 / statistics.median(v for _, v, _ in recent) if len(recent) > 2 else None

    def fast_rate(self, now_s: float) -> float | None:
        recent = self._since(now_s - FAST_WINDOW_S)
        enough = len(recent) >= MIN_INTERVALS
        return 60_000 / statistics.fmean(v for _, v, _ in recent) if enough else None

    def coverage(self, now_s: float) -> float:
        self._drop_old(now_s)
        return max(0.0, min(1.0, self._sum / 1000 / RR_WINDOW_S))

    def rmssd(self, now_s: float) -> float | None:
        recent = self._since(now_s - RMSSD_WINDOW_S)
        squares = [(b[1] - a[1]) ** 2 for a, b in pairwise(recent) if b[2]]
        return math.sqrt(statistics.fmean(squares)) if len(squares) >= MIN_DIFFERENCES else None

    def _since(self, start_s: float) -> list[tuple[float, float, bool]]:
        found = []
        for beat in reversed(self._accepted):
            if beat[0] <= start_s:
                break
            found.append(beat)
        return found[::-1]


class RateSource:
    """Heart rate from a series of rates in beats a minute, which is what most devices send."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, float]] = deque()
        """Each second, and the median of the values accepted in it."""
        self._this_second: list[float] = []
        self._summaries: dict[float, tuple[int, float | None, int]] = {}
        """By window, since the last value: states are ten times as frequent as values."""
        self._second = -1
        self.newest_s = -math.inf
        self.rejected = 0

    def add(self, at_s: float, value: float) -> bool:
        """Add a rate; return False if it is an artefact."""
        self._summaries.clear()
        if int(at_s) != self._second:
            self._close()
            self._second = int(at_s)
        if not (math.isfinite(value) and MIN_RATE <= value <= MAX_RATE):
            self.rejected += 1
            return False
        self._this_second.append(value)
        self.newest_s = at_s
        return True

    def accepts_sampling_rate(self, sampling: float | None) -> bool:
        return True

    def _close(self) -> None:
        if self._this_second:
            self._seconds.append((self._second, statistics.median(self._this_second)))
            self._this_second.clear()

    def _since(self, start_s: float) -> list[float]:
        while self._seconds and self._seconds[0][0] <= self._second - SERIES_WINDOW_S:
            self._seconds.popleft()
        recent = [value for second, value in self._seconds if second > start_s]
        return recent + ([statistics.median(self._this_second)] if self._this_second else [])

    def rate(self, now_s: float) -> float | None:
        return self._summary(now_s, SERIES_WINDOW_S)[1]

    def current_rate(self, now_s: float) -> float | None:
        return self._summary(now_s, CURRENT_WINDOW_S)[1]

    def fast_rate(self, now_s: float) -> float | None:
        return self._summary(now_s, FAST_WINDOW_S)[1]

    def _summary(self, now_s: float, window_s: float) -> tuple[int, float | None, int]:
        """Return the second in which the window begins, the median and the number of seconds."""
        start_s = now_s - window_s
        known = self._summaries.get(window_s)
        if known is None or known[0] != math.floor(start_s):
            # A median: spikes of a second or two, as in drivedb, leave no trace
            recent = self._since(start_s)
            median = statistics.median(recent) if recent else None
            known = self._summaries[window_s] = math.floor(start_s), median, len(recent)
        return known

    def coverage(self, now_s: float) -> float:
        return min(1.0, self._summary(now_s, SERIES_WINDOW_S)[2] / SERIES_WINDOW_S)

    def rmssd(self, now_s: float) -> float | None:
        return None


class WaveformSource(RRSource):
    """Heart rate from a pulse wave or an electrocardiogram: beats are detected first.

    Args:
        detector: Detects the beats in this kind of wave.
    """

    def __init__(self, detector: BeatDetector) -> None:
        super().__init__()
        self._detector = detector
        self._last_beat_s: float | None = None

    def accepts_sampling_rate(self, sampling: float | None) -> bool:
        return sampling is None or abs(sampling / self._detector.rate - 1) < SAMPLING_RATE_TOLERANCE

    def add(self, at_s: float, value: float) -> bool:
        """Add a sample of the wave; return True if it completed an accepted interval."""
        accepted = False
        for beat_s in self._detector.add(at_s, value):
            if self._last_beat_s is not None:
                interval_ms = (beat_s - self._last_beat_s) * 1000
                accepted = super().add(beat_s, interval_ms) or accepted
            self._last_beat_s = beat_s
        return accepted
