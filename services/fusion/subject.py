"""One person's state: samples and facial expressions in, `State` out, in event time only."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Samples, SignalContribution, State
from affectline.common.wire.face_signs import Doubt, FaceSigns
from affectline.services.fusion.baseline import Baseline
from affectline.services.fusion.breathing_signal import BREATHING_SIGNAL, BreathingSignal
from affectline.services.fusion.driver_signals import DriverSignals
from affectline.services.fusion.event_clock import EventClock
from affectline.services.fusion.face_signal import FaceSignal
from affectline.services.fusion.heart_signal import HEART_SIGNALS, HeartSignal
from affectline.services.fusion.rate_limiter import RateLimiter
from affectline.services.fusion.signal_quality import MissingSignal, SignalDeviation
from affectline.services.fusion.skin_signal import SkinSignal, is_skin_signal
from affectline.services.fusion.stress_model import (
    PHYSIOLOGICAL,
    Evidence,
    StressModel,
    estimate_stress,
    load_default_model,
)

SECOND: Final = 1_000_000_000
UNITS: Final = {"heart": "/min", "skin": "uS", "breathing": "/min"}
"""Units of the physiological signals' values."""
SILENCE_S: Final = 1.0
"""Time between states while no messages arrive."""
MAX_FACE_QUALITY: Final = 0.2
"""Highest quality of nervousness estimated from the face alone, which was never validated."""

Evaluations = Mapping[str, SignalDeviation | MissingSignal]
"""Evaluations by physiological signal."""


@dataclass(frozen=True)
class Sighting:
    """What a frame shows about a person besides the emotion."""

    stream: str
    face: FaceSigns | None
    """None: no face is visible."""


