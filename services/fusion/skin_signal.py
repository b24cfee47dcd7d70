"""A person's skin conductance, from samples of one or more sites to the deviation from baseline."""

import math
from dataclasses import dataclass, replace
from typing import Final

from affectline.common.wire.biometrics import Samples
from affectline.services.fusion.baseline import Baseline, BaselinePrior, TimeSmoother
from affectline.services.fusion.electrodermal import ResponseDetector, TonicLevel
from affectline.services.fusion.feature_settings import FeatureSettings
from affectline.services.fusion.signal_quality import (
    MissingSignal,
    SignalDeviation,
    SignalQuality,
    explain_quality,
    freshness,
)

SKIN_SIGNAL: Final = "skin_conductance"
"""A second site is called ``skin_conductance_foot``, for instance."""
RESPONSE_PRIOR: Final = BaselinePrior(spread=1.0, seconds=120.0)
"""Of the logarithm of one plus the responses a minute."""
RESPONSIVE_SITES: Final = ("finger", "fingers", "foot", "hand", "palm", "sole")
"""Sites, as in ``skin_conductance_foot``, whose responses count: there they show stress, while
those of a wrist follow its movements (Stress-Predict; van Dooren et al. 2012, Physiology & Behavior
106(2))."""
MIN_CALIBRATION_S: Final = 45.0
"""A shorter calibration does not tell how often this person responds at rest."""
FRESH_S: Final = 5.0
STALE_S: Final = 30.0
"""Ages of the last sample up to which it counts fully, and from which it no longer counts."""
SITE_POWER: Final = 4
"""A site counts by this power of its own spread: an electrode under which nothing happens, because
it is loose or dry, leaves the word to the other one."""
SILENT_S: Final = 600.0
SILENT_SPREAD: Final = 0.05
"""After ten minutes within five per cent and without a response, contact is doubtful."""
SILENT_QUALITY: Final = 0.5
NO_RESPONSE: Final = "hardly any change in ten minutes: check the electrodes"


def is_skin_signal(signal: str) -> bool:
    """Return whether a signal is skin conductance, of whatever site."""
    return signal == SKIN_SIGNAL or signal.startswith(f"{SKIN_SIGNAL}_")


@dataclass(frozen=True)
class _SiteDeviation:
    found: SignalDeviation
    weight: float


class SkinSite:
    """Skin conductance at one place of the body.

    Args:
        settings: Priors and time constants.
        signal: Name of the signal, which may say the site.
    """

    def __init__(self, settings: FeatureSettings, signal: str = SKIN_SIGNAL) -> None:
        self._settings = settings
        self._is_responsive = signal.removeprefix(f"{SKIN_SIGNAL}_") in RESPONSIVE_SITES
        self.baseline = Baseline(
            BaselinePrior(settings.skin_spread, settings.skin_prior_s), settings.low_memory_s
        )
        self.response_baseline = Baseline(RESPONSE_PRIOR)
        self.clear_samples()

    def clear_samples(self) -> None:
        """Forget samples, whose times no longer hold after a clock change; keep baselines."""
        self._level, self.responses = TonicLevel(), ResponseDetector()
        self._slow = TimeSmoother(self._settings.slow_s)
        self._slow_deviation: float | None = None
        self._quality = SignalQuality()
        self._silent_s = 0.0

    def add_samples(self, samples: Samples, times_s: list[float]) -> None:
        """Add samples in uS; those of quality 0 count only towards the device's quality."""
        self._quality.add_rating(samples, times_s[-1])
        if not samples.quality:
            return
        for at_s, value in zip(times_s, samples.values, strict=True):
            self._level.add(at_s, value)
            self.responses.add(at_s, value)

    def close_second(self, now_s: float) -> None:
        """Update the baselines with the second that ends."""
        level = self._level.close_second()
        if level is None:
            return
        self.baseline.add(level)
        deviation = self._deviation(level)
        self._slow_deviation = None if deviation is None else self._slow.add(deviation)
        rate = self.responses.rate(now_s, self._settings.response_window_s)
        self.response_baseline.add(math.log1p(rate))
        responds = rate > 0 or self.baseline.own_spread > SILENT_SPREAD
        self._silent_s = 0.0 if responds else self._silent_s + 1

    def _deviation(self, level: float) -> float | None:
        low = self.baseline.low
        return None if low is None else (level - low) / self.baseline.spread

    def evaluate(self, now_s: float) -> SignalDeviation | MissingSignal:
        """Return the tonic level's deviation from its low."""
        age_s = now_s - self._level.newest_s
        reliability = self._quality.quality * freshness(age_s, FRESH_S, STALE_S)
        level, low = self._level.level, self.baseline.low
        if level is None or low is None or reliability <= 0:
            lost = "no contact or out of date" if self._level.invalid or level else ""
            return MissingSignal(self._quality.reason or lost or "no skin signal")
        maturity = self.baseline.maturity
        silent = self._silent_s >= SILENT_S
        reason = explain_quality(reliability, 1.0, maturity, self._quality.reason)
        return SignalDeviation(
            deviation=(level - low) / self.baseline.spread,
            reliability=reliability,
            quality=reliability * maturity * (SILENT_QUALITY if silent else 1.0),
            reason=reason or (NO_RESPONSE if silent else ""),
            value=math.exp(level),
            baseline=math.exp(low),
            more=self._more(now_s),
        )

    def _more(self, now_s: float) -> dict[str, float]:
        more = {}
        if self._slow_deviation is not None:
            more["skin_slow"] = self._slow_deviation
        usual, rest = self.response_baseline.mean, self.response_baseline
        # A running mean would soon take the responses of stress for usual
        is_known = rest.frozen and rest.seconds >= MIN_CALIBRATION_S
        if usual is not None and is_known and self._is_responsive:
            rate = self.responses.rate(now_s, self._settings.response_window_s)
            more["skin_responses"] = (math.log1p(rate) - usual) / self.response_baseline.spread
        return more


