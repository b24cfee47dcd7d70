"""What eyes say over time, from made measurements of both."""

from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest

from affectline.services.detector.eye_signs import EyeSigns, EyeState, name_gaze, to_gaze
from affectline.services.detector.eyes import Eye, Eyes
from affectline.services.detector.head_pose import HeadPose

RATE = 30
STRAIGHT = HeadPose(0.0, 4.0, 0.0)


def eyes(gap: float, *, left: float | None = None, above: float = 0.07) -> Eyes:
    """Both eyes alike, but for the left one's gap if that is given."""
    right = Eye(gap, 0.0, above, 30.0, is_visible=True)
    return Eyes(right if left is None else right._replace(gap=left), right)


def watch(frames: Iterable[tuple[Eyes, HeadPose]], rate: float = RATE) -> list[EyeSigns]:
    state = EyeState()
    return [state.add(round(i / rate * 1e9), e, pose) for i, (e, pose) in enumerate(frames)]


def film(seconds: float, frame: Callable[[float], tuple[Eyes, HeadPose]]) -> list[EyeSigns]:
    return watch(frame(i / RATE) for i in range(round(seconds * RATE)))


def test_the_usual_is_learnt_first_and_is_this_persons_own() -> None:
    for usual in (0.24, 0.42):
        told = film(8, lambda at, usual=usual: (eyes(usual if at < 6 else 0.6 * usual), STRAIGHT))  # type: ignore[misc]
        assert {one.unknown for one in told[: 2 * RATE]} == {"learning"}
        assert told[5 * RATE].left == pytest.approx(1, abs=0.03)
        assert told[7 * RATE].right == pytest.approx(
            (0.6 * usual - 0.06) / (usual - 0.06), abs=0.03
        )


def test_lids_that_are_lowered_with_the_head_are_not_shut_eyes() -> None:
    bowed = HeadPose(0.0, -14.0, 0.0)
    told = film(10, lambda at: (eyes(0.34), STRAIGHT) if at < 5 else (eyes(0.05), bowed))
    assert {one.unknown for one in told[6 * RATE :]} == {"looking_down"}
    assert not any(one.is_shut or one.blink for one in told)
    perclos = told[-1].perclos
    assert perclos is not None
    assert perclos.known_s == pytest.approx(2, abs=0.2)


def test_eyes_that_are_open_in_a_lowered_head_are_known_to_be() -> None:
    bowed = HeadPose(0.0, -14.0, 0.0)
    told = film(10, lambda at: (eyes(0.34), STRAIGHT) if at < 5 else (eyes(0.33), bowed))
    assert {one.unknown for one in told[6 * RATE :]} == {None}


def test_a_low_iris_between_half_open_lids_is_a_lowered_gaze() -> None:
    told = film(
        8, lambda at: (eyes(0.34), STRAIGHT) if at < 5 else (eyes(0.19, above=-0.01), STRAIGHT)
    )
    assert told[-1].unknown == "looking_down"
    assert told[-1].gaze is not None
    assert name_gaze(*told[-1].gaze) == "down"


def test_shut_eyes_count_for_perclos_and_the_closure_is_told_when_it_ends() -> None:
    told = film(40, lambda at: (eyes(0.02 if 20 < at < 24 else 0.34), STRAIGHT))
    assert told[22 * RATE].is_shut
    assert told[22 * RATE].left == 0
    (blink,) = [one.blink for one in told if one.blink]
    assert blink.at / 1e9 == pytest.approx(20, abs=0.1)
    assert blink.duration_ms == pytest.approx(4000, abs=80)
    perclos = told[-1].perclos
    assert perclos is not None
    assert perclos.share == pytest.approx(4 / 37, abs=0.01)
    assert told[15 * RATE].perclos is not None


def test_one_eye_that_stays_shut_is_covered_a_wink_is_not() -> None:
    def frame(at: float) -> tuple[Eyes, HeadPose]:
        is_wink, is_hand = 5 < at < 5.3, 7 < at < 9
        return eyes(0.34, left=0.04 if is_wink or is_hand else 0.34), STRAIGHT

    told = film(10, frame)
    assert told[round(5.2 * RATE)].unknown is None
    assert {one.unknown for one in told[round(7.6 * RATE) : round(8.9 * RATE)]} == {"covered"}
    assert told[-1].unknown is None


@pytest.mark.parametrize("rate", [0.5, 1, 1.9])
def test_frames_far_apart_show_the_opening_but_not_for_how_long(rate: float) -> None:
    told = watch(((eyes(0.24), STRAIGHT) for _ in range(40)), rate=rate)
    assert [one.unknown for one in told] == ["learning"] * 7 + [None] * 33
    assert told[-1].left == pytest.approx(1, abs=0.03)
    assert told[-1].perclos == (None, 0.0)
    assert not any(one.blink for one in told)


def test_the_usual_survives_frames_in_which_eyes_are_not_seen() -> None:
    state = EyeState()
    for number in range(150):
        state.add(number * 33_000_000, eyes(0.34), STRAIGHT)
    missed = state.skip(150 * 33_000_000, "turned_away")
    assert (missed.unknown, missed.left) == ("turned_away", None)
    assert state.add(151 * 33_000_000, eyes(0.34), STRAIGHT).left == pytest.approx(1, abs=0.02)


def test_one_visible_eye_is_enough() -> None:
    near = eyes(0.34)._replace(left=Eye(0.1, 0.3, 0.0, 9.0, is_visible=False))
    told = watch([(near, HeadPose(38, 0, 0))] * 150)
    assert told[-1].left is None
    assert told[-1].right == pytest.approx(1, abs=0.02)


def test_gaze_in_words() -> None:
    aside = [
        Eye(0.3, across, 0.07, 30, is_visible=True) for across in (-0.2, -0.05, 0.0, 0.05, 0.2)
    ]
    told = [to_gaze(Eyes(eye, eye)) for eye in aside]
    assert all(before[0] < after[0] for before, after in pairwise(told))
    words = [name_gaze(*one) for one in told]
    assert words == ["right", "ahead", "ahead", "ahead", "left"]
    up = Eye(0.3, 0.0, 0.2, 30, is_visible=True)
    assert name_gaze(*to_gaze(Eyes(up, up))) == "up"
