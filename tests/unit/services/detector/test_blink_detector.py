"""Blinks and closures in made openings of the eyes."""

from collections.abc import Callable

import numpy as np
import pytest

from affectline.common.wire.face_signs import Blink
from affectline.services.detector.blink_detector import BlinkDetector
from affectline.services.detector.perclos import PerclosMeter

SECOND = 1_000_000_000


def find(
    opening: Callable[[float], float | None],
    rate: float,
    seconds: float = 4.0,
    known: bool = True,
    start: int = 0,
) -> list[Blink]:
    """Blinks in an opening that is a function of time."""
    detector = BlinkDetector()
    found = []
    for number in range(round(seconds * rate)):
        at = round(number / rate * SECOND)
        blink = detector.add(start + at, opening(at / SECOND), is_known=known)
        found += [blink] if blink else []
    return found


def dips(*begins: float, length: float = 0.2, depth: float = 0.95) -> Callable[[float], float]:
    """Open eyes that shut and open again, each time within ``length`` seconds."""

    def opening(at: float) -> float:
        fall = max((1 - abs(at - begin - length / 2) / (length / 2) for begin in begins), default=0)
        return 1 - depth * max(0.0, min(1.0, 1.6 * fall))

    return opening


@pytest.mark.parametrize("rate", [10, 15, 24, 30, 60])
def test_blinks_are_found_once_each_at_all_frame_rates(rate: float) -> None:
    found = find(dips(1.03, 2.01, 3.2, length=0.25), rate)
    assert [blink.at / SECOND for blink in found] == pytest.approx([1.07, 2.05, 3.24], abs=0.06)
    for blink in found:
        assert blink.duration_ms == pytest.approx(172, abs=max(15, 900 / rate))


def test_nothing_is_said_where_frames_are_too_far_apart() -> None:
    assert find(dips(1.0, 2.0, 3.0, length=0.4), 8) == []


@pytest.mark.parametrize("rate", [15, 30, 60])
def test_noise_makes_no_blinks(rate: float) -> None:
    random = np.random.default_rng(3)
    assert find(lambda _: 0.9 + random.normal(0, 0.04), rate, seconds=60) == []


def test_a_long_closure_is_told_with_its_length_only_where_the_eyes_were_known_to_be_shut() -> None:
    shut = dips(1.0, length=2.0)
    (closure,) = find(shut, 30)
    assert closure.duration_ms == pytest.approx(1380, abs=50)
    assert find(shut, 30, known=False) == []


def test_lids_that_are_lowered_for_long_but_not_shut_are_no_blink() -> None:
    assert find(dips(1.0, length=2.0, depth=0.5), 30) == []


def test_a_blink_while_the_eyes_are_narrowed_is_found() -> None:
    blinks = dips(1.5, 2.5)
    assert len(find(lambda at: blinks(at) * (0.6 if at > 0.5 else 1), 30)) == 2


def test_a_face_that_is_lost_in_a_blink_has_none() -> None:
    blinks = dips(1.5)
    assert find(lambda at: None if 1.55 < at < 1.7 else blinks(at), 30) == []


def test_perclos_is_the_share_of_the_known_time_of_a_minute() -> None:
    meter, step = PerclosMeter(), SECOND // 10
    told = [
        meter.add(number * step, None if number % 10 == 9 else 0.1 * (number % 10), step)
        for number in range(1000)
    ]
    assert told[210].share is None, "less than 20 s were known"
    assert told[-1].known_s == pytest.approx(54, abs=0.2)
    assert told[-1].share == pytest.approx(3 / 9, abs=0.01)
    late = meter.add(1000 * SECOND, None, 0)
    assert late == (None, 0.0)


def test_lids_that_rise_slowly_after_a_blink_do_not_make_another() -> None:
    def opening(at: float) -> float:
        blink = dips(2.0)(at)
        return blink if at < 2.1 else min(blink, 0.66 + 0.4 * (at - 2.1))

    (blink,) = find(opening, 30)
    assert blink.duration_ms < 250


def test_blinks_are_the_same_to_the_nanosecond_whenever_a_session_begins() -> None:
    opening = dips(1.03, 2.01, 3.2, length=0.25)
    first = find(opening, 30)
    for start in (1_795_913_000_000_000_001, 1_795_445_587_329_376_688):
        found = find(opening, 30, start=start)
        assert [blink.at - start for blink in found] == [blink.at for blink in first]
        assert [b.duration_ms for b in found] == [b.duration_ms for b in first]


@pytest.mark.parametrize("missing", [(1.0, 1.06), (1.03, 1.13), (1.07, 1.17), (1.1, 1.3)])
def test_a_blink_with_frames_missing_is_none(missing: tuple[float, float]) -> None:
    detector, opening = BlinkDetector(), dips(1.0, 3.0)
    found, first, last = [], *missing
    for number in range(120):
        at_s = number / 30
        if first < at_s < last:
            continue
        blink = detector.add(round(at_s * SECOND), opening(at_s))
        found += [round(blink.at / SECOND)] if blink else []
    assert found == ([1, 3] if last - first < 0.07 else [3])


def test_one_low_frame_after_a_gap_is_no_blink() -> None:
    detector, at, found = BlinkDetector(), 0, []
    for step_s, opening in [(1 / 30, 1.0)] * 60 + [(0.45, 0.3)] + [(1 / 30, 1.0)] * 10:
        at += round(step_s * SECOND)
        found.append(detector.add(at, opening))
    assert not any(found)


@pytest.mark.parametrize(("first", "last", "is_told"), [(2.0, 2.3, True), (1.1, 1.6, False)])
def test_a_long_closure_needs_the_frames_in_which_the_lids_move(
    first: float, last: float, is_told: bool
) -> None:
    detector, opening, found = BlinkDetector(), dips(1.0, length=2.0), []
    for number in range(120):
        if not first < number / 30 < last:
            blink = detector.add(round(number / 30 * SECOND), opening(number / 30))
            found += [blink] if blink else []
    assert len(found) == is_told


@pytest.mark.parametrize("gap_s", [0.6, 1.2, 10.0, 40.0])
def test_a_blink_does_not_last_over_missing_frames(gap_s: float) -> None:
    detector, opening = BlinkDetector(), dips(1.0, 5.0)
    found = []
    for number in range(240):
        at_s = number / 30
        later_s = gap_s if at_s > 1.1 else 0.0  # the lids are down where it begins
        blink = detector.add(round((at_s + later_s) * SECOND), opening(at_s))
        found += [blink] if blink else []
    assert [blink.at / SECOND for blink in found] == pytest.approx([5.05 + gap_s], abs=0.06)
    assert found[0].duration_ms < 200