class SkinSignal:
    """Skin conductance of one person, at one site or several.

    Args:
        settings: Priors and time constants.
    """

    def __init__(self, settings: FeatureSettings) -> None:
        self._settings = settings
        self._sites: dict[str, SkinSite] = {}

    def clear_samples(self) -> None:
        """Forget samples, whose times no longer hold after a clock change; keep baselines."""
        for site in self._sites.values():
            site.clear_samples()

    def add_samples(self, samples: Samples, times_s: list[float]) -> None:
        """Add samples in uS; those of quality 0 count only towards the device's quality."""
        site = self._sites.get(samples.signal)
        if site is None:
            site = self._sites[samples.signal] = SkinSite(self._settings, samples.signal)
        site.add_samples(samples, times_s)

    @property
    def baselines(self) -> list[Baseline]:
        """Baselines of all sites."""
        sites = self._sites.values()
        return [b for site in sites for b in (site.baseline, site.response_baseline)]

    def close_second(self, now_s: float) -> None:
        """Update the baselines with the second that ends."""
        for site in self._sites.values():
            site.close_second(now_s)

    def evaluate(self, now_s: float) -> SignalDeviation | MissingSignal:
        """Return the tonic level's deviation from its low: the mean of the sites that respond."""
        missing = MissingSignal("no skin signal")
        found: list[_SiteDeviation] = []
        for site in self._sites.values():
            one = site.evaluate(now_s)
            if isinstance(one, MissingSignal):
                missing = one
            else:
                weight = one.reliability * site.baseline.spread**SITE_POWER
                found.append(_SiteDeviation(one, weight))
        if not found:
            return missing
        if len(found) == 1:
            return found[0].found
        return _combine(found)

    def response_measures(self, now_s: float) -> dict[str, tuple[float, str]]:
        """Return value and unit by name: responses a minute, and measures of the newest response.

        They are those of the site that was measured first. ``skin_response_onset`` is how long ago
        it began, ``skin_response_recovery`` how long after its peak it had lost half of its
        amplitude.
        """
        site = next(iter(self._sites.values()), None)
        if site is None:
            return {}
        measures = {"skin_responses": (site.responses.rate(now_s), "/min")}
        if site.responses.responses:
            newest = site.responses.responses[-1]
            measures["skin_response_onset"] = (now_s - newest.onset_s, "s")
            measures["skin_response_amplitude"] = (newest.amplitude_us, "uS")
            if newest.half_recovery_s is not None:
                measures["skin_response_recovery"] = (newest.half_recovery_s - newest.peak_s, "s")
        return measures


def _combine(found: list[_SiteDeviation]) -> SignalDeviation:
    """Return the weighted mean of the sites, with value and quality of the weightiest."""
    best = max(found, key=lambda one: one.weight).found
    total = sum(one.weight for one in found)
    shares = [one.weight / total if total else 1 / len(found) for one in found]
    more = {}
    for name in dict.fromkeys(name for one in found for name in one.found.more):
        known = [
            (share, one.found.more[name])
            for share, one in zip(shares, found, strict=True)
            if name in one.found.more
        ]
        weight = sum(share for share, _ in known)
        mean = sum(share * value for share, value in known) / weight if weight else known[0][1]
        more[name] = mean
    deviation = sum(share * one.found.deviation for share, one in zip(shares, found, strict=True))
    return replace(best, deviation=deviation, more=more)