class SubjectState:
    """Estimates the state of one person.

    Pass messages in the order of arrival; the same messages give the same states.

    Args:
        subject: The person's name in the states.
        settings: Rate of states and weight of the face.
        model: Coefficients; None for the default model.
        origin_ns: Zero of the session's time line, from which seconds are counted; None: the whole
            second before the first message.
    """

    def __init__(
        self,
        subject: str,
        settings: FusionSettings,
        model: StressModel | None = None,
        origin_ns: int | None = None,
    ) -> None:
        self.subject = subject
        self._settings = settings
        self._model = model or load_default_model()
        self._heart = HeartSignal(self._model.settings)
        self._skin = SkinSignal(self._model.settings)
        self._breathing, self._face = BreathingSignal(), FaceSignal()
        self._driving = DriverSignals()
        self._origin_ns = origin_ns
        self._clock, self._limiter = EventClock(), RateLimiter(settings.rate)
        self._calibration_end_s = 0.0
        self._mode: Literal["continuous", "calibrating", "calibrated"] = "continuous"
        self._synthetic = False

    def add_samples(self, samples: Samples) -> State | None:
        """Add samples; return a state if one is due."""
        signal = samples.signal
        part = self._part(signal)
        if part is None:
            return None
        start_s = self._to_seconds(samples.at)
        times_s = _sample_times(samples, start_s)
        self._rewind_if_set_back(signal, start_s)
        part.add_samples(samples, times_s)
        self._synthetic |= samples.synthetic
        return self._advance(signal, times_s[-1])

    def add_expression(
        self,
        distribution: Sequence[float] | None,
        at_ns: int,
        doubts: Sequence[Doubt] = (),
        sighting: Sighting | None = None,
    ) -> State | None:
        """Add the smoothed facial expression in a frame; return a state if one is due.

        Args:
            distribution: Probabilities of the seven emotions; None for a frame without a face.
            at_ns: When the frame was captured.
            doubts: Reasons not to trust the expression.
            sighting: What else the frame shows; None if it was not analysed.
        """
        at_s = self._to_seconds(at_ns)
        self._rewind_if_set_back("face", at_s)
        if distribution is not None:
            self._face.add_expression(distribution, at_s, doubts)
        if sighting is not None:
            self._driving.add_face(sighting.stream, sighting.face, at_s)
        return self._advance("face", at_s)

    def extrapolate(self, silent_s: float) -> State | None:
        """Return the state after this many seconds without a message, at most one a second."""
        newest_s = self._clock.now_s
        if newest_s is None:
            return None
        now_s = newest_s + silent_s
        now, last = round(now_s * SECOND), self._limiter.last
        if last is not None and now - last < SILENCE_S * SECOND:
            return None
        return self._estimate(now_s) if self._limiter.admit_unscheduled(now) else None

    def calibrate(self, at_ns: int, seconds: float) -> None:
        """Start a timed calibration: discard the baselines, and freeze new ones at its end."""
        for baseline in self._baselines():
            baseline.reset()
        self._driving.calibrate()
        self._calibration_end_s = self._to_seconds(at_ns) + seconds
        self._mode = "calibrating"

    def rewind(self) -> None:
        """Prepare for messages from earlier times than the last ones; keep the baselines."""
        for part in (self._heart, self._skin, self._breathing, self._face, self._driving):
            part.clear_samples()
        self._clock.clear()
        self._limiter.reset()

    def evidence(self, at_ns: int) -> dict[str, Evidence]:
        """Return the model's input at this time, or at the newest time if that is later."""
        newest_s = self._clock.now_s
        if newest_s is None:
            return {}
        now_s = max(self._to_seconds(at_ns), newest_s)
        return self._evidence(now_s, self._evaluate(now_s))

    def _to_seconds(self, at_ns: int) -> float:
        if self._origin_ns is None:
            # Baselines are updated once a second, at the same times in every run
            self._origin_ns = at_ns // SECOND * SECOND
        return (at_ns - self._origin_ns) / SECOND

    def _baselines(self) -> list[Baseline]:
        more = (self._breathing.baseline, self._face.baseline)
        return [*self._heart.baselines, *self._skin.baselines, *more]

    def _rewind_if_set_back(self, signal: str, at_s: float) -> None:
        if self._clock.was_set_back(signal, at_s):
            self.rewind()

    def _advance(self, signal: str, at_s: float) -> State | None:
        dropped = self._clock.advance(signal, at_s)
        if dropped is not None:
            part = self._face if dropped == "face" else self._part(dropped)
            if part is not None:
                part.clear_samples()
            if dropped == "face":
                self._driving.clear_samples()
            self._limiter.reset()
        for second in self._clock.elapsed_seconds():
            self._close_second(second)
        now_s = self._clock.now_s
        assert now_s is not None  # noqa: S101 - the clock has just been advanced
        return self._estimate(now_s) if self._limiter.admit(round(now_s * SECOND)) else None

    def _part(self, signal: str) -> HeartSignal | SkinSignal | BreathingSignal | None:
        """Return what handles samples of a signal; None for one that states are not based on."""
        if signal in HEART_SIGNALS:
            return self._heart
        if is_skin_signal(signal):
            return self._skin
        return self._breathing if signal == BREATHING_SIGNAL else None

    def _close_second(self, now_s: float) -> None:
        if self._mode == "calibrating" and now_s > self._calibration_end_s:
            self._mode = "calibrated"
            for baseline in self._baselines():
                baseline.freeze()
            self._driving.freeze()
        self._heart.close_second(now_s)
        self._skin.close_second(now_s)
        self._breathing.close_second(now_s)
        self._face.close_second(now_s)
        self._driving.close_second()

    def _evaluate(self, now_s: float) -> Evaluations:
        found: dict[str, SignalDeviation | MissingSignal] = {
            "heart": self._heart.evaluate(now_s),
            "skin": self._skin.evaluate(now_s),
        }
        if self._breathing.is_measured:
            found["breathing"] = self._breathing.evaluate(now_s)
        return found

    def _evidence(self, now_s: float, evaluations: Evaluations) -> dict[str, Evidence]:
        evidence = {}
        for name, found in evaluations.items():
            if isinstance(found, SignalDeviation):
                evidence[name] = Evidence(found.deviation, found.reliability)
                for more, deviation in found.more.items():
                    evidence[more] = Evidence(deviation, found.reliability)
        tension = self._face.deviation(now_s)
        if tension is not None:
            evidence["face"] = Evidence(tension, self._face.reliability(now_s))
        return evidence

    def _estimate(self, now_s: float) -> State:
        assert self._origin_ns is not None  # noqa: S101 - set with the first message
        evaluations = self._evaluate(now_s)
        evidence = self._evidence(now_s, evaluations)
        estimate = estimate_stress(self._model, evidence, self._settings.face_weight)
        signals = self._contributions(now_s, evaluations, estimate.contributions)
        physiological = any(name in evidence for name in PHYSIOLOGICAL)
        known = physiological or ("face" in evidence and self._settings.face_weight > 0)
        affect = self._face.affect(now_s)
        drowsiness, off_road = self._driving.evaluate(now_s)
        seconds = [baseline.seconds for baseline in self._baselines() if baseline.seconds]
        return State(
            subject=self.subject,
            at=self._origin_ns + round(now_s * SECOND),
            arousal=self._arousal(estimate.log_odds if physiological else None, now_s),
            valence=affect.valence if affect else None,
            nervousness=estimate.nervousness if known else None,
            quality=self._quality(signals, physiological),
            baseline=self._baseline_mode() if seconds or self._mode == "calibrating" else "none",
            baseline_s=min(seconds, default=0.0),
            signals=signals | self._informative(now_s, signals),
            drowsiness=drowsiness,
            off_road=off_road,
            synthetic=self._synthetic,
        )

    def _baseline_mode(self) -> Literal["continuous", "calibrating", "calibrated"]:
        """How the baselines are learnt: calibrated only if heart and skin were, as far as worn."""
        worn = [one for one in (*self._heart.baselines, *self._skin.baselines) if one.seconds]
        if self._mode == "calibrated" and not all(one.frozen for one in worn):
            return "continuous"
        return self._mode

    def _contributions(
        self, now_s: float, evaluations: Evaluations, points: Mapping[str, float]
    ) -> dict[str, SignalContribution]:
        found = {
            name: _contribution(one, UNITS[name], points.get(name, 0.0))
            for name, one in evaluations.items()
        }
        return found | {"face": self._face_contribution(now_s, points.get("face", 0.0))}

    def _arousal(self, log_odds: float | None, now_s: float) -> float | None:
        """The mean of the physiological arousal and the face's, which has half the weight."""
        parts = []
        if log_odds is not None:
            parts.append((math.tanh(log_odds / 2), 1.0))
        affect = self._face.affect(now_s)
        if affect:
            parts.append((affect.arousal, 0.5 * self._face.reliability(now_s)))
        weight = sum(w for _, w in parts)
        return sum(value * w for value, w in parts) / weight if weight else None

    def _face_contribution(self, now_s: float, points: float) -> SignalContribution:
        affect = self._face.affect(now_s)
        quality, reason = self._face.quality(now_s)
        if affect is None:
            return SignalContribution(reason=reason)
        return SignalContribution(
            value=affect.tension,
            unit="1",
            baseline=self._face.baseline.mean,
            contribution=points,
            quality=quality,
            reason=reason,
        )

    def _informative(
        self, now_s: float, signals: Mapping[str, SignalContribution]
    ) -> dict[str, SignalContribution]:
        """Return measures that are published but not in the model; see docs/validation.md."""
        measures = {}
        rmssd = self._heart.rmssd(now_s)
        if rmssd is not None:
            quality = signals["heart"].quality
            measures["heart_variability"] = SignalContribution(
                value=rmssd, unit="ms", quality=quality
            )
        if signals["skin"].quality > 0:
            quality = signals["skin"].quality
            for name, (value, unit) in self._skin.response_measures(now_s).items():
                measures[name] = SignalContribution(value=value, unit=unit, quality=quality)
        return measures

    def _quality(self, signals: Mapping[str, SignalContribution], physiological: bool) -> float:
        if not physiological:
            face = MAX_FACE_QUALITY * signals["face"].quality
            return face if self._settings.face_weight else 0.0
        importances = {
            name: share for name, share in self._model.importances.items() if name in signals
        }
        total = sum(importances.values())
        if not total:
            return max(signals[name].quality for name in importances)
        known = sum(share * signals[name].quality for name, share in importances.items())
        return min(1.0, known / total)


def _contribution(
    found: SignalDeviation | MissingSignal, unit: str, points: float
) -> SignalContribution:
    if isinstance(found, MissingSignal):
        return SignalContribution(unit=unit, reason=found.reason[:200])
    return SignalContribution(
        value=found.value,
        unit=unit,
        baseline=found.baseline,
        contribution=points,
        quality=max(0.0, min(1.0, found.quality)),
        reason=found.reason,
    )


def _sample_times(samples: Samples, start_s: float) -> list[float]:
    """Return each sample's time in seconds from the person's origin."""
    if samples.rate is None:
        return [start_s + offset / SECOND for offset in samples.offsets]
    return [start_s + i / samples.rate for i in range(len(samples.values))]
