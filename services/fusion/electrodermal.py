"""Skin conductance: tonic level (SCL), phasic responses (SCR), and the deviation from baseline.

Causal: every value depends on earlier samples only. Terms as in Boucsein (2012),
Electrodermal Activity, and the Society for Psychophysiological Research's recommendations (2012).
"""

import math
import statistics
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from affectline.services.fusion.baseline import TimeSmoother

MIN_US: Final = 0.05
MAX_US: Final = 60.0
"""Outside this range the electrode has no contact or the amplifier is saturated (Kleckner et al.
2018, IEEE Transactions on Biomedical Engineering 65(7))."""
LEVEL_TAU_S: Final = 3.0
"""Time constant of the tonic level: it must not show responses, which rise in one to three
seconds."""
BIN_S: Final = 0.125
"""Responses are detected at eight samples a second: the steepest rise takes half a second."""
RISE_S: Final = 5.0
"""A response rises for one to three seconds, at most five (Boucsein 2012): a slower rise is
tonic."""
MIN_AMPLITUDE_US: Final = 0.02
"""Smallest response counted; 0.01 to 0.05 uS are in use (SPR 2012)."""
PEAK_DROP: Final = 0.1
"""A response has passed its peak once it has fallen by this share of its amplitude."""
HISTORY_S: Final = 120.0
"""How long finished responses are kept."""


@dataclass(frozen=True)
class SkinConductanceResponse:
    """One skin conductance response (SCR). Times in seconds on the clock of the samples."""

    onset_s: float
    peak_s: float
    amplitude_us: float
    """From onset to peak, in microsiemens."""
    half_recovery_s: float | None = None
    """Time of half recovery; None before, or if another response came first."""


def is_valid(value: float) -> bool:
    """Return whether this is a possible skin conductance, in microsiemens."""
    return math.isfinite(value) and MIN_US <= value <= MAX_US


class TonicLevel:
    """Skin conductance level (SCL), once a second: the median, smoothed, as a natural logarithm."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._smoother = TimeSmoother(LEVEL_TAU_S)
        self.level: float | None = None
        """Natural logarithm of the level in uS."""
        self.newest_s = -math.inf
        """Time of the last valid sample."""
        self.invalid = 0
        """Samples rejected so far."""

    def add(self, at_s: float, value: float) -> None:
        """Add a sample in uS."""
        if is_valid(value):
            self._values.append(value)
            self.newest_s = at_s
        else:
            self.invalid += 1

    def close_second(self) -> float | None:
        """End the second; return the log level, None if it had no valid sample."""
        if not self._values:
            return None
        self.level = self._smoother.add(math.log(statistics.median(self._values)))
        self._values.clear()
        return self.level


class ResponseDetector:
    """Detects responses sample by sample; samples must come in order of time."""

    def __init__(self) -> None:
        self._bin = -1
        self._bin_samples: list[tuple[float, float]] = []
        self._smooth: deque[tuple[float, float]] = deque(maxlen=3)
        """Time and value of the newest bins."""
        self._recent: deque[tuple[float, float]] = deque()
        """Time and value of the last `RISE_S`, the candidates for an onset."""
        self._onset: tuple[float, float] | None = None
        self._peak = (0.0, 0.0)
        self._half_recovery_us = math.inf
        self.responses: deque[SkinConductanceResponse] = deque()
        """Responses of the last two minutes, oldest first."""

    def add(self, at_s: float, value: float) -> None:
        """Add a sample in uS."""
        if not is_valid(value):
            return
        number = int(at_s / BIN_S)
        if number != self._bin and self._bin_samples:
            self._add_bin(*_mean(self._bin_samples))
            self._bin_samples.clear()
        if number > self._bin + RISE_S / BIN_S:  # after a gap, earlier values are not onsets
            self._recent.clear()
            self._smooth.clear()
            self._onset = None
        self._bin = number
        self._bin_samples.append((at_s, value))

    def rate(self, now_s: float, window_s: float = 60.0) -> float:
        """Responses a minute, of those that peaked in the last ``window_s`` seconds."""
        count = sum(response.peak_s > now_s - window_s for response in self.responses)
        return count * 60.0 / window_s

    def _add_bin(self, at_s: float, value: float) -> None:
        self._smooth.append((at_s, value))
        at_s, smooth = _mean(self._smooth)  # bins of slow signals are further apart
        self._detect_half_recovery(at_s, smooth)
        if self._onset is None:
            self._detect_onset(at_s, smooth)
        else:
            self._track_peak(at_s, smooth)
        while self.responses and self.responses[0].peak_s < at_s - HISTORY_S:
            self.responses.popleft()

    def _detect_onset(self, at_s: float, value: float) -> None:
        while self._recent and self._recent[0][0] < at_s - RISE_S:
            self._recent.popleft()
        self._recent.append((at_s, value))
        lowest = min(self._recent, key=lambda pair: (pair[1], -pair[0]))
        if value - lowest[1] >= MIN_AMPLITUDE_US:
            self._onset, self._peak = lowest, (at_s, value)

    def _track_peak(self, at_s: float, value: float) -> None:
        assert self._onset  # noqa: S101 - for the type checker: only called with an onset
        amplitude = self._peak[1] - self._onset[1]
        if value > self._peak[1] and at_s - self._onset[0] <= RISE_S + 1:
            self._peak = (at_s, value)
        elif value < self._peak[1] - PEAK_DROP * amplitude:
            self.responses.append(SkinConductanceResponse(self._onset[0], self._peak[0], amplitude))
            self._half_recovery_us = self._peak[1] - amplitude / 2
            self._restart(at_s, value)
        elif at_s - self._peak[0] > RISE_S:  # neither rising nor falling: the tonic level has moved
            self._restart(at_s, value)

    def _restart(self, at_s: float, value: float) -> None:
        self._onset = None
        self._recent.clear()
        self._recent.append((at_s, value))

    def _detect_half_recovery(self, at_s: float, value: float) -> None:
        if (
            self.responses
            and self.responses[-1].half_recovery_s is None
            and value <= self._half_recovery_us
        ):
            self.responses[-1] = replace(self.responses[-1], half_recovery_s=at_s)


def _mean(samples: Collection[tuple[float, float]]) -> tuple[float, float]:
    """Mean time and mean value."""
    times, values = zip(*samples, strict=True)
    return statistics.fmean(times), statistics.fmean(values)
