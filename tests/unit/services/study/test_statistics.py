"""Intervals are those of resampled participants, and curves are cut where they were measured."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.services.study.statistics import (
    average_events,
    bootstrap_mean,
    cut_around,
    event_grid,
    mean_by_participant,
    paired_difference,
)

FINITE = st.floats(-1e3, 1e3)


def test_an_interval_is_that_of_all_possible_resamples() -> None:
    values = [1.0, 2.0, 4.0, 7.0]
    means = [np.mean(drawn) for drawn in product(values, repeat=4)]  # all 256 of them
    expected = np.percentile(means, [2.5, 97.5])
    found = bootstrap_mean(values)
    assert (found.participants, found.mean) == (4, 3.5)
    assert (found.low, found.high) == pytest.approx(expected, abs=0.25)
    assert found == bootstrap_mean(values), "the same numbers every time"


@pytest.mark.parametrize("values", [[1.0], [1.0, 9.0]])
def test_two_participants_have_no_interval(values: list[float]) -> None:
    found = bootstrap_mean(values)
    assert found.mean == np.mean(values)
    assert found.low is None
    assert found.high is None


@given(st.lists(FINITE, min_size=3, max_size=12))
def test_an_interval_holds_the_mean_and_lies_between_the_extremes(values: list[float]) -> None:
    found = bootstrap_mean(values)
    assert found.low is not None
    assert found.high is not None
    assert min(values) - 1e-6 <= found.low <= found.high <= max(values) + 1e-6
    slack = 1e-6 + (max(values) - min(values)) / 2
    assert found.low - slack <= found.mean <= found.high + slack


def test_several_sessions_of_a_participant_count_as_one() -> None:
    pairs = [("a", 1.0), ("a", 3.0), ("b", 5.0)]
    assert mean_by_participant(pairs) == {"a": 2.0, "b": 5.0}


def test_differences_are_of_those_who_have_both() -> None:
    first = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 99.0}
    second = {"a": 2.0, "b": 4.0, "c": 6.0, "e": -99.0}
    found = paired_difference(first, second)
    assert found is not None
    assert (found.participants, found.mean) == (3, 2.0)
    assert paired_difference({"a": 1.0}, {"b": 1.0}) is None


def test_a_curve_is_cut_around_its_event_and_told_as_a_change() -> None:
    times = np.arange(120) / 2
    values = np.where(times >= 30, 13.0, 10.0)
    grid = event_grid(5, 10)
    assert (grid[0], grid[-1]) == (-5, 10)
    cut = cut_around(times, values, 30, grid)
    assert cut is not None
    # Half-way up in the step before it
    assert cut[grid < -0.5] == pytest.approx(-0.075)
    assert cut[grid >= 0] - cut[0] == pytest.approx(3)
    assert cut_around(times, values, 0, grid) is None, "nothing is known before it"


def test_gaps_are_not_filled() -> None:
    times = np.array([0.0, 1, 2, 3, 20, 21])
    cut = cut_around(times, np.ones(6), 2, event_grid(2, 20))
    assert cut is not None
    grid = event_grid(2, 20)
    assert np.isnan(cut[(grid > 1) & (grid < 18)]).all()
    assert np.isfinite(cut[grid <= 0.75]).all()


def test_participants_weigh_the_same_however_many_events_they_had() -> None:
    one, many = np.array([0.0, 4.0]), np.array([0.0, 1.0])
    mean, low, high, count = average_events({"a": [one], "b": [many] * 9})
    assert mean.tolist() == [0, 2.5]
    assert np.isnan(low).all()
    assert np.isnan(high).all()
    assert count == 2
    mean, low, high, _ = average_events({name: [one] for name in "abc"})
    assert (low[1], mean[1], high[1]) == (4, 4, 4)
