import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import evaluate

LOGITS = np.array([[4.0, 0, 0, 0, 0, 0, 0], [0, 4.0, 0, 0, 0, 0, 0]])


def test_softmax_sums_to_one_even_for_huge_logits() -> None:
    probabilities = evaluate.softmax(np.array([[1000.0, 0.0, -1000.0]]))
    assert probabilities.tolist() == [[1.0, 0.0, 0.0]]


@given(st.floats(0.1, 50), st.lists(st.floats(-100, 100), min_size=7, max_size=7))
def test_temperature_keeps_the_order(temperature: float, row: list[float]) -> None:
    logits = np.array([row])
    probabilities = evaluate.softmax(logits, temperature)
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[0, logits.argmax()] == probabilities.max()


def test_accuracy_counts_highest_scores() -> None:
    assert evaluate.accuracy(LOGITS, np.array([0, 0])) == 0.5


def test_log_loss_of_even_scores_is_log_of_seven() -> None:
    assert evaluate.log_loss(np.zeros((3, 7)), np.array([0, 1, 2])) == pytest.approx(math.log(7))


def test_log_loss_agrees_with_softmax() -> None:
    expected = -np.log(evaluate.softmax(LOGITS, 2.5)[[0, 1], [0, 3]]).mean()
    assert evaluate.log_loss(LOGITS, np.array([0, 3]), 2.5) == pytest.approx(expected)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    probabilities = np.full((10, 7), 0.1 / 6)
    probabilities[:, 2] = 0.9
    emotions = np.array([2] * 6 + [3] * 4)
    assert evaluate.calibration_error(probabilities, emotions) == pytest.approx(0.3)


def test_certain_and_right_is_calibrated() -> None:
    assert evaluate.calibration_error(np.eye(7), np.arange(7)) == 0


@pytest.mark.parametrize("wanted", [0.5, 1.0, 3.0, 20.0])
def test_fit_temperature_finds_the_one_that_scaled_the_logits(wanted: float) -> None:
    chance = np.random.default_rng(0)
    honest = chance.normal(scale=2, size=(20000, 7))
    cumulated = evaluate.softmax(honest).cumsum(axis=1)
    emotions = (cumulated < chance.random((20000, 1))).sum(axis=1).clip(max=6)
    assert evaluate.fit_temperature(honest * wanted, emotions) == pytest.approx(wanted, rel=0.05)


def test_report_leaves_out_what_cannot_be_known() -> None:
    report = evaluate.report(evaluate.softmax(LOGITS), np.array([0, 0]))
    assert report["confusion"][0] == [1, 1, 0, 0, 0, 0, 0]
    assert report["emotions"]["angry"] == {"recall": 0.5, "precision": 1.0}
    assert report["emotions"]["disgust"] == {"recall": None, "precision": 0.0}
    assert report["emotions"]["happy"] == {"recall": None, "precision": None}
