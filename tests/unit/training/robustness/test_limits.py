"""Limits read off curves, and those in the program."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affectline.services.detector import cover_detector, doubts
from affectline.training.robustness import curves
from affectline.training.robustness.curves import DamageCurve, Outcome
from affectline.training.robustness.limits import (
    Limit,
    crossing,
    isotonic,
    lost_at,
    read_measured_limit,
    read_own_limit,
    read_turned_limit,
    wider,
)

TABLE = Path(__file__).parents[4] / "docs/robustness/curves.json"


def outcome(
    level: float, share: float, sure: float, measured: float | None, rows: int = 1000
) -> Outcome:
    told = np.empty(0) if measured is None else np.full(rows, measured)
    right = np.arange(rows) < round(share * rows)
    return Outcome(level, right, np.full(rows, sure), abs(share - sure), told)


def curve(*outcomes: Outcome) -> DamageCurve:
    return DamageCurve("name", "Name", "axis", outcomes)


def test_values_that_fall_are_pooled() -> None:
    assert isotonic(np.array([1.0, 3.0, 2.0, 4.0]), np.ones(4)).tolist() == [1, 2.5, 2.5, 4]
    heavy = isotonic(np.array([3.0, 0.0]), np.array([3.0, 1.0]))
    assert heavy.tolist() == [2.25, 2.25]


def test_a_crossing_lies_between_the_last_below_and_the_first_above() -> None:
    places, rising = np.array([0.0, 10.0, 20.0]), np.array([0.2, 0.6, 0.8])
    assert crossing(places, rising, 0.7) == pytest.approx(15)
    assert crossing(places, rising, 0.1) is None
    assert crossing(places, rising, 0.9) == 20


def test_trust_ends_where_a_tenth_of_the_accuracy_is_lost() -> None:
    read = curve(
        outcome(48, 0.7, 0.7, 48), outcome(24, 0.65, 0.65, 24), outcome(20, 0.55, 0.55, 20)
    )
    limit = read_measured_limit(read, 1)
    assert limit.exact == pytest.approx(23.2)  # 0.63 lies four fifths of the way from 20 to 24
    assert (limit.value, limit.cause) == (24, "accuracy")


def test_or_where_the_model_is_too_sure() -> None:
    read = curve(outcome(48, 0.7, 0.7, 48), outcome(24, 0.66, 0.7, 24), outcome(20, 0.64, 0.8, 20))
    limit = read_measured_limit(read, 1)
    assert limit.exact == pytest.approx(22)
    assert limit.cause == "confidence"


def test_a_curve_that_loses_nothing_has_no_limit() -> None:
    read = curve(outcome(48, 0.7, 0.7, 48), outcome(24, 0.69, 0.7, 24))
    assert read_measured_limit(read, 1).value is None
    assert read_turned_limit(read, 1).value is None
    assert lost_at(read) is None


def test_an_angle_is_translated_to_what_the_mesh_reads() -> None:
    read = curve(outcome(0, 0.8, 0.8, 2), outcome(40, 0.76, 0.76, 28), outcome(60, 0.64, 0.64, 34))
    limit = read_turned_limit(read, 1)
    assert limit.exact == pytest.approx(30)  # 0.72 is at 46.7 degrees
    assert limit.value == 30
    lowered = curve(
        outcome(0, 0.8, 0.8, -10), outcome(20, 0.76, 0.76, -20), outcome(40, 0.4, 0.4, -30)
    )
    assert read_turned_limit(lowered, 1).value == -21  # towards zero


def test_heads_that_are_turned_by_themselves_have_a_limit_where_they_lose() -> None:
    angles = np.linspace(0, 60, 2400)
    right = np.random.default_rng(0).random(2400) < np.where(angles < 40, 0.75, 0.5)
    limit = read_own_limit(angles, right, 0.75, 1)
    assert limit.value is not None
    assert 36 <= limit.value <= 44
    assert read_own_limit(np.empty(0), np.empty(0, bool), 0.75, 1).value is None


def test_of_two_limits_the_wider_counts() -> None:
    one, other = Limit(30, 30.5, "accuracy", 0.7), Limit(40, 40.2, "accuracy", 0.7)
    none = Limit(None, None, "none", 0.7)
    assert wider(one, other) is other
    assert wider(one, none) is none


def limits() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(TABLE.read_text())["limits"]
    return found


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("blurred", doubts.BLURRED),
        ("dark", doubts.DARK),
        ("too_small", doubts.TOO_SMALL),
        ("turned_away", doubts.TURNED_YAW),
    ],
)
def test_the_program_uses_the_limits_of_the_table(name: str, constant: float) -> None:
    """After affectline-train robustness, the constants of services/detector/doubts.py follow."""
    value = limits()[name]["value"]
    if value is None:
        pytest.skip(f"the curves end before {name} has a limit, so the constant stays")
    assert constant == value


def test_covered_faces_are_counted_at_the_limit_of_the_detector() -> None:
    assert curves.COVERED == cover_detector.COVERED


def test_pitch_keeps_limits_that_hardly_any_face_exceeds() -> None:
    assert (doubts.LOWERED_PITCH, doubts.LIFTED_PITCH) == (-30, 25)
    table = json.loads(TABLE.read_text())
    for split in table["splits"].values():
        rows = {(entry["from"], entry["to"]): entry["rows"] for entry in split["own_pitch"]}
        total = sum(rows.values())
        assert rows[(-90, -30)] < 0.05 * total
        assert rows[(20, 90)] < 0.05 * total
