import random

from affectline.services.biometrics.sensor_clock import SensorClock, WrappingCounter

S = 1_000_000_000


def follow(clock: SensorClock, seconds: range, drift: float, apart: int) -> int:
    """How far off the last time is, where messages are under way for 10 to 60 ms."""
    delays = random.Random(1)
    off = 0
    for second in seconds:
        at = second * S
        stamp = round(at * (1 + drift)) - apart
        off = stamp + clock.compare(stamp, at + delays.randint(10_000_000, 60_000_000)) - at
    return off


def test_a_clock_that_runs_slow_or_fast_is_followed_for_hours() -> None:
    for drift in (-50e-6, 50e-6):
        off = follow(SensorClock(), range(1, 7200), drift, 123 * S)
        assert 7_000_000 < off < 17_000_000  # the shortest delay, and 3 ms that the clocks part by


def test_a_clock_that_was_set_is_compared_anew() -> None:
    clock = SensorClock()
    follow(clock, range(1, 100), 0, 0)
    assert 10_000_000 <= follow(clock, range(100, 200), 0, -3600 * S) < 15_000_000


def test_messages_that_were_held_up_change_nothing() -> None:
    clock = SensorClock()
    before = follow(clock, range(1, 100), 0, 0)
    for second in range(100, 105):  # all arrive at once
        clock.compare(second * S, 105 * S)
    assert follow(clock, range(105, 110), 0, 0) == before


def test_a_clock_that_stood_still_is_compared_anew_in_the_end() -> None:
    clock = SensorClock()
    follow(clock, range(1, 100), 0, 0)
    assert 10_000_000 <= follow(clock, range(100, 200), 0, 5 * S) < 15_000_000


def test_corrections_are_spread() -> None:
    clock = SensorClock()
    first = clock.compare(0, 80_000_000)
    assert first == 80_000_000
    assert clock.compare(S, S + 20_000_000) == 70_000_000
    assert clock.compare(S, S + 20_000_000) == 70_000_000  # of no time, nothing


def test_a_counter_of_few_bits_goes_on() -> None:
    counter = WrappingCounter(8)
    assert [counter.unwrap(n) for n in (250, 255, 4, 3 + 100, 2)] == [250, 255, 260, 359, 514]
