"""A person's heart and skin, from samples to deviations from rest."""

import math
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

from affectline.common.wire.biometrics import Samples
from affectline.services.fusion.baseline import Baseline, BaselinePrior
from affectline.services.fusion.beat_detection import (
    ELECTRO,
    PULSE,
    SLOWEST_RATE,
    BeatFinder,
    can_find_beats,
    estimate_rate,
)
from affectline.services.fusion.electrodermal import SkinLevel, SkinResponses
from affectline.services.fusion.heart_rate import (
    HeartRateSource,
    RateSource,
    RRSource,
    WaveformSource,
)

HEART_SIGNALS: Final = ("rr_interval", "ecg", "ppg", "heart_rate")
"""Best first: intervals between beats carry their own proof, a series of rates does not."""
SKIN_SIGNAL: Final = "skin_conductance"
HEART_PRIOR: Final = BaselinePrior(spread=0.10, seconds=300.0)
"""A sitting person's heart rate spreads by a tenth within an hour (median over the people of
Stress-Predict); five minutes to know better."""
SKIN_PRIOR: Final = BaselinePrior(spread=0.50, seconds=120.0)
"""Within a session the log of skin conductance spreads by half (median 0.47 over the people of
Stress-Predict); people differ by more than that, so that one's own figure soon counts."""
FRESH_S: Final = {"rr_interval": 30.0, "ecg": 10.0, "ppg": 10.0, "heart_rate": 10.0}
"""Seconds for which the last value is as good as new."""
STALE_S: Final = {"rr_interval": 120.0, "ecg": 60.0, "ppg": 60.0, "heart_rate": 60.0}
"""Seconds after which it says nothing any more."""
SKIN_FRESH_S: Final = 5.0
SKIN_STALE_S: Final = 30.0
WORD_S: Final = 10.0
"""A device's quality is that of its last seconds: one odd beat does not make the heart vanish."""


@dataclass(frozen=True)
class SignalDeviation:
    """What a signal of the body says at a moment."""

    deviation: float
    trust: float
    """Freshness and the device's own quality: how far the deviation is believed."""
    quality: float
    """Trust, and how much of the window was measured, and how old the baseline is."""
    reason: str
    value: float
    """Beats a minute, or uS."""
    baseline: float
    """The same at rest."""


class SignalQuality:
    """How far a device, or its driver, has trusted its own samples lately."""

    def __init__(self) -> None:
        self._said: deque[tuple[float, float, int, str]] = deque()
        """Time, quality, number of samples and reason of each message."""

    def hear(self, samples: Samples, at_s: float) -> None:
        """Note what a message says of itself."""
        self._said.append((at_s, samples.quality, len(samples.values), samples.reason))
        while self._said[0][0] < at_s - WORD_S:
            self._said.popleft()

    @property
    def quality(self) -> float:
        """Mean of the last samples' qualities; 1 before any."""
        count = sum(n for _, _, n, _ in self._said)
        return sum(quality * n for _, quality, n, _ in self._said) / count if count else 1.0

    @property
    def reason(self) -> str:
        """The newest reason why that is not 1."""
        return next((reason for *_, reason in reversed(self._said) if reason), "")


