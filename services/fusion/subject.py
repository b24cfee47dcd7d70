"""One person's state: samples and faces in, `State` out. Knows no clock, only the messages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Samples, SignalContribution, State
from affectline.services.fusion import stress_model as model
from affectline.services.fusion.baseline import Baseline, BaselinePrior
from affectline.services.fusion.circumplex import Affect, place
from affectline.services.fusion.rate_limiter import RateLimiter
from affectline.services.fusion.signal_quality import (
    HEART_SIGNALS,
    SKIN_SIGNAL,
    HeartSignal,
    SignalDeviation,
    SkinSignal,
    freshness,
)
from affectline.services.fusion.stress_model import BODY, Evidence, StressModel

SECOND: Final = 1_000_000_000
SET_BACK_S: Final = 10.0
"""A signal that goes back in time by more had its clock set; by less, it was late."""
LEAP_S: Final = 60.0
"""Baselines do not run through a gap longer than this second by second. A signal that is as far
ahead of the others and falls silent had a wrong clock: it is forgotten after as long."""
WAIT_S: Final = 1.0
"""Between states while nothing is heard."""
FACE_PRIOR: Final = BaselinePrior(spread=0.25, seconds=300.0)
"""In units of the circumplex; a quarter is the step from neutral to a weak expression."""
FACE_FRESH_S: Final = 1.0
FACE_STALE_S: Final = 5.0
FACE_ALONE: Final = 0.2
"""Most quality that nervousness can have by the face alone: that part was never validated."""


@dataclass(frozen=True)
class FaceReading:
    """The last look at the face."""

    at_s: float
    look: Affect


class SubjectState:
    """Estimates the state of one person.

    Feed messages in the order they come; the same messages give the same states.

    Args:
        subject: Whom the states are about.
        settings: How often, and the face's weight.
        coefficients: None: those that are shipped.
    """

    def __init__(
        self, subject: str, settings: FusionSettings, coefficients: StressModel | None = None
    ) -> None:
        self.subject = subject
        self._settings = settings
        self._model = coefficients or model.shipped()
        self._heart, self._skin, self._face = HeartSignal(), SkinSignal(), Baseline(FACE_PRIOR)
        self._seen: FaceReading | None = None
        self._origin_ns: int | None = None
        self._newest: dict[str, float] = {}
        self._overtaken: tuple[str, float] | None = None
        """Who was first heard far behind the newest signal since that one spoke, and when."""
        self._second, self._pace = -math.inf, RateLimiter(settings.rate)
        self._calibrated_at_s: float | None = None
        self._mode: Literal["continuous", "calibrating", "calibrated"] = "continuous"
        self._synthetic = False

    def hear(self, samples: Samples) -> State | None:
        """Take in samples; return a state when it is time for one."""
        if samples.signal not in HEART_SIGNALS and samples.signal != SKIN_SIGNAL:
            return None
        start_s = self._seconds(samples.at)
        times_s = _times(samples, start_s)
        self._watch_clock(samples.signal, start_s)
        part = self._skin if samples.signal == SKIN_SIGNAL else self._heart
        part.hear(samples, times_s)
        self._synthetic |= samples.synthetic
        return self._move_on(samples.signal, times_s[-1])

    def see(self, distribution: Sequence[float] | None, at_ns: int) -> State | None:
        """Take in what the face shows, smoothed; return a state when it is time for one.

        Args:
            distribution: Over the seven emotions; None for a picture without a face.
            at_ns: When the picture was taken.
        """
        at_s = self._seconds(at_ns)
        self._watch_clock("face", at_s)
        if distribution is not None:
            self._seen = FaceReading(at_s, place(distribution))
        return self._move_on("face", at_s)

    def wait(self, silent_s: float) -> State | None:
        """The state after so many seconds without a word from anybody, at most one a second."""
        if not self._newest:
            return None
        now_s = max(self._newest.values()) + silent_s
        now, last = round(now_s * SECOND), self._pace.last
        if last is not None and now - last < WAIT_S * SECOND:
            return None
        self._pace.take(now)
        return self._state(now_s)

    def calibrate(self, at_ns: int, seconds: float) -> None:
        """From this moment the person is at rest for so long: forget other baselines."""
        for rest in self._rests():
            rest.reset()
        self._calibrated_at_s = self._seconds(at_ns) + seconds
        self._mode = "calibrating"

    def _seconds(self, at_ns: int) -> float:
        if self._origin_ns is None:
            # Whole seconds, so that baselines learn at the same moments in every run
            self._origin_ns = at_ns // SECOND * SECOND
        return (at_ns - self._origin_ns) / SECOND

    def _rests(self) -> list[Baseline]:
        return [*self._heart.rests, self._skin.rest, self._face]

    def _watch_clock(self, signal: str, at_s: float) -> None:
        if at_s < self._newest.get(signal, -math.inf) - SET_BACK_S:
            self.go_back()

    def go_back(self) -> None:
        """What comes now is earlier than what was heard: begin anew, with the baselines."""
        self._heart.forget_samples()
        self._skin.forget_samples()
        self._seen = None
        self._newest.clear()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._second = -math.inf
        self._pace.reset()

    def _leave_behind(self, signal: str, at_s: float) -> None:
        """Forget a signal that was far ahead and fell silent, lest its time hold up all others."""
        first = max(self._newest, key=lambda name: self._newest[name])
        if signal == first or self._newest[first] - at_s <= LEAP_S:
            self._overtaken = None
        elif self._overtaken is None:
            self._overtaken = signal, at_s
        elif self._overtaken[0] == signal and at_s - self._overtaken[1] > LEAP_S:
            del self._newest[first]
            self._overtaken = None
            self._begin_anew()
            if first == "face":
                self._seen = None
            else:
                (self._skin if first == SKIN_SIGNAL else self._heart).forget_samples()

    def _move_on(self, signal: str, at_s: float) -> State | None:
        self._newest[signal] = max(at_s, self._newest.get(signal, -math.inf))
        self._leave_behind(signal, at_s)
        now_s = max(self._newest.values())
        if not now_s - self._second <= LEAP_S:
            self._second = math.floor(now_s)
        while self._second + 1 <= now_s:
            self._second += 1
            self._close_second(self._second)
        return self._state(now_s) if self._pace.is_time(round(now_s * SECOND)) else None

    def _close_second(self, now_s: float) -> None:
        if self._mode == "calibrating" and now_s > (self._calibrated_at_s or 0.0):
            self._mode = "calibrated"
            for rest in self._rests():
                rest.hold()
        self._heart.close_second(now_s)
        self._skin.close_second()
        if self._seen and now_s - self._seen.at_s <= FACE_FRESH_S:
            self._face.add(self._seen.look.tension)

    def evidence(self, at_ns: int) -> dict[str, Evidence]:
        """What the signals say at a moment, or at the newest one; missing ones are left out."""
        if not self._newest:
            return {}
        now_s = max(self._seconds(at_ns), *self._newest.values())
        return self._evidence(now_s, self._looks(now_s))

    def _looks(self, now_s: float) -> dict[str, SignalDeviation | str]:
        return {"heart": self._heart.look(now_s), "skin": self._skin.look(now_s)}

    def _face_trust(self, now_s: float) -> float:
        if self._seen is None:
            return 0.0
        return freshness(now_s - self._seen.at_s, FACE_FRESH_S, FACE_STALE_S)

    def _evidence(
        self, now_s: float, looks: dict[str, SignalDeviation | str]
    ) -> dict[str, Evidence]:
        evidence = {
            name: Evidence(look.deviation, look.trust)
            for name, look in looks.items()
            if isinstance(look, SignalDeviation)
        }
        trust = self._face_trust(now_s)
        if self._seen and trust and self._face.mean is not None:
            tension = (self._seen.look.tension - self._face.mean) / self._face.spread
            evidence["face"] = Evidence(tension, trust)
        return evidence

    def _state(self, now_s: float) -> State:
        assert self._origin_ns is not None  # noqa: S101 - set with the first message
        looks, face_trust = self._looks(now_s), self._face_trust(now_s)
        evidence = self._evidence(now_s, looks)
        judgement = model.judge(self._model, evidence, self._settings.face_weight)
        shares = self._shares(now_s, looks, judgement.contributions)
        body = any(name in evidence for name in BODY)
        nervous = body or ("face" in evidence and self._settings.face_weight > 0)
        seconds = [rest.seconds for rest in self._rests() if rest.seconds]
        return State(
            subject=self.subject,
            at=self._origin_ns + round(now_s * SECOND),
            arousal=self._arousal(judgement.log_odds if body else None, face_trust),
            valence=self._seen.look.valence if self._seen and face_trust else None,
            nervousness=judgement.nervousness if nervous else None,
            quality=self._quality(shares, body),
            baseline=self._mode if seconds or self._mode == "calibrating" else "none",
            baseline_s=min(seconds, default=0.0),
            signals=shares,
            synthetic=self._synthetic,
        )

    def _shares(
        self, now_s: float, looks: dict[str, SignalDeviation | str], points: Mapping[str, float]
    ) -> dict[str, SignalContribution]:
        shares = {
            "heart": _share(looks["heart"], "/min", points.get("heart", 0.0)),
            "skin": _share(looks["skin"], "uS", points.get("skin", 0.0)),
            "face": self._face_share(self._face_trust(now_s), points.get("face", 0.0)),
        }
        return shares | self._details(now_s, shares)

    def _arousal(self, log_odds: float | None, face_trust: float) -> float | None:
        """The body's, and the face's with half its weight; None where neither says."""
        parts = []
        if log_odds is not None:
            parts.append((math.tanh(log_odds / 2), 1.0))
        if self._seen and face_trust:
            parts.append((self._seen.look.arousal, 0.5 * face_trust))
        weight = sum(w for _, w in parts)
        return sum(value * w for value, w in parts) / weight if weight else None

    def _face_share(self, trust: float, points: float) -> SignalContribution:
        if not (self._seen and trust):
            return SignalContribution(reason="no face in sight")
        return SignalContribution(
            value=self._seen.look.tension,
            unit="1",
            baseline=self._face.mean,
            contribution=points,
            quality=trust * self._face.maturity,
            reason="" if self._face.maturity == 1 else "the baseline is young",
        )

    def _details(
        self, now_s: float, shares: dict[str, SignalContribution]
    ) -> dict[str, SignalContribution]:
        """What is told but does not count: the experiments in docs/validation.md say why."""
        details = {}
        rmssd = self._heart.rmssd(now_s)
        if rmssd is not None:
            quality = shares["heart"].quality
            details["heart_variability"] = SignalContribution(
                value=rmssd, unit="ms", quality=quality
            )
        if shares["skin"].quality > 0:
            quality = shares["skin"].quality
            for name, (value, unit) in self._skin.tell_responses(now_s).items():
                details[name] = SignalContribution(value=value, unit=unit, quality=quality)
        return details

    def _quality(self, shares: dict[str, SignalContribution], body: bool) -> float:
        if not body:
            return FACE_ALONE * shares["face"].quality if self._settings.face_weight else 0.0
        terms = self._model.terms
        return min(1.0, sum(term.importance * shares[name].quality for name, term in terms.items()))


def _share(look: SignalDeviation | str, unit: str, points: float) -> SignalContribution:
    if isinstance(look, str):
        return SignalContribution(unit=unit, reason=look[:200])
    return SignalContribution(
        value=look.value,
        unit=unit,
        baseline=look.baseline,
        contribution=points,
        quality=max(0.0, min(1.0, look.quality)),
        reason=look.reason,
    )


def _times(samples: Samples, start_s: float) -> list[float]:
    """When each sample was taken, in seconds from the person's origin."""
    if samples.rate is None:
        return [start_s + offset / SECOND for offset in samples.offsets]
    return [start_s + i / samples.rate for i in range(len(samples.values))]
