"""A driver's signals in states: reproducible, through rewinds and calibrations, of two cameras."""

import pytest

from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.face_signs import FaceSigns
from affectline.services.fusion.driver_signals import PATIENCE_S, DriverSignals
from affectline.services.fusion.subject import SubjectState
from tests.unit.services.fusion.faces import RATE, Drive, blinked, face, times
from tests.unit.services.fusion.test_subject import CALM, SECOND, START, skin


def busy(at_s: float) -> FaceSigns | None:
    """Glances, blinks, and a face that is sometimes lost."""
    if at_s % 37 > 33:
        return None
    yaw = 35.0 if at_s % 19 < 2 else 2.0
    if at_s % 4 < 0.1:
        return blinked(180 + at_s / 2, yaw=yaw)
    return face(yaw=yaw, pitch=-3.0, perclos=min(0.3, at_s / 2000))


def test_states_are_causal_and_reproducible() -> None:
    whole = Drive().see(busy, 200).states
    assert Drive().see(busy, 200).states == whole
    cut = Drive().see(busy, 90).states
    assert cut == whole[: len(cut)]


def test_a_face_alone_gives_a_state_and_its_nervousness_is_as_before() -> None:
    drive = Drive().see(busy, 100)
    plain = SubjectState("driver", FusionSettings())
    for state, at_s in zip(drive.states, times(100), strict=True):
        expression = CALM if busy(at_s) else None
        before = plain.add_expression(expression, START + round(at_s * SECOND))
        assert before == state.model_copy(update={"drowsiness": None, "off_road": None})


def test_a_rewind_keeps_what_is_usual_and_forgets_the_window() -> None:
    drive = Drive().see(busy, 200)
    usual = drive.off_road.contributions["yaw"].baseline
    drive.see(busy, 1, begin_s=20)  # ten seconds back and more: the clock was set
    assert drive.off_road.contributions["yaw"].baseline == usual
    assert drive.off_road.share is None
    assert drive.off_road.known_s < 1.1
    drive.see(busy, 15, begin_s=21)
    assert drive.off_road.share is not None


def test_a_calibration_learns_the_usual_direction_anew_and_fixes_it() -> None:
    drive = Drive().see(lambda _: face(yaw=0.0), 100)
    drive.person.calibrate(START + 100 * SECOND, 60)
    drive.see(lambda _: face(yaw=25.0), 10, begin_s=100)
    assert drive.off_road.now == "learning"
    drive.see(lambda _: face(yaw=25.0), 110, begin_s=110)
    assert (drive.off_road.now, drive.off_road.share) == ("ahead", 0)
    assert drive.off_road.usual_s == pytest.approx(60, abs=1)
    drive.see(lambda _: face(yaw=0.0), 400, begin_s=220)
    assert drive.off_road.share == pytest.approx(1)
    assert drive.off_road.contributions["yaw"].baseline == pytest.approx(25)


def test_a_short_calibration_is_enough_to_begin_with() -> None:
    drive = Drive()
    drive.person.calibrate(START, 10)
    drive.see(lambda _: face(yaw=25.0), 15)
    assert drive.off_road.now == "ahead"
    assert drive.off_road.contributions["yaw"].baseline == pytest.approx(25)


def test_a_camera_that_fell_behind_for_good_is_forgotten() -> None:
    drive = Drive().see(lambda _: face(), 100, begin_s=5000)  # its clock is far ahead
    for second in range(70):
        drive.person.add_samples(skin(second, 3.0))
    state = drive.person.add_samples(skin(71, 3.0))
    assert state
    assert state.off_road
    assert state.off_road.share is None


def test_one_of_two_cameras_is_followed_until_it_loses_the_face() -> None:
    signals = DriverSignals()
    assert signals.evaluate(0.0) == (None, None)
    for i in range(200 * RATE):
        at_s = i / RATE
        signals.add_face("front", face(yaw=0.0) if at_s < 150 else None, at_s)
        signals.add_face("side", face(yaw=-50.0), at_s + 0.01)
        signals.add_face("rear", None, at_s + 0.02)
        if i % RATE == 0:
            signals.close_second()
        if i % 5 == 0 and at_s > 40:
            _, off_road = signals.evaluate(at_s + 0.05)
            assert off_road
            followed = 0.0 if at_s < 150 + PATIENCE_S - 0.1 else -50.0
            assert off_road.contributions["yaw"].baseline == pytest.approx(followed)
            assert off_road.share == pytest.approx(0) or at_s < 45


def test_both_signals_live_with_a_sensor_that_is_faster_than_the_camera() -> None:
    drive = Drive()
    states = []
    for i in range(800):
        at_s = i / 8
        drive.see_at(lambda _: face(), [at_s]) if i % 8 == 0 else None
        states.append(drive.person.add_samples(skin(at_s + 0.01, 3.0)))
    last = [state for state in states if state][-1]
    assert last.off_road
    assert last.off_road.unknown == pytest.approx(0, abs=0.03)
    assert last.off_road.known_s == pytest.approx(60, abs=1)
