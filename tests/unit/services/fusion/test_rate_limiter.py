"""How often states come: never more than ten in any second, and nearly as many as may be."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.settings.fusion import FusionSettings
from affectline.services.fusion.rate_limiter import RateLimiter
from affectline.services.fusion.subject import SubjectState
from tests.unit.services.fusion.test_subject import CALM, SECOND, START

LONG_S = 60


def stamps(fps: float, jitter_ms: float = 0, seed: int = 1) -> list[int]:
    """When a camera takes its pictures, which trembles by so much to either side."""
    random = Random(seed)
    moments = (
        START + round(i * SECOND / fps + random.uniform(-jitter_ms, jitter_ms) * 1e6)
        for i in range(int(fps * LONG_S))
    )
    return sorted(moments)


def states(moments: list[int], rate: float = 10) -> list[int]:
    person = SubjectState("driver", FusionSettings(rate=rate))
    seen = (person.add_expression(CALM, at) for at in moments)
    return [state.at for state in seen if state]


def most_in_a_second(moments: list[int]) -> int:
    return max(sum(at <= other < at + SECOND for other in moments) for at in moments)


@pytest.mark.parametrize("fps", [10, 15, 20, 25, 29.97, 30, 60, 100])
def test_a_steady_camera_gets_ten_states_a_second(fps: float) -> None:
    said = states(stamps(fps))
    assert len(said) == pytest.approx(10 * LONG_S, abs=2)
    assert most_in_a_second(said) == 10
    assert min(b - a for a, b in pairwise(said)) >= 66_000_000


def test_states_at_the_pace_of_the_pictures_stand_at_even_distances() -> None:
    for fps in (10, 20, 30, 100):
        gaps = [b - a for a, b in pairwise(states(stamps(fps)))]
        assert max(gaps) - min(gaps) <= 2


@pytest.mark.parametrize("fps", [9.99, 10, 10.01, 15, 20, 25, 30, 60])
@pytest.mark.parametrize("jitter_ms", [0.3, 3, 8, 20])
def test_a_trembling_camera_never_gets_more_than_ten_and_loses_little(
    fps: float, jitter_ms: float
) -> None:
    said = states(stamps(fps, jitter_ms))
    assert most_in_a_second(said) <= 10
    assert len(said) >= 9 * LONG_S


@given(
    st.lists(st.integers(0, 30 * SECOND // 10), min_size=1, max_size=300),
    st.floats(0.1, 10, allow_nan=False),
)
def test_no_second_holds_more_than_asked_for_whatever_comes(gaps: list[int], rate: float) -> None:
    limiter, at, taken = RateLimiter(rate), 0, []
    for gap in gaps:
        at += gap // 20
        if limiter.admit(at):
            taken.append(at)
    many = max(1, int(rate))
    assert all(b - a >= SECOND for a, b in zip(taken, taken[many:], strict=False))
    assert len(taken) == len(set(taken))


def test_the_same_stamps_give_the_same_states() -> None:
    moments = stamps(30, 5)
    assert states(moments) == states(moments)
    assert states(moments[:500]) == [at for at in states(moments) if at <= moments[499]]


def test_after_a_silence_there_is_no_rush() -> None:
    moments = [at for at in stamps(100) if not 20 * SECOND < at - START < 40 * SECOND]
    said = states(moments)
    assert most_in_a_second(said) == 10
    assert min(b - a for a, b in pairwise(said)) >= 45_000_000


def test_silent_people_are_counted_too() -> None:
    person = SubjectState("driver", FusionSettings())
    moments = stamps(10)
    said = [state.at for at in moments[:50] if (state := person.add_expression(CALM, at))]
    said += [state.at for i in range(1, 40) if (state := person.extrapolate(i * 0.25))]
    assert len(said) == 50 + 9
    assert most_in_a_second(said) == 10
