"""A person's heart and skin, from samples to deviations from rest."""

import math
from dataclasses import dataclass
from typing import Final

from common.senses import Samples
from services.fusion.baseline import Prior, Rest
from services.fusion.heart import Beats, HeartSource, Rates, Wave
from services.fusion.skin import SkinLevel, SkinResponses
from services.fusion.waves import ELECTRO, PULSE, SLOWEST_RATE, BeatFinder, can_find_beats

HEART_SIGNALS: Final = ("rr_interval", "ecg", "ppg", "heart_rate")
"""Best first: intervals between beats carry their own proof, a series of rates does not."""
SKIN_SIGNAL: Final = "skin_conductance"
HEART_PRIOR: Final = Prior(spread=0.10, seconds=300.0)
"""A sitting person's heart rate spreads by a tenth within an hour (median over the people of
Stress-Predict); five minutes to know better."""
SKIN_PRIOR: Final = Prior(spread=0.50, seconds=120.0)
"""Within a session the log of skin conductance spreads by half (median 0.47 over the people of
Stress-Predict); people differ by more than that, so that one's own figure soon counts."""
FRESH_S: Final = {"rr_interval": 30.0, "ecg": 10.0, "ppg": 10.0, "heart_rate": 10.0}
"""Seconds for which the last value is as good as new."""
STALE_S: Final = {"rr_interval": 120.0, "ecg": 60.0, "ppg": 60.0, "heart_rate": 60.0}
"""Seconds after which it says nothing any more."""
SKIN_FRESH_S: Final = 5.0
SKIN_STALE_S: Final = 30.0


@dataclass(frozen=True)
class Finding:
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


class Heart:
    """Heart rate of one person from whatever sources there are."""

    def __init__(self) -> None:
        self._sources: dict[str, HeartSource] = {}
        self._rests: dict[str, Rest] = {}
        self._device: dict[str, tuple[float, str]] = {}
        self._refused = ""

    def hear(self, samples: Samples, times_s: list[float]) -> bool:
        """Take in samples; False where they cannot be used."""
        source = self._sources.get(samples.signal) or self._open(samples)
        if source is None:
            return False
        for at_s, value in zip(times_s, samples.values, strict=True):
            source.add(at_s, value)
        self._device[samples.signal] = (samples.quality, samples.reason)
        return True

    def _open(self, samples: Samples) -> HeartSource | None:
        signal, rate = samples.signal, samples.rate
        source: HeartSource
        if signal == "rr_interval":
            source = Beats()
        elif signal == "heart_rate":
            source = Rates()
        elif not can_find_beats():
            self._refused = f"{signal}: needs SciPy (pip install 'affectline[signals]')"
            return None
        elif rate is not None and rate >= SLOWEST_RATE:
            source = Wave(BeatFinder(ELECTRO if signal == "ecg" else PULSE, rate))
        else:
            return None
        self._sources[signal] = source
        self._rests.setdefault(signal, Rest(HEART_PRIOR))
        return source

    def forget_samples(self) -> None:
        """The clock was set: what was heard has no place in time any more; rest is kept."""
        self._sources.clear()

    @property
    def rests(self) -> list[Rest]:
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
        return self._device[signal][0] * freshness(age_s, FRESH_S[signal], STALE_S[signal])

    def look(self, now_s: float) -> Finding | str:
        """What the best source says, or why none says anything."""
        reason = self._refused or "no heart signal"
        for signal in (s for s in HEART_SIGNALS if s in self._sources):
            source, rest = self._sources[signal], self._rests[signal]
            rate, trust = source.rate(now_s), self._trust(signal, now_s)
            if rate is None or rest.mean is None or trust <= 0:
                reason = self._device[signal][1] or f"{signal}: too few beats or out of date"
                continue
            coverage = source.coverage(now_s)
            return Finding(
                deviation=(math.log(rate) - rest.mean) / rest.spread,
                trust=trust,
                quality=trust * math.sqrt(coverage) * rest.maturity,
                reason=explain(trust, coverage, rest.maturity, self._device[signal][1]),
                value=source.rate_now(now_s) or rate,
                baseline=math.exp(rest.mean),
            )
        return reason

    def rmssd(self, now_s: float) -> float | None:
        """Heart rate variability over the last minute, in ms."""
        found = (self._sources[s].rmssd(now_s) for s in HEART_SIGNALS if s in self._sources)
        return next((value for value in found if value is not None), None)


class Skin:
    """Skin conductance of one person."""

    def __init__(self) -> None:
        self.rest = Rest(SKIN_PRIOR)
        self._device = (1.0, "")
        self.forget_samples()

    def forget_samples(self) -> None:
        """As `Heart.forget_samples`."""
        self._level, self.responses = SkinLevel(), SkinResponses()

    def hear(self, samples: Samples, times_s: list[float]) -> bool:
        """Take in samples in uS."""
        for at_s, value in zip(times_s, samples.values, strict=True):
            self._level.add(at_s, value)
            self.responses.add(at_s, value)
        self._device = (samples.quality, samples.reason)
        return True

    def close_second(self) -> None:
        """Let the baseline learn."""
        level = self._level.close_second()
        if level is not None and self._device[0] > 0:
            self.rest.add(level)

    def look(self, now_s: float) -> Finding | str:
        """What the level says, or why it says nothing."""
        age_s = now_s - self._level.newest_s
        trust = self._device[0] * freshness(age_s, SKIN_FRESH_S, SKIN_STALE_S)
        level, low = self._level.level, self.rest.low
        if level is None or low is None or trust <= 0:
            lost = "no contact or out of date" if self._level.invalid or level else ""
            return self._device[1] or lost or "no skin signal"
        return Finding(
            deviation=(level - low) / self.rest.spread,
            trust=trust,
            quality=trust * self.rest.maturity,
            reason=explain(trust, 1.0, self.rest.maturity, self._device[1]),
            value=math.exp(level),
            baseline=math.exp(low),
        )


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
