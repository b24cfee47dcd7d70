"""Figures against numbers that were worked out by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from affectline.training.evaluate import metrics

LOGITS = np.array([[4.0, 0, 0, 0, 0, 0, 0], [0, 4.0, 0, 0, 0, 0, 0]])


def answers(given: list[int], confidence: float = 0.7) -> NDArray[np.float64]:
    """Probabilities ``(N, 7)`` of these answers, all equally sure."""
    shares = np.full((len(given), 7), (1 - confidence) / 6)
    shares[np.arange(len(given)), given] = confidence
    return shares


def test_softmax_sums_to_one_even_for_huge_logits() -> None:
    probabilities = metrics.softmax(np.array([[1000.0, 0.0, -1000.0]]))
    assert probabilities.tolist() == [[1.0, 0.0, 0.0]]


@settings(deadline=None)
@given(st.floats(0.1, 50), st.lists(st.floats(-100, 100), min_size=7, max_size=7))
def test_temperature_keeps_the_order(temperature: float, row: list[float]) -> None:
    logits = np.array([row])
    probabilities = metrics.softmax(logits, temperature)
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[0, logits.argmax()] == probabilities.max()


def test_accuracy_counts_highest_scores() -> None:
    assert metrics.accuracy(LOGITS, np.array([0, 0])) == 0.5


def test_log_loss_of_even_scores_is_log_of_seven() -> None:
    assert metrics.log_loss(np.zeros((3, 7)), np.array([0, 1, 2])) == pytest.approx(math.log(7))


def test_log_loss_agrees_with_softmax() -> None:
    expected = -np.log(metrics.softmax(LOGITS, 2.5)[[0, 1], [0, 3]]).mean()
    assert metrics.log_loss(LOGITS, np.array([0, 3]), 2.5) == pytest.approx(expected)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    emotions = np.array([2] * 6 + [3] * 4)
    assert metrics.calibration_error(answers([2] * 10, 0.9), emotions) == pytest.approx(0.3)


def test_calibration_error_weighs_bins_by_their_rows() -> None:
    # 6 rows say 0.9 and are all right, 2 rows say 0.5 and are all wrong: 6/8 * 0.1 + 2/8 * 0.5.
    shares = np.concatenate([answers([1] * 6, 0.9), answers([1] * 2, 0.5)])
    emotions = np.array([1] * 6 + [4] * 2)
    assert metrics.calibration_error(shares, emotions) == pytest.approx(0.2)


def test_certain_and_right_is_calibrated() -> None:
    assert metrics.calibration_error(np.eye(7), np.arange(7)) == 0


@pytest.mark.parametrize("wanted", [0.5, 1.0, 3.0, 20.0])
def test_fit_temperature_finds_the_one_that_scaled_the_logits(wanted: float) -> None:
    chance = np.random.default_rng(0)
    honest = chance.normal(scale=2, size=(20000, 7))
    cumulated = metrics.softmax(honest).cumsum(axis=1)
    emotions = (cumulated < chance.random((20000, 1))).sum(axis=1).clip(max=6)
    assert metrics.fit_temperature(honest * wanted, emotions) == pytest.approx(wanted, rel=0.05)


def test_a_dozen_rows_that_are_all_right_do_not_make_every_answer_certain() -> None:
    logits = 3 * np.eye(7)[np.arange(12) % 7]
    few = metrics.fit_temperature(logits, logits.argmax(axis=1))
    assert 0.4 < few < 0.8
    # The more rows are right, the surer the answers may be
    many = np.tile(logits, (100, 1))
    assert metrics.fit_temperature(many, many.argmax(axis=1)) < 0.6 * few
    wrong = metrics.fit_temperature(logits, 6 - logits.argmax(axis=1))
    assert 1.3 < wrong < 3
    assert metrics.fit_temperature(logits[:0], np.empty(0, np.int64)) == 1


def test_thousands_of_rows_outweigh_the_prior_of_the_temperature() -> None:
    chance = np.random.default_rng(2)
    logits = chance.normal(scale=2, size=(3589, 7))
    emotions = (logits + chance.gumbel(size=logits.shape)).argmax(axis=1)
    fitted = metrics.fit_temperature(logits, emotions)
    near = np.arange(fitted - 0.05, fitted + 0.05, 0.0005)
    likeliest = min(near.tolist(), key=lambda each: metrics.log_loss(logits, emotions, each))
    assert fitted == pytest.approx(likeliest, abs=0.001)


@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"),
    [
        # By hand from (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n).
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_s_interval_is_the_published_one(
    hits: int, rows: int, low: float, high: float
) -> None:
    assert metrics.wilson(hits, rows) == pytest.approx((low, high), abs=5e-5)


def test_precision_recall_and_f1_are_those_of_the_textbook() -> None:
    # angry: 3 faces, 2 found, 1 other face called angry; happy: 2 faces, 1 found.
    figures = metrics.report(answers([0, 0, 3, 3, 0]), np.array([0, 0, 0, 3, 3]))
    assert figures["emotions"]["angry"] == pytest.approx(
        {"rows": 3, "given": 3, "recall": 2 / 3, "precision": 2 / 3, "f1": 2 / 3}
    )
    assert figures["emotions"]["happy"] == pytest.approx(
        {"rows": 2, "given": 2, "recall": 1 / 2, "precision": 1 / 2, "f1": 1 / 2}
    )
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert figures["accuracy"] == 3 / 5
    assert figures["majority"] == 3 / 5
    assert figures["accuracy_interval"] == list(metrics.wilson(3, 5))


def test_what_cannot_be_known_is_left_out() -> None:
    figures = metrics.report(answers([0, 1]), np.array([0, 0]))
    assert figures["confusion"][0] == [1, 1, 0, 0, 0, 0, 0]
    emotions = figures["emotions"]
    assert emotions["disgust"] == {
        "rows": 0,
        "given": 1,
        "recall": None,
        "precision": 0.0,
        "f1": None,
    }
    assert emotions["happy"]["precision"] is None
    # The only emotion there is angry: 2 · 1 hit / (2 faces + 1 time given).
    assert figures["macro_f1"] == pytest.approx(2 / 3)


def test_an_emotion_that_occurs_and_is_never_given_counts_as_zero() -> None:
    figures = metrics.report(answers([0, 0]), np.array([0, 5]))
    assert figures["emotions"]["surprise"]["f1"] == 0
    assert figures["emotions"]["surprise"]["precision"] is None
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert figures["balanced_accuracy"] == pytest.approx(0.5)


def test_log_loss_of_the_report_is_that_of_the_probabilities() -> None:
    figures = metrics.report(answers([0, 0], 0.4), np.array([0, 1]))
    assert figures["log_loss"] == pytest.approx(-(math.log(0.4) + math.log(0.1)) / 2)


def test_a_probability_of_zero_for_the_right_answer_is_a_finite_loss() -> None:
    figures = metrics.report(np.eye(7)[[0]], np.array([1]))
    assert figures["log_loss"] == pytest.approx(-math.log(1e-9), rel=1e-6)


def test_reliability_bins_hold_every_row_once_and_give_the_calibration_error() -> None:
    chance = np.random.default_rng(1)
    shares = metrics.softmax(chance.normal(scale=2, size=(500, 7)))
    emotions = chance.integers(0, 7, 500)
    bins = metrics.reliability(shares, emotions)
    assert len(bins) == metrics.BINS
    assert sum(entry["rows"] for entry in bins) == 500
    gaps = (e["rows"] * abs(e["accuracy"] - e["confidence"]) for e in bins if e["rows"])
    assert sum(gaps) / 500 == pytest.approx(metrics.calibration_error(shares, emotions))


def test_full_confidence_falls_into_the_last_bin_and_empty_bins_say_none() -> None:
    bins = metrics.reliability(np.eye(7), np.arange(7))
    assert bins[-1]["rows"] == 7
    assert bins[-1]["accuracy"] == bins[-1]["confidence"] == bins[-1]["to"] == 1
    assert bins[0] == {
        "from": 0,
        "to": 1 / 15,
        "rows": 0,
        "confidence": None,
        "accuracy": None,
        "interval": None,
    }


def test_coverage_puts_aside_what_is_unsure() -> None:
    shares = np.concatenate([answers([1] * 6, 0.95), answers([1] * 2, 0.45)])
    found = metrics.coverage(shares, np.array([1] * 6 + [4] * 2))
    by_confidence = {entry["confidence"]: entry for entry in found}
    assert by_confidence[0.0]["share"] == 1
    assert by_confidence[0.0]["accuracy"] == 6 / 8
    assert by_confidence[0.5]["share"] == 6 / 8
    assert by_confidence[0.9]["accuracy"] == 1
    assert by_confidence[0.9]["interval"] == list(metrics.wilson(6, 6))


def test_against_leaves_out_rows_without_an_answer_to_compare_with() -> None:
    found = metrics.accuracy_with_interval(answers([0, 1, 2]), np.array([0, -1, 3]))
    assert (found["rows"], found["accuracy"]) == (2, 0.5)
    assert metrics.accuracy_with_interval(answers([0]), np.array([-1]))["accuracy"] is None


@settings(deadline=None)  # a busy machine is no mistake
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40))
def test_any_report_is_valid_json_with_shares_between_0_and_1(pairs: list[tuple[int, int]]) -> None:
    given_ones, emotions = (list(column) for column in zip(*pairs, strict=True))
    figures = metrics.report(answers(given_ones), np.array(emotions))
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    low, high = figures["accuracy_interval"]
    assert 0 <= low <= figures["accuracy"] <= high <= 1
    assert 0 <= figures["macro_f1"] <= 1
    assert sum(entry["rows"] for entry in figures["emotions"].values()) == len(pairs)
