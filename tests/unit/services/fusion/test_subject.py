"""States of one person: how often, from what, and that they never look ahead."""

import math
from itertools import pairwise

import pytest

from affectline.common.labels import LABELS
from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Samples, State
from affectline.services.fusion.subject import SubjectState

START = 1_795_445_587_000_000_000
SECOND = 1_000_000_000
FEAR = tuple(float(name == "fear") for name in LABELS)
CALM = tuple(float(name == "neutral") for name in LABELS)


def skin(at_s: float, value: float, *, quality: float = 1.0, reason: str = "") -> Samples:
    return Samples(
        subject="driver", signal="skin_conductance", unit="uS", epoch=1, seq=0, rate=8.0,
        at=START + round(at_s * SECOND), values=(value,) * 4, quality=quality, reason=reason,
    )  # fmt: skip


def rate(at_s: float, value: float) -> Samples:
    return Samples(
        subject="driver", signal="heart_rate", unit="/min", epoch=1, seq=0, rate=1.0,
        at=START + round(at_s * SECOND), values=(value,),
    )  # fmt: skip


def drive(seconds: int, stress_from: int) -> list[Samples]:
    """Rest, then a faster heart and a rising skin conductance."""
    messages = []
    for second in range(seconds):
        stressed = second >= stress_from
        wave = 1 + 0.02 * math.sin(second / 5)
        messages.append(rate(second, (95 if stressed else 65) * wave))
        level = (6 if stressed else 3) * wave
        messages += [skin(second, level), skin(second + 0.5, level)]
    return messages


def run(messages: list[Samples], settings: FusionSettings | None = None) -> list[State]:
    person = SubjectState("driver", settings or FusionSettings())
    states = (person.add_samples(message) for message in messages)
    return [state for state in states if state]


def test_stress_raises_nervousness_and_contributions() -> None:
    states = run(drive(400, stress_from=300))
    calm, stressed = states[500], states[-1]
    assert calm.nervousness is not None
    assert stressed.nervousness is not None
    assert calm.nervousness < 40 < 70 < stressed.nervousness
    assert stressed.arousal is not None
    assert stressed.arousal > 0.5
    assert stressed.valence is None
    heart = stressed.signals["heart"]
    assert heart.value == pytest.approx(95, rel=0.05)
    assert heart.baseline is not None
    assert 65 < heart.baseline < 75
    assert heart.contribution > 5
    assert stressed.signals["skin"].contribution > 20
    assert stressed.signals["face"].reason == "no face in sight"
    assert stressed.baseline == "continuous"
    assert stressed.quality > 0.9


def test_the_newest_skin_response_is_published_when_it_is_over() -> None:
    person, states = SubjectState("driver", FusionSettings()), []
    for i in range(200):  # half a second each
        since_s = i / 2 - 60
        up, down = min(max(since_s / 2, 0), 1), math.exp(-max(since_s - 2, 0) * math.log(2) / 4)
        state = person.add_samples(skin(i / 2, 3 + 0.5 * up * down))
        states += [state] if state else []
    assert "skin_response_amplitude" not in states[119].signals
    last, risen = states[-1].signals, states[130].signals
    assert last["skin_responses"].value == 1
    assert last["skin_response_amplitude"].value == pytest.approx(0.5, rel=0.15)
    assert last["skin_response_onset"].value == pytest.approx(40, abs=1)
    assert last["skin_response_recovery"].value == pytest.approx(4, abs=0.7)
    assert "skin_response_recovery" not in risen


def test_states_are_causal_and_reproducible() -> None:
    messages = drive(200, stress_from=100)
    whole = run(messages)
    assert run(messages) == whole
    cut = run(messages[:300])
    assert cut == whole[: len(cut)]


def test_at_most_ten_states_a_second_of_signal_time() -> None:
    fast = [
        Samples(
            subject="driver", signal="skin_conductance", unit="uS", epoch=1, seq=i, rate=100.0,
            at=START + i * 10_000_000, values=(3.0,),
        )
        for i in range(1000)
    ]  # fmt: skip
    times = [state.at for state in run(fast)]
    assert 95 <= len(times) <= 101
    assert min(b - a for a, b in pairwise(times)) >= 99_000_000
    assert len(run(fast, FusionSettings(rate=1))) in (10, 11)


