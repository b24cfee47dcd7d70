"""Looks away: how long, how often, by what, and what is not known."""

from itertools import pairwise

import pytest

from affectline.common.wire.face_signs import FaceSigns
from affectline.services.fusion.look_signal import LOST_AWAY_S, YAW_LIMIT, LookSignal
from tests.unit.services.fusion.faces import RATE, Drive, Script, face
from tests.unit.services.fusion.test_subject import SECOND, START

AHEAD = face(yaw=8.0, pitch=-4.0)
"""As a camera aside of the driver sees it."""
ASIDE = face(yaw=8.0 - 30.0, pitch=-4.0)
DOWN = face(yaw=8.0, pitch=-4.0 - 25.0)
LEARNT_S = 40.0


def glances(*looks: tuple[float, float, FaceSigns | None]) -> Script:
    """Ahead, but something else from one time to another."""

    def script(at_s: float) -> FaceSigns | None:
        return next((seen for begin, end, seen in looks if begin <= at_s < end), AHEAD)

    return script


def test_before_the_usual_direction_is_known_nothing_is_said() -> None:
    drive = Drive().see(glances((10, 20, ASIDE)), 25)
    found = drive.off_road
    assert (found.now, found.share, found.longest_s, found.quality) == ("learning", None, None, 0)
    assert found.reason == "still learning the usual direction: 24 s of 30"
    assert found.unknown == 0


def test_a_person_who_looks_ahead_does_not_look_away() -> None:
    found = Drive().see(glances(), 180).off_road
    assert (found.now, found.share, found.longest_s, found.long_glances) == ("ahead", 0, 0, 0)
    assert found.now_s == pytest.approx(150, abs=1.5)
    assert found.known_s == pytest.approx(60)
    assert found.quality == pytest.approx(1)
    assert found.reason == ""
    assert found.contributions["yaw"].baseline == pytest.approx(8)
    assert found.contributions["pitch"].value == -4
    assert sum(part.contribution for part in found.contributions.values()) == 0


def test_share_longest_and_number_of_glances_are_those_of_the_script() -> None:
    looks = ((150, 151.5, ASIDE), (160, 163, DOWN), (170, 172.5, ASIDE))
    found = Drive().see(glances(*looks), 180).off_road
    assert found.share
    assert found.share == pytest.approx(7 / 60, abs=0.005)
    assert found.longest_s == pytest.approx(3, abs=0.11)
    assert found.long_glances == 2
    yaw, pitch = (found.contributions[name].contribution for name in ("yaw", "pitch"))
    assert yaw == pytest.approx(100 * 4 / 60, abs=0.5)
    assert pitch == pytest.approx(100 * 3 / 60, abs=0.5)
    assert yaw + pitch == pytest.approx(100 * found.share)


def test_a_glance_is_told_while_it_goes_on_and_forgotten_after_a_minute() -> None:
    drive = Drive().see(glances((100, 104, ASIDE)), 200)
    at = {round((s.at - START) / SECOND, 1): s.off_road for s in drive.states}
    during, after, later = at[103.0], at[106.0], at[170.0]
    assert during
    assert during.now == "away"
    assert during.now_s == pytest.approx(3, abs=0.11)
    assert during.longest_s == pytest.approx(3, abs=0.11)
    assert after
    assert after.now == "ahead"
    assert after.longest_s == pytest.approx(4, abs=0.11)
    assert later
    assert (later.share, later.longest_s) == (0, 0)


def test_a_glance_that_began_before_the_window_is_told_in_full() -> None:
    found = Drive().see(glances((150, 230, ASIDE)), 240).off_road
    assert found.longest_s == pytest.approx(80, abs=0.11)
    assert found.share == pytest.approx(50 / 60, abs=0.005)


def test_a_head_that_sways_within_the_limits_looks_ahead() -> None:
    def sway(at_s: float) -> FaceSigns:
        return face(yaw=8 + (9 if int(at_s * 2) % 2 else -9), pitch=-4 + (6 if at_s % 3 < 1 else 0))

    assert Drive().see(sway, 120).off_road.share == 0


def test_one_glance_at_the_limit_is_one() -> None:
    def tremble(at_s: float) -> FaceSigns:
        wave = 1.0 if int(at_s * RATE) % 2 else -1.0
        return face(yaw=YAW_LIMIT + 0.5 + wave) if 100 <= at_s < 105 else face()

    drive = Drive().see(tremble, 110)
    assert drive.off_road.longest_s == pytest.approx(5, abs=0.25)
    assert drive.off_road.long_glances == 1


