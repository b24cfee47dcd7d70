import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from affectline.services.biometrics.driver import Reading, Timing
from affectline.services.biometrics.file_playback import (
    FilePlayback,
    RecordedSignal,
    RecordedSignals,
    make_monotonic,
    regular_times,
)
from affectline.services.biometrics.validation import time_of
from tests.unit.services.biometrics.fakes import START, FakeTime, play, settings

S = 1_000_000_000
RECORDED = 1_600_000_000 * S


class Two(FilePlayback):
    """Skin conductance for 10 s, and three beats."""

    def load(self) -> RecordedSignals:
        skin = RecordedSignal(
            "skin_conductance", "uS", regular_times(RECORDED, 4.0, 40), np.arange(40.0), 4.0
        )
        beats = np.array([2 * S, 3 * S, 9 * S]) + RECORDED
        heart = RecordedSignal("rr_interval", "ms", beats, np.array([800.0, math.nan, 900.0]))
        return RecordedSignals([skin, heart], RECORDED)


def test_real_time_plays_what_is_due_as_of_now() -> None:
    time = FakeTime()
    driver = Two(settings("e4", folder="x"), time.clock)
    driver.open()
    heard = []
    while not driver.ended:
        for reading in driver.read():
            heard.append(reading)
            last = time_of(reading, len(reading.values) - 1)
            assert 0 <= time.now() - last < 0.11 * S
    skin = [v for r in heard if r.signal == "skin_conductance" for v in r.values]
    assert skin == list(np.arange(40.0))
    assert heard[0].at == START
    assert 9.7 < time.seconds < 9.9
    assert [r.at - START for r in heard if r.signal == "rr_interval"] == [2 * S, 3 * S, 9 * S]


def test_four_times_the_speed_takes_a_quarter() -> None:
    time = FakeTime()
    readings = play(Two(settings("e4", folder="x", speed=4), time.clock))
    assert 2.4 < time.seconds < 2.6
    assert max(time_of(r, len(r.values) - 1) for r in readings) == START + 9_750_000_000


def test_as_fast_as_possible_waits_for_nothing_and_interleaves() -> None:
    time = FakeTime()
    readings = play(Two(settings("e4", folder="x", speed="max", keep_times=True), time.clock))
    assert time.seconds == 0
    assert [r.at for r in readings] == sorted(r.at for r in readings)
    assert readings[0].at == RECORDED
    assert len(readings) >= 10


