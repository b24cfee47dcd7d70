"""Skin conductance: its level, and its responses with onset, amplitude and recovery.

Causal: what is said at a moment depends on earlier samples only. Terms as in Boucsein (2012),
Electrodermal Activity, and the Society for Psychophysiological Research's recommendations (2012).
"""

import math
import statistics
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from affectline.services.fusion.baseline import TimeSmoother

LOWEST_US: Final = 0.05
HIGHEST_US: Final = 60.0
"""Outside these the electrode has no contact or the amplifier is at its end (Kleckner et al. 2018,
IEEE Transactions on Biomedical Engineering 65(7))."""
LEVEL_TAU_S: Final = 3.0
"""Smoothing of the level: responses rise in one to three seconds and must not be the level."""
BIN_S: Final = 0.125
"""Responses are looked for at eight samples a second: the steepest rise in half a second."""
RISE_S: Final = 5.0
"""A response rises for one to three seconds, five at most (Boucsein 2012): a slower climb is the
level's."""
SMALLEST_US: Final = 0.02
"""Smallest response counted; 0.01 to 0.05 uS are in use (SPR 2012)."""
TURN_SHARE: Final = 0.1
"""A response has reached its peak when this share of the amplitude is lost again."""
KEPT_S: Final = 120.0


@dataclass(frozen=True)
class SkinResponse:
    """One skin conductance response. Times in seconds, on the clock of the samples."""

    onset_s: float
    peak_s: float
    amplitude_us: float
    """From onset to peak, in microsiemens."""
    half_recovery_s: float | None = None
    """When half of the amplitude was lost again; None while it is not, or another came first."""


def is_valid(value: float) -> bool:
    """True for a conductance in microsiemens that skin can have."""
    return math.isfinite(value) and LOWEST_US <= value <= HIGHEST_US


class SkinLevel:
    """The level, once a second: median of the second, smoothed, as a natural logarithm."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._smoother = TimeSmoother(LEVEL_TAU_S)
        self.level: float | None = None
        """Log of the level in uS."""
        self.newest_s = -math.inf
        """When the last valid sample was taken."""
        self.invalid = 0
        """Samples rejected so far."""

    def add(self, at_s: float, value: float) -> None:
        """Take in a sample in uS."""
        if is_valid(value):
            self._values.append(value)
            self.newest_s = at_s
        else:
            self.invalid += 1

    def close_second(self) -> float | None:
        """End the second; return the log level, None where no valid sample was taken in it."""
        if not self._values:
            return None
        self.level = self._smoother.add(math.log(statistics.median(self._values)))
        self._values.clear()
        return self.level


class SkinResponses:
    """Finds responses while samples come in; samples must come in order of time."""

    def __init__(self) -> None:
        self._bin = -1
        self._bin_values: list[float] = []
        self._smooth: deque[float] = deque(maxlen=3)
        self._recent: deque[tuple[float, float]] = deque()
        """Time and value of the last `RISE_S`, the candidates for an onset."""
        self._onset: tuple[float, float] | None = None
        self._peak = (0.0, 0.0)
        self._last_level = math.inf
        self.found: deque[SkinResponse] = deque()
        """Responses of the last two minutes, oldest first."""

    def add(self, at_s: float, value: float) -> None:
        """Take in a sample in uS."""
        if not is_valid(value):
            return
        number = int(at_s / BIN_S)
        if number != self._bin and self._bin_values:
            self._step((self._bin + 0.5) * BIN_S, statistics.fmean(self._bin_values))
            self._bin_values.clear()
        if number > self._bin + RISE_S / BIN_S:  # a gap: what was before is no onset
            self._recent.clear()
            self._smooth.clear()
            self._onset = None
        self._bin = number
        self._bin_values.append(value)

    def rate(self, now_s: float, window_s: float = 60.0) -> float:
        """Responses a minute whose peak lies in the last ``window_s`` seconds."""
        count = sum(response.peak_s > now_s - window_s for response in self.found)
        return count * 60.0 / window_s

    def _step(self, at_s: float, value: float) -> None:
        self._smooth.append(value)
        # A mean of three bins lags by one
        smooth, at_s = statistics.fmean(self._smooth), at_s - BIN_S * (len(self._smooth) - 1) / 2
        self._recover(at_s, smooth)
        if self._onset is None:
            self._look_for_onset(at_s, smooth)
        else:
            self._follow(at_s, smooth)
        while self.found and self.found[0].peak_s < at_s - KEPT_S:
            self.found.popleft()

    def _look_for_onset(self, at_s: float, value: float) -> None:
        while self._recent and self._recent[0][0] < at_s - RISE_S:
            self._recent.popleft()
        self._recent.append((at_s, value))
        lowest = min(self._recent, key=lambda pair: (pair[1], -pair[0]))
        if value - lowest[1] >= SMALLEST_US:
            self._onset, self._peak = lowest, (at_s, value)

    def _follow(self, at_s: float, value: float) -> None:
        assert self._onset  # noqa: S101 - for the type checker: only called with an onset
        amplitude = self._peak[1] - self._onset[1]
        if value > self._peak[1] and at_s - self._onset[0] <= RISE_S + 1:
            self._peak = (at_s, value)
        elif value < self._peak[1] - TURN_SHARE * amplitude:
            self.found.append(SkinResponse(self._onset[0], self._peak[0], amplitude))
            self._last_level = self._peak[1] - amplitude / 2
            self._start_anew(at_s, value)
        elif at_s - self._peak[0] > RISE_S:  # neither up nor down: the level has moved
            self._start_anew(at_s, value)

    def _start_anew(self, at_s: float, value: float) -> None:
        self._onset = None
        self._recent.clear()
        self._recent.append((at_s, value))

    def _recover(self, at_s: float, value: float) -> None:
        if self.found and self.found[-1].half_recovery_s is None and value <= self._last_level:
            self.found[-1] = replace(self.found[-1], half_recovery_s=at_s)
