"""A person's breathing, from the wave of a belt to the deviation of its rate from baseline."""

import math
import statistics
from collections import deque
from typing import Final

from affectline.common.wire.biometrics import Samples
from affectline.services.fusion.baseline import Baseline, BaselinePrior, TimeSmoother
from affectline.services.fusion.signal_quality import (
    MissingSignal,
    SignalDeviation,
    SignalQuality,
    explain_quality,
    freshness,
)

BREATHING_SIGNAL: Final = "respiration"
BIN_S: Final = 0.25
"""A breath takes two seconds or more: four values a second show it."""
CENTRE_S: Final = 10.0
"""Time constant of the middle of the wave, above and below which the chest moves."""
SIZE_S: Final = 30.0
"""Time constant of the size of the wave."""
THRESHOLD: Final = 0.3
"""Share of its size by which the wave must leave the middle: less is no breath."""
STILL: Final = 1e-6
"""Relative size of rounding errors, which are no breath either."""
SHORTEST_S: Final = 1.5
"""Forty breaths a minute at most."""
WINDOW_S: Final = 60.0
MIN_WINDOW_S: Final = 30.0
PRIOR: Final = BaselinePrior(spread=0.3, seconds=120.0)
"""Of the logarithm of the breathing rate."""
FRESH_S: Final = 5.0
STALE_S: Final = 30.0
"""Ages of the last sample up to which it counts fully, and from which it no longer counts."""


class BreathDetector:
    """Finds breaths causally: where the wave rises through its middle, with a hysteresis.

    The unit and the offset of the wave do not matter.
    """

    def __init__(self) -> None:
        self._bin: int | None = None
        self._values: list[float] = []
        self._centre = TimeSmoother(CENTRE_S / BIN_S)
        self._size = TimeSmoother(SIZE_S / BIN_S)
        self._is_low = False
        self._start_s = self.newest_s = -math.inf
        self.breaths: deque[float] = deque()
        """Times in s of the breaths within the last minute."""

    def add(self, at_s: float, value: float) -> None:
        """Add a sample of the wave."""
        if not math.isfinite(value):
            return
        number = int(at_s / BIN_S)
        if at_s - self.newest_s > FRESH_S:
            self._start_s = at_s
            self._is_low = False
        if self._bin is not None and number != self._bin and self._values:
            self._add_bin((self._bin + 1) * BIN_S, statistics.fmean(self._values))
            self._values.clear()
        self._bin = number
        self._values.append(value)
        self.newest_s = at_s

    def _add_bin(self, at_s: float, value: float) -> None:
        centre = self._centre.add(value)
        distance = value - centre
        limit = max(THRESHOLD * self._size.add(abs(distance)), STILL * abs(centre))
        if distance < -limit:
            self._is_low = True
        elif self._is_low and distance > limit:
            self._is_low = False
            if not self.breaths or at_s - self.breaths[-1] >= SHORTEST_S:
                self.breaths.append(at_s)

    def rate(self, now_s: float) -> float | None:
        """Breaths a minute over the last minute.

        None if half of it is not known yet, or without any breath: then the belt has slipped.
        """
        while self.breaths and self.breaths[0] <= now_s - WINDOW_S:
            self.breaths.popleft()
        window_s = min(WINDOW_S, now_s - self._start_s)
        if window_s < MIN_WINDOW_S:
            return None
        begin_s = now_s - window_s
        count = sum(at_s > begin_s for at_s in self.breaths)
        return count * 60.0 / window_s if count else None


class BreathingSignal:
    """Breathing of one person."""

    def __init__(self) -> None:
        self.baseline = Baseline(PRIOR)
        self.clear_samples()

    def clear_samples(self) -> None:
        """Forget samples, whose times no longer hold after a clock change; keep the baseline."""
        self._detector, self._quality = BreathDetector(), SignalQuality()

    def add_samples(self, samples: Samples, times_s: list[float]) -> None:
        """Add samples of the wave, in any unit."""
        self._quality.add_rating(samples, times_s[-1])
        if not samples.quality:
            return
        for at_s, value in zip(times_s, samples.values, strict=True):
            self._detector.add(at_s, value)

    @property
    def is_measured(self) -> bool:
        """Whether there was any sample."""
        return self._detector.newest_s > -math.inf or self.baseline.seconds > 0

    def close_second(self, now_s: float) -> None:
        """Update the baseline with the second that ends."""
        rate = self._detector.rate(now_s)
        if rate is not None and self._reliability(now_s) > 0:
            self.baseline.add(math.log1p(rate))

    def _reliability(self, now_s: float) -> float:
        age_s = now_s - self._detector.newest_s
        return self._quality.quality * freshness(age_s, FRESH_S, STALE_S)

    def evaluate(self, now_s: float) -> SignalDeviation | MissingSignal:
        """Return the deviation of the breathing rate from its mean."""
        rate, reliability = self._detector.rate(now_s), self._reliability(now_s)
        usual = self.baseline.mean
        if rate is None or usual is None or reliability <= 0:
            return MissingSignal(self._quality.reason or "too few breaths or out of date")
        maturity = self.baseline.maturity
        return SignalDeviation(
            deviation=(math.log1p(rate) - usual) / self.baseline.spread,
            reliability=reliability,
            quality=reliability * maturity,
            reason=explain_quality(reliability, 1.0, maturity, self._quality.reason),
            value=rate,
            baseline=math.expm1(usual),
        )
