"""Stretches of time with a label: held for a while, cut at the window, weighted."""

import pytest

from affectline.services.fusion.stretches import HOLD_S, RecentStretches, seconds_by_label


def test_a_label_holds_until_the_next_one_but_not_for_long() -> None:
    window = RecentStretches("unknown")
    window.set("a", 0.0)
    window.set("a", 0.5)
    window.set("b", 1.0)
    window.set("a", 5.0)
    found = [(s.label, s.start_s, s.end_s) for s in window.stretches(5.5)]
    assert found == [
        ("a", 0.0, 1.0), ("b", 1.0, 1.0 + HOLD_S), ("unknown", 1.0 + HOLD_S, 5.0), ("a", 5.0, 5.5),
    ]  # fmt: skip


def test_the_newest_label_is_there_at_once() -> None:
    window = RecentStretches("unknown")
    assert window.stretches(0.0) == []
    window.set("a", 0.0)
    window.set("b", 1.0)
    assert window.stretches(1.0)[-1].label == "b"


def test_only_the_last_minute_counts_but_stretches_are_whole() -> None:
    window = RecentStretches("unknown")
    for i in range(1000):
        window.set("a" if i < 500 else "b", i / 10)
    (a, b) = window.stretches(100.0)
    assert (a.start_s, a.end_s, b.end_s) == (0.0, 50.0, 100.0)
    assert seconds_by_label([a, b], 100.0) == pytest.approx({"a": 10.0, "b": 50.0})
    assert len(window.stretches(115.0)) == 2, "b, and what is unknown since"
    assert [s.label for s in window.stretches(500.0)] == ["unknown"]


def test_asking_changes_nothing() -> None:
    window = RecentStretches("unknown")
    window.set("a", 0.0)
    window.set("a", 0.5)
    before = window.stretches(0.7)
    window.stretches(50.0)
    assert window.stretches(0.7) == before
    window.set("a", 0.9)
    assert [s.label for s in window.stretches(1.0)] == ["a"]


def test_weights_are_seconds() -> None:
    window = RecentStretches("unknown")
    window.set("away", 0.0, weight=0.25)
    window.set("away", 0.5, weight=0.75)
    (away,) = window.stretches(1.0)
    assert away.weighted_s == pytest.approx(0.5)
    assert away.weighted_within(0.5) == pytest.approx(0.25)


def test_times_that_do_not_rise_are_ignored() -> None:
    window = RecentStretches("unknown")
    window.set("a", 2.0)
    window.set("b", 1.0)
    window.set("b", 2.0)
    assert [s.label for s in window.stretches(2.5)] == ["a"]