class HeartSignal:
    """Heart rate of one person from whatever sources there are."""

    def __init__(self) -> None:
        self._rests: dict[str, Baseline] = {}
        self._refused = ""
        self.forget_samples()

    def forget_samples(self) -> None:
        """The clock was set: what was heard has no place in time any more; rest is kept."""
        self._sources: dict[str, HeartRateSource] = {}
        self._devices: defaultdict[str, SignalQuality] = defaultdict(SignalQuality)
        self._stamps: defaultdict[str, list[float]] = defaultdict(list)
        """By wave without a rate: the times of its first samples."""

    def hear(self, samples: Samples, times_s: list[float]) -> None:
        """Take in samples. Those that the device itself does not trust at all are left out."""
        signal = samples.signal
        self._devices[signal].hear(samples, times_s[-1])
        source = self._sources.get(signal)
        if source is None or not source.fits(samples.rate):
            source = self._open(samples, times_s)
        if source is None or not samples.quality:
            return
        for at_s, value in zip(times_s, samples.values, strict=True):
            source.add(at_s, value)

    def _open(self, samples: Samples, times_s: list[float]) -> HeartRateSource | None:
        signal = samples.signal
        source: HeartRateSource | None
        if signal == "rr_interval":
            source = RRSource()
        elif signal == "heart_rate":
            source = RateSource()
        else:
            source = self._open_wave(samples, times_s)
        if source is not None:
            self._sources[signal] = source
            self._rests.setdefault(signal, Baseline(HEART_PRIOR))
        return source

    def _open_wave(self, samples: Samples, times_s: list[float]) -> HeartRateSource | None:
        """A wave's source; None while its rate is not known, or where nobody can read it."""
        signal, rate = samples.signal, samples.rate
        if not can_find_beats():
            self._refused = f"{signal}: needs SciPy (pip install 'affectline[signals]')"
            return None
        if rate is None:
            self._stamps[signal] += times_s
            rate = estimate_rate(self._stamps[signal])
            if rate is None:
                return None
            del self._stamps[signal]
        if rate < SLOWEST_RATE:
            self._refused = (
                f"{signal}: {rate:g} samples a second; beats need {SLOWEST_RATE:g} at least"
            )
            return None
        return WaveformSource(BeatFinder(ELECTRO if signal == "ecg" else PULSE, rate))

    @property
    def rests(self) -> list[Baseline]:
        """Baselines of all sources."""
        return list(self._rests.values())

    def close_second(self, now_s: float) -> None:
        """Let the baselines learn."""
        for signal, source in self._sources.items():
            rate = source.rate(now_s)
            if rate is not None and self._trust(signal, now_s) > 0:
                self._rests[signal].add(math.log(rate))

    def _trust(self, signal: str, now_s: float) -> float:
        age_s = now_s - self._sources[signal].newest_s
        return self._devices[signal].quality * freshness(age_s, FRESH_S[signal], STALE_S[signal])

    def look(self, now_s: float) -> SignalDeviation | str:
        """What the best source says, or why none says anything."""
        reason = self._refused or "no heart signal"
        for signal in (s for s in HEART_SIGNALS if s in self._sources):
            source, rest = self._sources[signal], self._rests[signal]
            rate, trust = source.rate(now_s), self._trust(signal, now_s)
            device = self._devices[signal].reason
            if rate is None or rest.mean is None or trust <= 0:
                reason = device or f"{signal}: too few beats or out of date"
                continue
            coverage = source.coverage(now_s)
            return SignalDeviation(
                deviation=(math.log(rate) - rest.mean) / rest.spread,
                trust=trust,
                quality=trust * math.sqrt(coverage) * rest.maturity,
                reason=explain(trust, coverage, rest.maturity, device),
                value=source.rate_now(now_s) or rate,
                baseline=math.exp(rest.mean),
            )
        return reason

    def rmssd(self, now_s: float) -> float | None:
        """Heart rate variability over the last minute, in ms."""
        found = (self._sources[s].rmssd(now_s) for s in HEART_SIGNALS if s in self._sources)
        return next((value for value in found if value is not None), None)


class SkinSignal:
    """Skin conductance of one person."""

    def __init__(self) -> None:
        self.rest = Baseline(SKIN_PRIOR)
        self.forget_samples()

    def forget_samples(self) -> None:
        """As `HeartSignal.forget_samples`."""
        self._level, self.responses, self._device = SkinLevel(), SkinResponses(), SignalQuality()

    def hear(self, samples: Samples, times_s: list[float]) -> None:
        """Take in samples in uS, as `HeartSignal.hear`."""
        self._device.hear(samples, times_s[-1])
        if not samples.quality:
            return
        for at_s, value in zip(times_s, samples.values, strict=True):
            self._level.add(at_s, value)
            self.responses.add(at_s, value)

    def close_second(self) -> None:
        """Let the baseline learn."""
        level = self._level.close_second()
        if level is not None:
            self.rest.add(level)

    def look(self, now_s: float) -> SignalDeviation | str:
        """What the level says, or why it says nothing."""
        age_s = now_s - self._level.newest_s
        trust = self._device.quality * freshness(age_s, SKIN_FRESH_S, SKIN_STALE_S)
        level, low = self._level.level, self.rest.low
        if level is None or low is None or trust <= 0:
            lost = "no contact or out of date" if self._level.invalid or level else ""
            return self._device.reason or lost or "no skin signal"
        return SignalDeviation(
            deviation=(level - low) / self.rest.spread,
            trust=trust,
            quality=trust * self.rest.maturity,
            reason=explain(trust, 1.0, self.rest.maturity, self._device.reason),
            value=math.exp(level),
            baseline=math.exp(low),
        )

    def tell_responses(self, now_s: float) -> dict[str, tuple[float, str]]:
        """By name, figure and unit: responses a minute, and how the newest one went.

        ``skin_response_onset`` is how long ago it began, ``skin_response_recovery`` how long after
        its peak half of it was gone.
        """
        told = {"skin_responses": (self.responses.rate(now_s), "/min")}
        if self.responses.found:
            newest = self.responses.found[-1]
            told["skin_response_onset"] = (now_s - newest.onset_s, "s")
            told["skin_response_amplitude"] = (newest.amplitude_us, "uS")
            if newest.half_recovery_s is not None:
                told["skin_response_recovery"] = (newest.half_recovery_s - newest.peak_s, "s")
        return told


def freshness(age_s: float, fresh_s: float, stale_s: float) -> float:
    """1 up to ``fresh_s``, then falling to 0 at ``stale_s``."""
    return max(0.0, min(1.0, (stale_s - age_s) / (stale_s - fresh_s)))


def explain(trust: float, coverage: float, maturity: float, device: str) -> str:
    """Why a quality is not 1, the weightiest reason first."""
    if device:
        return device
    if trust < 1:
        return "the last value is old, or the device trusts it little"
    if maturity < 1:
        return "the baseline is young"
    return "gaps between the beats" if coverage < 0.9 else ""
