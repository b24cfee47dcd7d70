"""A person's skin conductance, from samples to the deviation from baseline."""

import math
from typing import Final

from affectline.common.wire.biometrics import Samples
from affectline.services.fusion.baseline import Baseline, BaselinePrior
from affectline.services.fusion.electrodermal import ResponseDetector, TonicLevel
from affectline.services.fusion.signal_quality import (
    MissingSignal,
    SignalDeviation,
    SignalQuality,
    explain_quality,
    freshness,
)

SKIN_SIGNAL: Final = "skin_conductance"
SKIN_PRIOR: Final = BaselinePrior(spread=0.50, seconds=120.0)
"""Within a session, the log of skin conductance spreads by half (median 0.47 over the people of
Stress-Predict); people differ by more than that, so their own spread soon counts more."""
FRESH_S: Final = 5.0
STALE_S: Final = 30.0
"""Ages of the last sample up to which it counts fully, and from which it no longer counts."""


class SkinSignal:
    """Skin conductance of one person."""

    def __init__(self) -> None:
        self.baseline = Baseline(SKIN_PRIOR)
        self.clear_samples()

    def clear_samples(self) -> None:
        """Forget samples, whose times no longer hold after a clock change; keep the baseline."""
        self._level, self._responses = TonicLevel(), ResponseDetector()
        self._quality = SignalQuality()

    def add_samples(self, samples: Samples, times_s: list[float]) -> None:
        """Add samples in uS; those of quality 0 count only towards the device's quality."""
        self._quality.add_rating(samples, times_s[-1])
        if not samples.quality:
            return
        for at_s, value in zip(times_s, samples.values, strict=True):
            self._level.add(at_s, value)
            self._responses.add(at_s, value)

    def close_second(self) -> None:
        """Update the baseline with the second that ends."""
        level = self._level.close_second()
        if level is not None:
            self.baseline.add(level)

    def evaluate(self, now_s: float) -> SignalDeviation | MissingSignal:
        """Return the tonic level's deviation from its low."""
        age_s = now_s - self._level.newest_s
        reliability = self._quality.quality * freshness(age_s, FRESH_S, STALE_S)
        level, low = self._level.level, self.baseline.low
        if level is None or low is None or reliability <= 0:
            lost = "no contact or out of date" if self._level.invalid or level else ""
            return MissingSignal(self._quality.reason or lost or "no skin signal")
        maturity = self.baseline.maturity
        return SignalDeviation(
            deviation=(level - low) / self.baseline.spread,
            reliability=reliability,
            quality=reliability * maturity,
            reason=explain_quality(reliability, 1.0, maturity, self._quality.reason),
            value=math.exp(level),
            baseline=math.exp(low),
        )

    def response_measures(self, now_s: float) -> dict[str, tuple[float, str]]:
        """Return value and unit by name: responses a minute, and measures of the newest response.

        ``skin_response_onset`` is how long ago it began, ``skin_response_recovery`` how long after
        its peak it had lost half of its amplitude.
        """
        measures = {"skin_responses": (self._responses.rate(now_s), "/min")}
        if self._responses.responses:
            newest = self._responses.responses[-1]
            measures["skin_response_onset"] = (now_s - newest.onset_s, "s")
            measures["skin_response_amplitude"] = (newest.amplitude_us, "uS")
            if newest.half_recovery_s is not None:
                measures["skin_response_recovery"] = (newest.half_recovery_s - newest.peak_s, "s")
        return measures
