"""Coefficients, contributions, baselines and the circumplex."""

import math

import pytest

from affectline.common.circumplex import map_to_circumplex
from affectline.common.labels import LABELS
from affectline.services.fusion.baseline import Baseline, BaselinePrior, TimeSmoother
from affectline.services.fusion.stress_model import (
    Evidence,
    estimate_stress,
    format_model,
    load_default_model,
    parse_model,
)

MODEL = load_default_model()


def test_contributions_sum_to_the_difference_from_baseline() -> None:
    evidence = {"heart": Evidence(1.5), "skin": Evidence(3.0, 0.5), "face": Evidence(-1.0)}
    calm = {name: Evidence(0.0, found.reliability) for name, found in evidence.items()}
    now, rest = (
        estimate_stress(MODEL, evidence, 0.5),
        estimate_stress(MODEL, calm, 0.5),
    )
    assert sum(now.contributions.values()) == pytest.approx(now.nervousness - rest.nervousness)
    assert now.contributions["heart"] > 0 > now.contributions["face"]
    assert rest.contributions == {"heart": 0, "skin": 0, "face": 0}


def test_nervousness_rises_with_deviation() -> None:
    for name in ("heart", "skin"):
        scores = [estimate_stress(MODEL, {name: Evidence(d)}).nervousness for d in (-1, 0, 1, 3, 5)]
        assert scores == sorted(set(scores))
    assert estimate_stress(MODEL, {"skin": Evidence(5)}) == estimate_stress(
        MODEL, {"skin": Evidence(1e9)}
    )


def test_an_unreliable_signal_counts_as_missing() -> None:
    one = estimate_stress(MODEL, {"heart": Evidence(1.0)})
    other = estimate_stress(MODEL, {"heart": Evidence(1.0), "skin": Evidence(5.0, 0.0)})
    assert one.nervousness == pytest.approx(other.nervousness)
    assert other.contributions["skin"] == 0


def test_coefficients_survive_a_round_trip() -> None:
    text = format_model(MODEL, "test")
    assert format_model(parse_model(text), "test") == text
    assert sum(term.importance for term in MODEL.terms.values()) == pytest.approx(1, abs=0.001)


def test_the_spread_moves_from_prior_to_person() -> None:
    rest = Baseline(BaselinePrior(spread=0.3, seconds=60))
    assert rest.spread == pytest.approx(0.3)
    for i in range(3000):
        rest.add(1.0 + 0.1 * (-1) ** i)
    assert rest.spread == pytest.approx(0.1, abs=0.01)
    assert rest.mean == pytest.approx(1.0, abs=0.001)
    assert rest.maturity == 1


def test_a_calibrated_baseline_is_trusted_sooner() -> None:
    rest = Baseline(BaselinePrior(spread=0.3, seconds=60))
    for _ in range(60):
        rest.add(1.0)
    assert rest.maturity == pytest.approx(0.5), "it may have been anything"
    rest.freeze()
    assert rest.maturity == 1, "it was rest"


def test_the_low_creeps_after_an_odd_minute() -> None:
    rest = Baseline(BaselinePrior(0.3, 60))
    for _ in range(60):
        rest.add(0.0)
    for _ in range(7200):
        rest.add(1.0)
    low = rest.low
    assert low is not None
    assert low == pytest.approx(1 - math.exp(-2), abs=0.02)


def test_a_frozen_mean_stays_and_the_low_adapts() -> None:
    rest = Baseline(BaselinePrior(0.3, 60))
    for _ in range(60):
        rest.add(1.0)
    rest.freeze()
    for _ in range(600):
        rest.add(3.0)
    assert rest.mean == pytest.approx(1)
    assert rest.seconds == 60
    low = rest.low
    assert low is not None
    assert 1.2 < low < 1.4
    for _ in range(60):
        rest.add(0.5)
    assert rest.low == pytest.approx(0.5, abs=0.02)
    assert rest.mean == pytest.approx(1)
    empty = Baseline(BaselinePrior(0.3, 60))
    empty.freeze()
    empty.add(1.0)
    assert empty.seconds == 1


def test_the_first_value_does_not_stick() -> None:
    smoother = TimeSmoother(10.0)
    smoother.add(100.0)
    for _ in range(9):
        last = smoother.add(0.0)
    assert last < 7


def test_faces_lie_on_the_circumplex() -> None:
    def position(label: str) -> tuple[float, float]:
        found = map_to_circumplex([float(name == label) for name in LABELS])
        return found.valence, found.arousal

    assert position("neutral") == (0, 0)
    assert position("happy")[0] > 0.5 > 0 > position("sad")[0]
    assert position("fear")[1] > 0.5 > 0 > position("sad")[1]
    fear = map_to_circumplex([0, 0, 1, 0, 0, 0, 0])
    assert fear.tension == pytest.approx(math.hypot(0.64, 0.60))
    assert map_to_circumplex([0, 0, 0, 1, 0, 0, 0]).tension < 0
