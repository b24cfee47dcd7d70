"""A person's heart rate, from samples of any heart signal to the deviation from baseline."""

import math
from collections import defaultdict
from typing import Final

from affectline.common.wire.biometrics import Samples
from affectline.services.fusion.baseline import Baseline, BaselinePrior
from affectline.services.fusion.beat_detection import (
    ECG,
    MIN_SAMPLING_RATE,
    PPG,
    BeatDetector,
    can_detect_beats,
    estimate_sampling_rate,
)
from affectline.services.fusion.feature_settings import FeatureSettings
from affectline.services.fusion.heart_rate import (
    HeartRateSource,
    RateSource,
    RRSource,
    WaveformSource,
)
from affectline.services.fusion.signal_quality import (
    MissingSignal,
    SignalDeviation,
    SignalQuality,
    explain_quality,
    freshness,
)

HEART_SIGNALS: Final = ("rr_interval", "ecg", "ppg", "heart_rate")
"""Best first: RR intervals themselves show artefacts, a series of rates does not."""
FAST_SIGNALS: Final = ("heart_rate", "rr_interval", "ecg", "ppg")
"""Best first for the fast rate: over half a minute, gaps between intervals weigh more than the
artefacts of a series, of which the median is taken."""
FRESH_S: Final = {"rr_interval": 30.0, "ecg": 10.0, "ppg": 10.0, "heart_rate": 10.0}
"""Age in seconds up to which the last value counts fully."""
STALE_S: Final = {"rr_interval": 120.0, "ecg": 60.0, "ppg": 60.0, "heart_rate": 60.0}
"""Age in seconds from which it no longer counts."""


class HeartSignal:
    """Heart rate of one person from the best source available.

    Args:
        settings: Priors and time constants of the baselines.
    """

    def __init__(self, settings: FeatureSettings) -> None:
        self._prior = BaselinePrior(settings.heart_spread, settings.heart_prior_s)
        self._low_memory_s = settings.low_memory_s
        self._baselines: dict[str, Baseline] = {}
        self._fast: dict[str, Baseline] = {}
        """Baselines of the fast rates."""
        self._unusable_reason = ""
        self.clear_samples()

    def clear_samples(self) -> None:
        """Forget samples, whose times no longer hold after a clock change; keep baselines."""
        self._sources: dict[str, HeartRateSource] = {}
        self._qualities: defaultdict[str, SignalQuality] = defaultdict(SignalQuality)
        self._stamps: defaultdict[str, list[float]] = defaultdict(list)
        """Times of the first samples, by waveform without a sampling rate."""

    def add_samples(self, samples: Samples, times_s: list[float]) -> None:
        """Add samples; those of quality 0 count only towards the device's quality."""
        signal = samples.signal
        self._qualities[signal].add_rating(samples, times_s[-1])
        source = self._sources.get(signal)
        if source is None or not source.accepts_sampling_rate(samples.rate):
            source = self._create_source(samples, times_s)
        if source is None or not samples.quality:
            return
        for at_s, value in zip(times_s, samples.values, strict=True):
            source.add(at_s, value)

    def _create_source(self, samples: Samples, times_s: list[float]) -> HeartRateSource | None:
        signal = samples.signal
        source: HeartRateSource | None
        if signal == "rr_interval":
            source = RRSource()
        elif signal == "heart_rate":
            source = RateSource()
        else:
            source = self._create_waveform_source(samples, times_s)
        if source is not None:
            self._sources[signal] = source
            self._baselines.setdefault(signal, Baseline(self._prior))
            self._fast.setdefault(signal, Baseline(self._prior, self._low_memory_s))
        return source

    def _create_waveform_source(
        self, samples: Samples, times_s: list[float]
    ) -> HeartRateSource | None:
        """Return None while the sampling rate is unknown, or if beats cannot be detected."""
        signal, rate = samples.signal, samples.rate
        if not can_detect_beats():
            self._unusable_reason = f"{signal}: needs SciPy (pip install 'affectline[signals]')"
            return None
        if rate is None:
            self._stamps[signal] += times_s
            rate = estimate_sampling_rate(self._stamps[signal])
            if rate is None:
                return None
            del self._stamps[signal]
        if rate < MIN_SAMPLING_RATE:
            self._unusable_reason = (
                f"{signal}: {rate:g} samples a second; beats need at least {MIN_SAMPLING_RATE:g}"
            )
            return None
        return WaveformSource(BeatDetector(ECG if signal == "ecg" else PPG, rate))

    @property
    def baselines(self) -> list[Baseline]:
        """Baselines of all sources."""
        return [*self._baselines.values(), *self._fast.values()]

    def close_second(self, now_s: float) -> None:
        """Update the baselines with the second that ends."""
        for signal, source in self._sources.items():
            rate = source.rate(now_s)
            if rate is None or self._reliability(signal, now_s) <= 0:
                continue
            self._baselines[signal].add(math.log(rate))
            fast = source.fast_rate(now_s)
            if fast is not None:
                self._fast[signal].add(math.log(fast))

    def _reliability(self, signal: str, now_s: float) -> float:
        age_s = now_s - self._sources[signal].newest_s
        return self._qualities[signal].quality * freshness(age_s, FRESH_S[signal], STALE_S[signal])

    def evaluate(self, now_s: float) -> SignalDeviation | MissingSignal:
        """Return the deviation of the best source that has one."""
        reason = self._unusable_reason or "no heart signal"
        for signal in (s for s in HEART_SIGNALS if s in self._sources):
            source, baseline = self._sources[signal], self._baselines[signal]
            rate, reliability = source.rate(now_s), self._reliability(signal, now_s)
            device_reason = self._qualities[signal].reason
            if rate is None or baseline.mean is None or reliability <= 0:
                reason = device_reason or f"{signal}: too few beats or out of date"
                continue
            coverage = source.coverage(now_s)
            return SignalDeviation(
                deviation=(math.log(rate) - baseline.mean) / baseline.spread,
                reliability=reliability,
                quality=reliability * math.sqrt(coverage) * baseline.maturity,
                reason=explain_quality(reliability, coverage, baseline.maturity, device_reason),
                value=source.current_rate(now_s) or rate,
                baseline=math.exp(baseline.mean),
                more=self._evaluate_fast(now_s),
            )
        return MissingSignal(reason)

    def _evaluate_fast(self, now_s: float) -> dict[str, float]:
        """Return how far the fast rate of the best source that has one is above its low."""
        for signal in (s for s in FAST_SIGNALS if s in self._sources):
            rate, baseline = self._sources[signal].fast_rate(now_s), self._fast[signal]
            low = baseline.low
            if rate is not None and low is not None and self._reliability(signal, now_s) > 0:
                return {"heart_rise": (math.log(rate) - low) / baseline.spread}
        return {}

    def rmssd(self, now_s: float) -> float | None:
        """Return the heart rate variability over the last minute, in ms."""
        values = (self._sources[s].rmssd(now_s) for s in HEART_SIGNALS if s in self._sources)
        return next((value for value in values if value is not None), None)