def test_a_lost_signal_lowers_the_quality_and_never_stops_the_output() -> None:
    messages = [m for m in drive(400, 1000) if m.signal != "heart_rate" or m.at < START + 200e9]
    states = run(messages)
    before = next(s for s in states if s.at >= START + 199 * SECOND)
    after = states[-1]
    assert after.quality < before.quality - 0.2
    assert after.nervousness is not None
    assert after.signals["heart"].quality == 0
    assert "out of date" in after.signals["heart"].reason
    later = [s for s in states if s.at > START + 200 * SECOND]
    assert len(later) > 380


def test_lost_contact_is_reported_with_the_devices_reason() -> None:
    person = SubjectState("driver", FusionSettings())
    for second in range(60):
        person.add_samples(skin(second, 3.0))
    state = None
    for second in range(60, 100):
        state = (
            person.add_samples(skin(second, 0.0, quality=0.0, reason="no skin contact")) or state
        )
    assert state
    assert state.nervousness is None
    assert state.quality == 0
    assert state.signals["skin"].reason == "no skin contact"


def test_a_timed_calibration_sets_the_baseline() -> None:
    person = SubjectState("driver", FusionSettings())
    modes = []
    for i, message in enumerate(drive(200, 150)):
        if i == 90:
            person.calibrate(message.at, 60)
        state = person.add_samples(message)
        if state:
            modes.append(state.baseline)
            last = state
    assert list(dict.fromkeys(modes)) == ["none", "continuous", "calibrating", "calibrated"]
    assert last.baseline_s == pytest.approx(60, abs=2)
    baseline = last.signals["heart"].baseline
    assert baseline == pytest.approx(65, rel=0.02)


def test_a_sensor_that_comes_after_the_calibration_is_not_calibrated() -> None:
    person, modes = SubjectState("driver", FusionSettings()), []
    person.calibrate(START, 30)
    for second in range(100):
        state = person.add_samples(skin(second, 3.0))
        if second >= 60:
            state = person.add_samples(rate(second, 60)) or state
        modes += [state.baseline] if state else []
    assert list(dict.fromkeys(modes)) == ["calibrating", "calibrated", "continuous"]


def test_a_face_gives_valence_and_alone_little_quality() -> None:
    person = SubjectState("person", FusionSettings(face_weight=0.5))
    states = []
    for i in range(1500):
        shown = FEAR if i >= 1400 else CALM
        states.append(person.add_expression(shown, START + i * 100_000_000))
    seen = [state for state in states if state]
    calm, afraid = seen[1000], seen[-1]
    assert calm.valence == 0
    assert afraid.valence == pytest.approx(-0.64)
    assert calm.nervousness is not None
    assert afraid.nervousness is not None
    assert afraid.nervousness > calm.nervousness + 10
    assert afraid.signals["face"].contribution > 10
    assert afraid.quality <= 0.2
    left_out = SubjectState("person", FusionSettings()).add_expression(FEAR, START)
    assert left_out
    assert left_out.nervousness is None
    assert left_out.quality == 0


def test_states_continue_after_the_clock_is_set_back() -> None:
    person = SubjectState("driver", FusionSettings())
    for message in drive(100, 1000):
        person.add_samples(message)
    states = [person.add_samples(skin(second - 5000, 3.0)) for second in range(20)]
    known = [state for state in states if state]
    assert len(known) == 20
    assert known[-1].at == START - 4981 * SECOND + SECOND * 3 // 8
    assert known[-1].nervousness is not None


def test_unknown_signals_are_ignored() -> None:
    person = SubjectState("driver", FusionSettings())
    strange = skin(0, 3.0).model_copy(update={"signal": "temperature"})
    assert person.add_samples(strange) is None


def test_a_wave_with_too_low_a_rate_gives_the_reason() -> None:
    person = SubjectState("driver", FusionSettings())
    state = person.add_samples(skin(0, 3.0).model_copy(update={"signal": "ppg"}))
    assert state
    assert state.nervousness is None
    assert state.signals["heart"].reason == "ppg: 8 samples a second; beats need at least 20"


def test_states_from_synthetic_signals_are_marked() -> None:
    person = SubjectState("driver", FusionSettings())
    state = person.add_samples(skin(0, 3.0).model_copy(update={"synthetic": True}))
    assert state
    assert state.synthetic
