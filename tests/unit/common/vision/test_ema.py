"""Smoothing over time, whatever the frame rate."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.vision.ema import FORGET_S, TIME_CONSTANT_S, EmotionSmoother

SAD = (0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
HAPPY = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
SECOND = 1_000_000_000


def test_the_first_distribution_stands_as_it_is() -> None:
    assert EmotionSmoother().smooth(1, 0, SAD) == SAD


def test_after_the_time_constant_the_old_one_weighs_one_over_e() -> None:
    smoother = EmotionSmoother()
    smoother.smooth(1, 0, SAD)
    after = smoother.smooth(1, int(TIME_CONSTANT_S * SECOND), HAPPY)
    assert after[4] == pytest.approx(1 / math.e)
    assert after[3] == pytest.approx(1 - 1 / math.e)


@given(st.integers(1, 60))
def test_the_frame_rate_does_not_matter(rate: int) -> None:
    smoother = EmotionSmoother()
    smoother.smooth(1, 0, SAD)
    for i in range(1, rate + 1):
        after = smoother.smooth(1, i * SECOND // rate, HAPPY)
    assert after[4] == pytest.approx(math.exp(-1 / TIME_CONSTANT_S), abs=1e-6)


distributions = st.lists(st.floats(0.01, 1), min_size=7, max_size=7).map(
    lambda raw: tuple(p / sum(raw) for p in raw)
)


@given(st.lists(st.tuples(st.integers(0, 10**10), distributions), max_size=20))
def test_it_stays_a_distribution(steps: list[tuple[int, tuple[float, ...]]]) -> None:
    smoother, at = EmotionSmoother(), 0
    for step, distribution in steps:
        at += step
        after = smoother.smooth(1, at, distribution)
        assert sum(after) == pytest.approx(1)
        assert all(0 <= p <= 1 for p in after)


def test_tracks_do_not_mix_and_old_ones_are_forgotten() -> None:
    smoother = EmotionSmoother()
    smoother.smooth(1, 0, SAD)
    assert smoother.smooth(2, 1, HAPPY) == HAPPY
    later = int((FORGET_S + 1) * SECOND)
    assert smoother.smooth(1, later, HAPPY) == HAPPY
    smoother.forget(later)
    assert list(smoother._tracks) == [1]