def test_a_loop_continues_behind_the_end() -> None:
    driver = Two(settings("e4", folder="x", speed="max", loop=True), FakeTime().clock)
    readings = [r for r in play(driver, 90) if r.signal == "skin_conductance"]
    times = [time_of(r, i) for r in readings for i in range(len(r.values))]
    assert len(times) > 80
    assert set(np.diff(times).tolist()) == {S // 4}


def played(chosen: Mapping[str, object], timing: Timing) -> tuple[FakeTime, list[Reading]]:
    """What is published at a pace, and the clock that went by meanwhile."""
    time = FakeTime()
    driver = Two(settings("e4", folder="x", **chosen), time.clock)
    driver.timing = timing
    return time, play(driver)


def test_a_recording_begins_with_the_session_shifted_by_its_offset() -> None:
    for chosen, begin in (
        ({}, 0.0), ({"offset": 2.5}, 2.5), ({"offset": -1.5}, -1.5),
        ({"start": "2026-11-28T10:15:00+01:00", "offset": 1}, None),
    ):  # fmt: skip
        _, readings = played({"speed": "max", **chosen}, Timing(session_start=START - 7 * S))
        expected = 1_795_857_301 * S if begin is None else START - 7 * S + round(begin * S)
        assert readings[0].at == expected
        beats = [r.at - expected for r in readings if r.signal == "rr_interval"]
        assert beats == [2 * S, 3 * S, 9 * S]


def test_messages_are_the_same_at_every_pace() -> None:
    found = []
    for speed in ("max", 1.0, 4.0, 1000.0):
        timing = Timing(session_start=START, speed=speed, is_aligned=True)
        time, readings = played({}, timing)
        found.append([dataclasses.replace(r, values=tuple(map(str, r.values))) for r in readings])  # type: ignore[arg-type]
        assert time.seconds < (0.01 if speed == "max" else 10.1 / float(speed) + 0.2)
    assert all(readings == found[0] for readings in found[1:])
    assert max(len(reading.values) for reading in found[0]) == 1  # four a second: a quarter each


def test_a_speed_of_its_own_changes_no_times() -> None:
    _, fast = played({"speed": 100}, Timing(session_start=START, speed=1, is_aligned=True))
    _, slow = played({}, Timing(session_start=START, speed=1, is_aligned=True))
    assert [(r.signal, r.at) for r in fast] == [(r.signal, r.at) for r in slow]


def test_beside_something_live_a_sample_is_due_when_the_clock_reaches_its_time() -> None:
    time = FakeTime()
    driver = Two(settings("e4", folder="x", offset=3), time.clock)
    driver.timing = Timing(session_start=START - 5 * S, follows_clock=True)
    driver.open()
    first = driver.read()  # two seconds are over already
    assert {r.at for r in first} == {START - 2 * S, START}
    while not driver.ended:
        for reading in driver.read():
            last = time_of(reading, len(reading.values) - 1)
            assert 0 <= time.now() - last < 0.11 * S
    assert 7.7 < time.seconds < 7.9


def test_a_recording_with_a_date_does_not_wait_for_the_clock_to_reach_it() -> None:
    timing = Timing(session_start=RECORDED, follows_clock=True)
    time, readings = played({"keep_times": True}, timing)
    assert (readings[0].at, 9.7 < time.seconds < 9.9) == (RECORDED, True)


def test_a_recording_is_left_when_the_run_ends() -> None:
    timing = Timing(session_start=START, speed="max", ends_at=START + 4 * S)
    for chosen in ({}, {"loop": True}):
        _, readings = played(chosen, timing)
        times = [time_of(r, i) for r in readings for i in range(len(r.values))]
        assert max(times) == START + 4 * S - S // 4
    _, readings = played({"offset": 5}, timing)
    assert readings == []


def test_it_promises_that_nothing_earlier_follows() -> None:
    driver = Two(settings("e4", folder="x", speed="max"), FakeTime().clock)
    driver.timing = Timing(session_start=START)
    driver.open()
    promised = driver.complete_until or 0
    while not driver.ended:
        readings = driver.read()
        assert all(reading.at >= promised for reading in readings)
        promised = driver.complete_until or 0
    assert promised == START + 9_750_000_001


def test_a_pause_in_a_recording_holds_nobody_up() -> None:
    """Its next sample is known, so others need not wait for it."""

    class Pause(FilePlayback):
        def load(self) -> RecordedSignals:
            times = np.array([0, 3600 * S])
            return RecordedSignals([RecordedSignal("rr_interval", "ms", times, np.ones(2))], 0)

    driver = Pause(settings("e4", folder="x"), FakeTime().clock)
    driver.timing = Timing(session_start=START, is_aligned=True)
    driver.open()
    assert driver.complete_until == START
    while not driver.read():
        assert driver.complete_until == START
    assert driver.complete_until == START + 3600 * S


@given(st.lists(st.integers(0, 50) | st.integers(0, 2**62), max_size=50))
def test_falling_times_are_put_right(raw: list[int]) -> None:
    times, changed = make_monotonic(np.array(raw, np.int64))
    assert len(times) == len(raw)
    assert (np.diff(times) >= 0).all()
    assert bool(changed) == (raw != sorted(raw))
    if not changed:
        assert times.tolist() == raw


def test_clocks_that_jump_without_end_stay_within_what_can_be_said() -> None:
    times, _ = make_monotonic(np.array([0, 2**62, 1, 2**61] * 20, np.int64))
    assert (np.diff(times) >= 0).all()
    assert times.max() == 2**62


def test_one_wrong_time_is_put_between_its_neighbours() -> None:
    for wrong in (0, 9_000_000):
        times, changed = make_monotonic(np.array([10, 11, 12, wrong, 14, 15], np.int64))
        assert (times.tolist(), changed) == ([10, 11, 12, 13, 14, 15], 1)


def test_a_recorder_set_back_an_hour_keeps_its_pace() -> None:
    raw = np.array([3600, 3601, 3602, 0, 1, 2], np.int64) * S
    times, falls = make_monotonic(raw)
    assert falls == 1
    assert (times // S).tolist() == [3600, 3601, 3602, 3603, 3604, 3605]
