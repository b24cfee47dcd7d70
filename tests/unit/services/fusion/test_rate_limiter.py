"""How often states are published: at most ten in any second, and nearly as many as allowed."""

import math
from itertools import accumulate, pairwise
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from affectline.common.settings.fusion import FusionSettings
from affectline.services.fusion.rate_limiter import RateLimiter
from affectline.services.fusion.subject import SubjectState
from tests.unit.services.fusion.test_subject import CALM, SECOND, START

DURATION_S = 60


def camera_stamps(fps: float, jitter_ms: float = 0, seed: int = 1) -> list[int]:
    """Time stamps of a camera that jitters by so much to either side."""
    random = Random(seed)
    stamps = (
        START + round(i * SECOND / fps + random.uniform(-jitter_ms, jitter_ms) * 1e6)
        for i in range(int(fps * DURATION_S))
    )
    return sorted(stamps)


def state_times(stamps: list[int], rate: float = 10) -> list[int]:
    person = SubjectState("driver", FusionSettings(rate=rate))
    states = (person.add_expression(CALM, at) for at in stamps)
    return [state.at for state in states if state]


def admitted(limiter: RateLimiter, stamps: list[int]) -> list[int]:
    return [at for at in stamps if limiter.admit(at)]


def max_per_second(times: list[int]) -> int:
    """Most times in any half-open second."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - SECOND:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("fps", [10, 15, 20, 25, 29.97, 30, 60, 100])
def test_a_steady_camera_gets_ten_states_a_second(fps: float) -> None:
    times = state_times(camera_stamps(fps))
    assert len(times) == pytest.approx(10 * DURATION_S, abs=2)
    assert max_per_second(times) == 10
    assert min(b - a for a, b in pairwise(times)) >= 66_000_000


def test_a_steady_camera_at_the_rate_loses_no_state() -> None:
    stamps = camera_stamps(10)
    assert state_times(stamps) == stamps


def test_states_at_the_pace_of_the_pictures_stand_at_even_distances() -> None:
    for fps in (10, 20, 30, 100):
        gaps = [b - a for a, b in pairwise(state_times(camera_stamps(fps)))]
        assert max(gaps) - min(gaps) <= 2


@pytest.mark.parametrize("fps", [9.99, 10, 10.01, 15, 20, 25, 30, 60])
@pytest.mark.parametrize("jitter_ms", [0.3, 3, 8, 20])
def test_a_jittering_camera_never_gets_more_than_ten_and_loses_few(
    fps: float, jitter_ms: float
) -> None:
    times = state_times(camera_stamps(fps, jitter_ms))
    assert max_per_second(times) <= 10
    assert len(times) >= 9 * DURATION_S


jittering_cameras = st.builds(
    lambda period, jitters: sorted(i * period + jitter for i, jitter in enumerate(jitters)),
    st.integers(5_000_000, 300_000_000),
    st.lists(st.integers(-40_000_000, 40_000_000), min_size=1, max_size=300),
)
rates = st.sampled_from([10.0, 1.0, 0.4, 1.5, 2.5, 9.9]) | st.floats(0.1, 10)


@given(jittering_cameras, rates)
@example([i * 15_000_000 for i in range(300)], 9.9)
@example([i * 15_000_000 for i in range(300)], 1.5)
def test_a_jittering_camera_never_exceeds_the_rate(stamps: list[int], rate: float) -> None:
    times = admitted(RateLimiter(rate), stamps)
    assert max_per_second(times) <= math.ceil(rate)
    # Nor is the mean exceeded: n + 1 states take n / rate seconds at least
    count = math.ceil(rate)
    for first, later in zip(times, times[count:], strict=False):
        assert later - first >= count / rate * SECOND - 1


@given(jittering_cameras)
def test_no_due_state_is_withheld_while_the_window_has_room(stamps: list[int]) -> None:
    """What is refused came too early, or would be the eleventh within a second."""
    limiter = RateLimiter(10)
    times: list[int] = []
    for at in stamps:
        if limiter.admit(at):
            times.append(at)
        else:
            eleventh = len(times) >= 10 and at - times[-10] < SECOND
            assert eleventh or at - times[-1] < SECOND / 10 * 1.5


@given(
    st.lists(st.integers(0, 30 * SECOND // 10), min_size=1, max_size=300),
    st.floats(0.1, 10, allow_nan=False),
)
def test_no_second_holds_more_than_the_rate_whatever_comes(gaps: list[int], rate: float) -> None:
    times = admitted(RateLimiter(rate), list(accumulate(gap // 20 for gap in gaps)))
    count = math.ceil(rate)
    assert all(b - a >= SECOND for a, b in zip(times, times[count:], strict=False))
    assert len(times) == len(set(times))


@given(
    st.lists(st.tuples(st.integers(0, SECOND // 4), st.booleans()), min_size=1, max_size=300),
    rates,
)
def test_unscheduled_states_count_towards_the_rate(
    events: list[tuple[int, bool]], rate: float
) -> None:
    limiter, at, times = RateLimiter(rate), 0, []
    for gap, scheduled in events:
        at += gap
        if limiter.admit(at) if scheduled else limiter.admit_unscheduled(at):
            times.append(at)
    assert max_per_second(times) <= math.ceil(rate)
    assert times == sorted(times)


def test_an_older_event_is_refused() -> None:
    limiter = RateLimiter(10)
    assert limiter.admit_unscheduled(SECOND)
    assert not limiter.admit_unscheduled(SECOND - 1)
    assert not limiter.admit(0)
    assert limiter.last == SECOND
    limiter.reset()
    assert limiter.last is None
    assert limiter.admit(0)


def test_the_same_stamps_give_the_same_states() -> None:
    stamps = camera_stamps(30, 5)
    assert state_times(stamps) == state_times(stamps)
    assert state_times(stamps[:500]) == [at for at in state_times(stamps) if at <= stamps[499]]


def test_after_a_silence_there_is_no_burst() -> None:
    stamps = [at for at in camera_stamps(100) if not 20 * SECOND < at - START < 40 * SECOND]
    times = state_times(stamps)
    assert max_per_second(times) == 10
    assert min(b - a for a, b in pairwise(times)) >= 45_000_000


def test_states_in_silence_count_towards_the_rate() -> None:
    person = SubjectState("driver", FusionSettings())
    stamps = camera_stamps(10)
    times = [state.at for at in stamps[:50] if (state := person.add_expression(CALM, at))]
    times += [state.at for i in range(1, 40) if (state := person.extrapolate(i * 0.25))]
    assert len(times) == 50 + 9
    assert max_per_second(times) == 10


def test_a_low_rate_holds_in_silence_too() -> None:
    person = SubjectState("driver", FusionSettings(rate=0.5))
    assert person.add_expression(CALM, START)
    times = [state.at for i in range(1, 41) if (state := person.extrapolate(i * 0.5))]
    assert [at - START for at in times] == [2 * SECOND * i for i in range(1, 11)]
