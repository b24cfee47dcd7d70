"""Breaths in waves of any unit, and their rate against its mean."""

import math

import pytest

from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Samples
from affectline.services.fusion.breathing_signal import BreathDetector
from affectline.services.fusion.subject import SubjectState
from tests.unit.services.fusion.test_subject import SECOND, START, drive

RATE = 16.0


def wave(at_s: float, breaths: float) -> float:
    return 30 + 5 * math.sin(2 * math.pi * breaths / 60 * at_s)


def belt(second: int, breaths: float, *, flat: bool = False) -> Samples:
    values = tuple(30.0 if flat else wave(second + i / RATE, breaths) for i in range(int(RATE)))
    return Samples(
        subject="driver", signal="respiration", unit="mV", epoch=1, seq=second, rate=RATE,
        at=START + second * SECOND, values=values,
    )  # fmt: skip


@pytest.mark.parametrize("breaths", [6, 12, 20, 30])
@pytest.mark.parametrize("scale", [0.001, 1.0, 1000.0])
def test_the_rate_is_that_of_the_wave(breaths: float, scale: float) -> None:
    detector = BreathDetector()
    for i in range(int(180 * RATE)):
        detector.add(i / RATE, scale * wave(i / RATE, breaths))
    assert detector.rate(180.0) == pytest.approx(breaths, abs=1.1)


def test_a_belt_that_does_not_move_gives_no_rate() -> None:
    detector = BreathDetector()
    for i in range(int(120 * RATE)):
        detector.add(i / RATE, 30.0)
    assert detector.rate(120.0) is None


def test_the_rate_is_unknown_for_half_a_minute_also_after_a_gap() -> None:
    detector = BreathDetector()
    for i in range(int(100 * RATE)):
        detector.add(i / RATE, wave(i / RATE, 15))
    assert detector.rate(20.0) is None
    for i in range(int(200 * RATE), int(220 * RATE)):
        detector.add(i / RATE, wave(i / RATE, 15))
    assert detector.rate(220.0) is None


def test_faster_breathing_is_in_the_state() -> None:
    person = SubjectState("driver", FusionSettings())
    states = []
    for second in range(400):
        states.append(person.add_samples(belt(second, 12 if second < 300 else 24)))
        for message in drive(1, 10_000):
            person.add_samples(message.model_copy(update={"at": message.at + second * SECOND}))
    seen = [state for state in states if state]
    breathing = seen[-1].signals["breathing"]
    assert breathing.value == pytest.approx(24, abs=1.5)
    assert breathing.baseline is not None
    assert breathing.baseline < 18
    assert breathing.quality == 1
    calm = next(s for s in seen if s.at >= START + 290 * SECOND)
    assert calm.nervousness is not None
    assert seen[-1].nervousness is not None
    assert seen[-1].nervousness >= calm.nervousness


def test_states_of_people_without_a_belt_do_not_mention_breathing() -> None:
    person = SubjectState("driver", FusionSettings())
    states = [person.add_samples(message) for message in drive(20, 100)]
    assert all("breathing" not in state.signals for state in states if state)


def test_a_belt_that_slipped_is_missing_not_calm() -> None:
    person = SubjectState("driver", FusionSettings())
    for second in range(120):
        person.add_samples(belt(second, 15))
    for second in range(120, 300):
        state = person.add_samples(belt(second, 15, flat=True))
    assert state
    assert state.signals["breathing"].quality == 0
    assert "too few breaths" in state.signals["breathing"].reason
