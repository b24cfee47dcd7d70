"""Drowsiness: PERCLOS and blinks to points, and why something is unknown."""

import pytest

from affectline.common.wire.face_signs import EyesUnknown, FaceSigns
from affectline.services.fusion.drowsiness_signal import WHY, DrowsinessSignal
from tests.unit.services.fusion.faces import Drive, Script, blinked, face
from tests.unit.services.fusion.test_subject import SECOND, START


def blinks(every_s: float, duration_ms: float, **signs: float) -> Script:
    """A blink every so often."""

    def script(at_s: float) -> FaceSigns:
        tenths = round(at_s * 10)
        return blinked(duration_ms, **signs) if tenths % round(every_s * 10) == 0 else face(**signs)

    return script


@pytest.mark.parametrize(
    ("perclos", "level"), [(0.0, 0), (0.075, 30), (0.15, 60), (0.25, 100), (0.9, 100)]
)
def test_the_borders_of_the_literature_are_points_of_the_level(
    perclos: float, level: float
) -> None:
    found = Drive().see(lambda _: face(perclos=perclos), 5).drowsiness
    assert found.level == pytest.approx(level)
    assert (found.quality, found.reason) == (1, "")
    assert found.contributions["perclos"].value == perclos


def test_usual_blinks_add_nothing_and_longer_ones_do() -> None:
    drive = Drive().see(blinks(4, 200), 240)
    assert drive.drowsiness.level == pytest.approx(8)
    usual = drive.drowsiness.contributions["blink_duration"]
    assert (usual.unit, usual.quality) == ("ms", 1)
    assert usual.value == pytest.approx(200)
    assert usual.baseline == pytest.approx(200)
    assert usual.contribution == pytest.approx(0, abs=1e-6)
    drive.see(blinks(4, 260), 60, begin_s=240)
    longer = drive.drowsiness.contributions["blink_duration"]
    assert longer.value == pytest.approx(260)
    assert longer.baseline == pytest.approx(200)
    assert longer.contribution == pytest.approx(18)
    assert drive.drowsiness.level == pytest.approx(8 + longer.contribution)


def test_blinks_add_no_more_than_thirty_points_and_never_beyond_the_scale() -> None:
    drive = Drive().see(blinks(4, 200), 240).see(blinks(4, 900), 60, begin_s=240)
    found = drive.drowsiness
    assert found.contributions["blink_duration"].contribution == 30
    assert found.long_blinks == 15
    drive.see(blinks(4, 900, perclos=0.22), 5, begin_s=300)
    parts = drive.drowsiness.contributions
    assert drive.drowsiness.level == pytest.approx(100)
    assert parts["perclos"].contribution == pytest.approx(88)
    assert parts["blink_duration"].contribution == pytest.approx(12)


def test_shut_eyes_of_many_seconds_are_no_usual_blink() -> None:
    drive = Drive().see(blinks(4, 200), 200)
    drive.see(blinks(100, 9000), 1, begin_s=300)
    assert drive.drowsiness.contributions["blink_duration"].value is None, "one is too few"
    assert drive.drowsiness.contributions["blink_duration"].reason == (
        "blinks in the last minute: 1; 3 are needed"
    )
    assert drive.drowsiness.long_blinks == 1
    drive.see(blinks(4, 200), 120, begin_s=301)
    usual = drive.drowsiness.contributions["blink_duration"]
    assert usual.baseline == pytest.approx(200)
    assert usual.contribution == pytest.approx(0)


def test_what_is_usual_has_to_be_learnt_and_a_calibration_fixes_it() -> None:
    drive = Drive().see(blinks(4, 400), 20)
    young = drive.drowsiness.contributions["blink_duration"]
    assert young.reason == "usual duration of blinks learned for too short a time"
    assert young.quality == pytest.approx(5 / 20)
    drive.person.calibrate(START + 20 * SECOND, 60)
    drive.see(blinks(4, 200), 65, begin_s=20).see(blinks(4, 300), 300, begin_s=85)
    fixed = drive.drowsiness.contributions["blink_duration"]
    assert (fixed.value, fixed.quality) == (300, 1)
    assert fixed.baseline == pytest.approx(200)
    assert fixed.contribution == pytest.approx(30)


@pytest.mark.parametrize("why", ["learning", "looking_down", "turned_away", "covered", "dark"])
def test_an_unknown_opening_has_the_reason_and_no_level(why: EyesUnknown) -> None:
    found = Drive().see(lambda _: face(eyes_unknown=why), 30).drowsiness
    assert (found.level, found.quality, found.reason) == (None, 0, WHY[why])
    assert found.contributions["perclos"].value is None


def test_eyes_that_were_seen_for_too_short_have_no_level() -> None:
    found = Drive().see(lambda _: face(perclos=None, perclos_known_s=12.0), 12).drowsiness
    assert found.level is None
    assert found.reason == "the eyes were seen for 12 s of the last 60: 20 are needed"


def test_half_a_window_has_half_the_quality_and_says_what_hid_the_eyes() -> None:
    def script(at_s: float) -> FaceSigns:
        if at_s < 30:
            return face(eyes_unknown="looking_down")
        return face(perclos=0.05, perclos_known_s=min(30.0, at_s - 30))

    found = Drive().see(script, 60).drowsiness
    assert found.level == pytest.approx(20)
    assert found.quality == pytest.approx(0.5, abs=0.01)
    assert found.reason == (
        "the eyes were seen for 30 s of the last 60; "
        "head or gaze is lowered, which lowers the lids of open eyes"
    )


def test_a_lost_face_makes_the_level_fade_and_end() -> None:
    drive = Drive().see(lambda at_s: face() if at_s < 30 else None, 36)
    assert drive.drowsiness.level == pytest.approx(8)
    assert drive.drowsiness.quality == pytest.approx(0.5, abs=0.02)
    assert drive.drowsiness.reason == "the last PERCLOS is 6 s old"
    drive.see(lambda _: None, 10, begin_s=36)
    assert (drive.drowsiness.level, drive.drowsiness.reason) == (None, "no face in sight")


def test_eyes_that_were_never_looked_for_have_no_signal() -> None:
    drive = Drive().see(lambda _: FaceSigns(yaw=1.0, pitch=0.0), 30)
    assert drive.states[-1].drowsiness is None
    assert drive.states[-1].off_road
    assert DrowsinessSignal().evaluate(0.0) is None
