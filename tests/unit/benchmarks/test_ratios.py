"""Two programs differ only if their runs differ by more than chance."""

import pytest

from tests.benchmarks.quick import format_comparison
from tests.benchmarks.ratios import SAME, Ratio, compare_pairs, describe_ratio


def test_what_is_slower_in_every_round_is_slower() -> None:
    ratio = compare_pairs([12.0, 12.3, 11.9], [10.0, 10.2, 10.0])
    assert ratio is not None
    assert ratio.differs
    assert ratio.median == pytest.approx(1.2)
    assert 1.1 < ratio.low < ratio.median < ratio.high < 1.3
    assert describe_ratio(ratio).endswith(", 20.0% more")


def test_what_a_slow_round_does_to_both_is_no_difference() -> None:
    ratio = compare_pairs([10.0, 20.0, 10.1], [10.1, 19.8, 10.0])
    assert ratio is not None
    assert not ratio.differs
    assert ratio.high < 1.05  # the pairs say more than the values
    assert SAME in describe_ratio(ratio)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [([10.0, 14.0, 10.0], [10.0, 10.0, 10.0]), ([11.0, 9.0, 11.5], [10.0, 10.0, 10.0])],
)
def test_one_round_of_three_proves_nothing(ours: list[float], theirs: list[float]) -> None:
    ratio = compare_pairs(ours, theirs)
    assert ratio is not None
    assert not ratio.differs


def test_equal_values_are_known_no_better_than_they_are_measured() -> None:
    pairs = [0.70, 0.70, 0.70], [0.65, 0.65, 0.65]
    exact, coarse = compare_pairs(*pairs), compare_pairs(*pairs, grain=0.025)
    assert exact is not None
    assert coarse is not None
    assert exact.differs
    assert not coarse.differs


def test_programs_that_are_alike_by_half_a_percent_are_not_told_apart() -> None:
    ratio = compare_pairs([640.0, 641.0, 640.0], [637.0, 638.0, 637.5])
    assert ratio is not None
    assert not ratio.differs


def test_without_pairs_there_is_no_ratio() -> None:
    assert compare_pairs([1.0], [1.0]) is None
    assert compare_pairs([0.0, 1.0, 1.0], [1.0, 0.0, 1.0]) is None
    assert describe_ratio(None) == "not measured"


def test_less_is_told_as_less() -> None:
    assert describe_ratio(Ratio(0.5, 0.4, 0.6, 3)) == "0.500 (0.400 to 0.600), 50.0% less"


def test_a_comparison_has_a_line_for_each_figure() -> None:
    ours = [{"lossless, frames/s": 200.0 + i, "new process, ms": 1.0} for i in range(3)]
    base = [{"lossless, frames/s": 100.0 + i} for i in range(3)]
    head, rate, new = format_comparison({"ours": ours, "base": base})
    assert head.split()[:2] == ["ours", "base"]
    assert "more" in rate
    assert rate.split()[2:4] == ["201", "101"]
    assert new.endswith("not measured")
