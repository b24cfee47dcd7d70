"""Signals as they should not be: wrong clocks, lost devices, odd beats, waves without a rate."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Samples, State
from affectline.services.fusion.beat_detection import estimate_sampling_rate
from affectline.services.fusion.subject import SubjectState
from tests.unit.services.fusion.test_heart_rate import neurokit
from tests.unit.services.fusion.test_subject import CALM, SECOND, START, drive, rate, run, skin


def beat(at_s: float, interval_ms: float, **more: Any) -> Samples:
    return Samples(
        subject="driver", signal="rr_interval", unit="ms", epoch=1, seq=0, offsets=(0,),
        at=START + round(at_s * SECOND), values=(interval_ms,), **more,
    )  # fmt: skip


def test_one_odd_beat_does_not_make_the_heart_vanish() -> None:
    beats = [beat(second, 1000) for second in range(200)]
    beats[150] = beat(150, 3000, quality=0.0, reason="not between 240 and 2400 ms")
    states = run(beats)
    before, at, after = (states[i].signals["heart"] for i in (149, 150, 170))
    assert before.quality > 0.9
    assert at.quality == pytest.approx(before.quality * 10 / 11, rel=0.02)
    assert at.reason == "not between 240 and 2400 ms"
    assert at.value == before.value
    assert after.quality == pytest.approx(before.quality, rel=0.01)
    assert not after.reason


def test_samples_of_quality_zero_do_not_change_rate_or_baseline() -> None:
    person = SubjectState("driver", FusionSettings())
    for second in range(100):
        person.add_samples(rate(second, 60))
    state = None
    for second in range(100, 108):
        loose = {"quality": 0.0, "reason": "no skin contact"}
        state = person.add_samples(rate(second, 180).model_copy(update=loose)) or state
    assert state
    heart = state.signals["heart"]
    assert heart.value == pytest.approx(60)
    assert heart.baseline == pytest.approx(60)
    assert heart.reason == "no skin contact"


def test_states_continue_in_silence_with_falling_quality() -> None:
    person = SubjectState("driver", FusionSettings())
    for message in drive(200, 1000):
        last = person.add_samples(message) or State(subject="driver", at=0)
    assert person.extrapolate(0.5) is None
    states = [state for i in range(1, 400) if (state := person.extrapolate(i / 2))]
    assert len(states) == 199
    assert [state.at - last.at for state in states[:2]] == [SECOND, 2 * SECOND]
    qualities = [state.quality for state in states]
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[0] > 0.9
    assert (qualities[-1], states[-1].nervousness) == (0.0, None)
    assert "out of date" in states[-1].signals["heart"].reason
    again = person.add_samples(skin(400, 3.0))
    assert again
    assert again.nervousness is not None
    assert SubjectState("nobody", FusionSettings()).extrapolate(5) is None


def test_a_picture_without_a_face_advances_time() -> None:
    person = SubjectState("driver", FusionSettings())
    person.add_samples(skin(0, 3.0))
    states = [person.add_expression(None, START + second * SECOND) for second in range(1, 60)]
    assert all(states)
    assert states[-1]
    assert states[-1].quality == 0
    assert states[-1].valence is None


def test_a_silent_device_from_the_future_is_dropped() -> None:
    person = SubjectState("driver", FusionSettings())
    person.add_samples(rate(7200, 70))  # its clock is two hours ahead, and it falls silent
    states = [person.add_samples(skin(second, 3.0)) for second in range(100)]
    known = [state for state in states if state]
    assert states[:60] == [None] * 60
    assert len(known) > 35
    assert known[-1].at < START + 101 * SECOND
    assert known[-1].nervousness is not None
    assert known[-1].signals["heart"].quality == 0


def test_a_device_from_the_future_that_still_sends_is_kept() -> None:
    person = SubjectState("driver", FusionSettings())
    for second in range(100):
        person.add_samples(rate(7200 + second, 70))
        person.add_samples(skin(second, 3.0))
    state = person.add_samples(rate(7300, 70))
    assert state
    assert state.at == START + 7300 * SECOND
    assert state.signals["heart"].quality > 0.5
    assert "out of date" in state.signals["skin"].reason


@pytest.mark.parametrize("back_s", [0.5, 5, 9, 11, 59, 3600])
def test_states_continue_after_a_clock_was_set_back(back_s: float) -> None:
    person = SubjectState("driver", FusionSettings())
    for message in drive(100, 1000):
        person.add_samples(message)
    after = [person.add_samples(m) for m in drive(200, 1000)]
    moved = [m.model_copy(update={"at": m.at - round(back_s * SECOND)}) for m in drive(300, 1000)]
    states = [state for m in moved[600:] if (state := person.add_samples(m))]
    assert any(after)
    assert len(states) > 150
    assert states[-1].nervousness is not None
    assert states[-1].quality > 0.7


def pulse(sampling: int, seconds: int, begin_s: int = 0, *, with_rate: bool) -> list[Samples]:
    """A pulse wave of 70 beats a minute, a tenth of a second in a message."""
    wave = neurokit().ppg_simulate(
        duration=seconds, sampling_rate=sampling, heart_rate=70, random_state=1
    )
    step, found = sampling // 10, []
    for start in range(0, len(wave), step):
        values = tuple(float(v) for v in wave[start : start + step])
        # As tables and irregular streams have them: rounded to milliseconds
        stamps = [round(i / sampling * 1000) * 1_000_000 for i in range(start, start + len(values))]
        offsets = () if with_rate else tuple(stamp - stamps[0] for stamp in stamps)
        found.append(
            Samples(
                subject="driver", signal="ppg", unit="1", epoch=1, seq=0, values=values,
                at=START + begin_s * SECOND + stamps[0], offsets=offsets,
                rate=float(sampling) if with_rate else None,
            )
        )  # fmt: skip
    return found


@pytest.mark.parametrize(("sampling", "missing"), [(250, 0), (100, 97), (64, 0)])
def test_the_rate_of_a_wave_is_estimated_from_its_times(sampling: int, missing: int) -> None:
    uneven = pulse(sampling, 90, with_rate=False)
    kept = [m for i, m in enumerate(uneven) if not missing or i % missing]
    (*_, estimated), (*_, stated) = run(kept), run(pulse(sampling, 90, with_rate=True))
    assert estimated.signals["heart"].baseline == pytest.approx(
        stated.signals["heart"].baseline, rel=0.02
    )
    assert estimated.signals["heart"].value == pytest.approx(
        stated.signals["heart"].value, rel=0.03
    )


def test_the_sampling_rate_is_estimated_from_stamps() -> None:
    even = [i / 256 for i in range(1000)]
    assert estimate_sampling_rate(even) == pytest.approx(256)
    assert estimate_sampling_rate([round(t, 3) for t in even]) == pytest.approx(256, rel=0.01)
    assert estimate_sampling_rate([t for i, t in enumerate(even) if i % 50]) == pytest.approx(
        256, rel=0.01
    )
    assert estimate_sampling_rate(even[:500]) is None
    assert estimate_sampling_rate([]) is None
    assert estimate_sampling_rate([0.0, 0.0, 0.0, 10.0]) is None


def test_a_board_may_change_its_sampling_rate() -> None:
    messages = [*pulse(64, 60, with_rate=True), *pulse(128, 60, 60, with_rate=True)]
    (*_, mixed), (*_, alone) = run(messages), run(pulse(128, 60, 60, with_rate=True))
    assert mixed.signals["heart"].value == pytest.approx(alone.signals["heart"].value)


values = st.floats(-1e9, 1e9) | st.sampled_from([0.0, 265.0, 70.0, 3.0])
messages = st.builds(
    Samples,
    subject=st.just("driver"),
    signal=st.sampled_from(["heart_rate", "rr_interval", "skin_conductance", "ecg", "ppg"]),
    unit=st.just("1"),
    epoch=st.just(1),
    seq=st.just(0),
    rate=st.sampled_from([0.001, 1.0, 8.0, 64.0, 100_000.0]),
    at=st.integers(0, 100).map(lambda s: START + s * SECOND) | st.integers(0, 2**62),
    values=st.lists(values, min_size=1, max_size=20).map(tuple),
    quality=st.sampled_from([0.0, 0.5, 1.0]),
)


@property_settings(max_examples=60, deadline=None)
@given(st.lists(messages | st.integers(0, 100), max_size=40))
def test_any_messages_in_any_order_give_states_that_can_be_sent(
    received: list[Samples | int],
) -> None:
    person = SubjectState("driver", FusionSettings())
    for one in received:
        moment = START + one * SECOND if isinstance(one, int) else 0
        state = (
            person.add_samples(one)
            if isinstance(one, Samples)
            else person.add_expression(CALM, moment)
        )
        assert state is None or math.isfinite(state.quality)
