"""Event time: whole seconds, clocks that are set back, and devices from the future."""

from affectline.services.fusion.event_clock import LEAP_S, EventClock


def test_event_time_is_that_of_the_newest_signal() -> None:
    clock = EventClock()
    assert clock.now_s is None
    assert not list(clock.elapsed_seconds())
    clock.advance("heart_rate", 3.0)
    clock.advance("face", 2.5)
    clock.advance("heart_rate", 2.9)
    assert clock.now_s == 3.0


def test_each_second_ends_once() -> None:
    clock = EventClock()
    ended = []
    for at_s in (0.2, 0.9, 1.0, 1.1, 3.5, 3.6, 4.0):
        clock.advance("face", at_s)
        ended += list(clock.elapsed_seconds())
    assert ended == [1, 2, 3, 4]


def test_a_long_gap_is_not_gone_through_second_by_second() -> None:
    clock = EventClock()
    clock.advance("face", 0.5)
    list(clock.elapsed_seconds())
    clock.advance("face", LEAP_S + 2.5)
    assert not list(clock.elapsed_seconds())
    clock.advance("face", LEAP_S + 3.0)
    assert list(clock.elapsed_seconds()) == [LEAP_S + 3]


def test_a_clock_that_was_set_back_is_noticed_and_a_late_sample_is_not() -> None:
    clock = EventClock()
    clock.advance("face", 100.0)
    assert not clock.was_set_back("face", 90.0)
    assert clock.was_set_back("face", 89.9)
    assert not clock.was_set_back("heart_rate", 0.0)
    clock.clear()
    assert not clock.was_set_back("face", 0.0)
    assert clock.now_s is None


def test_a_signal_far_ahead_is_dropped_once_it_is_silent() -> None:
    clock = EventClock()
    clock.advance("heart_rate", 7200.0)
    dropped = [clock.advance("face", float(second)) for second in range(62)]
    assert dropped == [None] * 61 + ["heart_rate"]
    assert clock.now_s == 61.0


def test_a_signal_far_ahead_that_still_comes_stays() -> None:
    clock = EventClock()
    for second in range(200):
        assert clock.advance("heart_rate", 7200.0 + second) is None
        assert clock.advance("face", float(second)) is None