@pytest.mark.parametrize("hidden", [None, face(yaw=None, pitch=None)], ids=["no face", "no pose"])
def test_an_unknown_direction_is_neither_away_nor_ahead(hidden: FaceSigns | None) -> None:
    found = Drive().see(glances((150, 170, hidden), (171, 176, DOWN)), 180).off_road
    assert found.unknown == pytest.approx(20 / 60, abs=0.005)
    assert found.known_s == pytest.approx(40, abs=0.2)
    assert found.share == pytest.approx(5 / 40, abs=0.005)
    assert found.quality == pytest.approx(40 / 60, abs=0.01)
    assert found.reason == "the direction was unknown for 20 s of the last 60"


def test_nothing_is_said_where_hardly_anything_is_known() -> None:
    drive = Drive().see(glances((100, 155, None)), 155)
    assert (drive.off_road.now, drive.off_road.share) == ("unknown", None)
    assert drive.off_road.longest_s is None
    assert drive.off_road.quality == 0
    assert drive.off_road.contributions["yaw"].value is None
    assert drive.off_road.contributions["yaw"].reason == "no direction is seen"


def test_a_face_that_is_lost_while_it_looks_away_still_does_for_a_while() -> None:
    looks = ((100, 101, ASIDE), (101, 103, None), (103, 104, ASIDE))
    found = Drive().see(glances(*looks), 106).off_road
    assert found.longest_s == pytest.approx(4, abs=0.11)
    assert found.unknown == 0
    found = Drive().see(glances((100, 101, ASIDE), (101, 120, None)), 130).off_road
    assert found.longest_s == pytest.approx(1 + LOST_AWAY_S, abs=0.21)
    assert found.unknown == pytest.approx((19 - LOST_AWAY_S) / 60, abs=0.01)


def test_a_face_that_is_lost_while_it_looks_ahead_is_unknown_at_once() -> None:
    found = Drive().see(glances((100, 101, None)), 102).off_road
    assert found.unknown == pytest.approx(1 / 60, abs=0.002)
    assert found.share == 0


def test_a_face_in_sight_that_is_turned_too_far_still_looks_away() -> None:
    turned = FaceSigns(doubts=("turned_away",))
    found = Drive().see(glances((100, 101, ASIDE), (101, 110, turned)), 110).off_road
    assert found.now == "away"
    assert found.now_s == pytest.approx(10, abs=0.2)
    never_seen_away = Drive().see(glances((100, 110, turned)), 110).off_road
    assert never_seen_away.now == "unknown"


def test_silence_is_unknown_and_a_long_gap_forgets_the_glances() -> None:
    drive = Drive().see(glances((115, 118, ASIDE)), 120)
    silent = drive.person.extrapolate(20)
    assert silent
    assert silent.off_road
    assert silent.off_road.now == "unknown"
    assert silent.off_road.unknown == pytest.approx(19 / 60, abs=0.01)
    drive.see(glances(), 5, begin_s=1000)
    found = drive.off_road
    assert (found.now, found.share) == ("ahead", None)
    assert found.known_s == pytest.approx(4.9)
    drive.see(glances(), 30, begin_s=1005)
    assert drive.off_road.share == 0


def test_where_no_direction_was_measured_there_is_no_signal() -> None:
    drive = Drive().see(lambda _: FaceSigns(), 60)
    assert {state.off_road for state in drive.states} == {None}
    assert {state.drowsiness for state in drive.states} == {None}
    assert LookSignal().evaluate(0.0) is None


def test_known_unknown_and_away_never_exceed_the_window() -> None:
    drive = Drive().see(
        glances(*((t, t + 3, ASIDE if t % 2 else None) for t in range(31, 300, 7))), 300
    )
    for state in drive.states:
        found = state.off_road
        assert found
        assert found.known_s + 60 * found.unknown <= 60 + 1e-6
        total = sum(part.contribution for part in found.contributions.values())
        assert total == pytest.approx(100 * (found.share or 0.0))
    assert all(a.at < b.at for a, b in pairwise(drive.states))


def test_a_picture_that_stands_still_until_it_is_usual_and_goes_is_no_error() -> None:
    look, mirror = LookSignal(), face(yaw=38.0, pitch=-4.0)
    for second in range(100):
        look.add_face(AHEAD if second < 40 else mirror, second + 0.5)
        look.close_second()
        look.add_face(None, second + 0.9)
    found = look.evaluate(100.0)
    assert found is not None
    assert found.now in {"ahead", "unknown"}
