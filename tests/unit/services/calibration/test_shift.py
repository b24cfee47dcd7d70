"""The fit of a shift: where its minimum is, and when it is said to help."""

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.model.answer import Answer
from affectline.services.calibration.shift import (
    GAP_S,
    FaceBlock,
    HeldOutFigures,
    cross_validate,
    fit_shift,
    split_unseen,
    typical_results,
)

NEUTRAL, HAPPY = LABELS.index("neutral"), LABELS.index("happy")
TYPICAL = typical_results("labels")


def faces(label: int, bias: NDArray[np.float64], count: int = 40, begin_s: float = 0) -> FaceBlock:
    """Faces that a model judges as typical ones with this label, but for a bias."""
    noise = np.random.default_rng(label).normal(0, 0.3, (count, len(LABELS)))
    logs = np.log(TYPICAL[label]) + noise + bias
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    return FaceBlock(label, logs, begin_s + np.arange(count) / 10)


def bias(**by_label: float) -> NDArray[np.float64]:
    return np.array([by_label.get(label, 0.0) for label in LABELS])


def mean(block: FaceBlock, shift: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.exp(block.log_probabilities + shift)
    return np.asarray((values / values.sum(axis=1, keepdims=True)).mean(axis=0))


@pytest.mark.parametrize("answer", get_args(Answer))
def test_typical_results_are_distributions_whose_largest_is_the_label(answer: Answer) -> None:
    typical = typical_results(answer)
    assert typical.sum(axis=1) == pytest.approx(1)
    assert list(typical.argmax(axis=1)) == list(range(7))


def test_at_the_minimum_the_gradient_is_zero() -> None:
    blocks = [faces(NEUTRAL, bias(sad=1.5)), faces(HAPPY, bias(sad=1.5, neutral=1))]
    for strength in (0.25, 2.0, 50.0):
        shift = fit_shift(blocks, TYPICAL, strength)
        gradient = strength * shift
        for block in blocks:
            gradient = gradient + mean(block, shift) - TYPICAL[block.label]
        assert np.abs(gradient).max() < 1e-6
        assert shift.sum() == pytest.approx(0, abs=1e-6)


def test_a_typical_person_gets_hardly_any_shift() -> None:
    assert np.abs(fit_shift([faces(NEUTRAL, bias(), 2000)], TYPICAL)).max() < 0.02


def test_a_resting_face_that_looks_sad_is_shifted_away_from_it() -> None:
    block = faces(NEUTRAL, bias(sad=2.0))
    shift = fit_shift([block], TYPICAL)
    assert LABELS[int(shift.argmin())] == "sad"
    assert LABELS[int(shift.argmax())] == "neutral"
    before, after = mean(block, 0 * shift), mean(block, shift)
    assert before[NEUTRAL] < after[NEUTRAL] < TYPICAL[NEUTRAL, NEUTRAL]


def test_more_strength_shrinks_the_shift_and_little_recovers_the_bias() -> None:
    block = faces(NEUTRAL, bias(sad=2.0), 500)
    sizes = [float(np.linalg.norm(fit_shift([block], TYPICAL, s))) for s in (0.01, 0.5, 2, 8, 999)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.001
    found = fit_shift([block], TYPICAL, 1e-4)
    sad, happy = LABELS.index("sad"), HAPPY
    assert found[happy] - found[sad] == pytest.approx(2.0, abs=0.15)


def test_a_shift_stays_within_its_limits() -> None:
    wild = FaceBlock(NEUTRAL, np.full((3, 7), -14.5), np.zeros(3))
    wild.log_probabilities[:, 0] = 0
    assert np.abs(fit_shift([wild] * 3, TYPICAL, 0.001)).max() <= 4


def test_a_bias_of_a_person_is_found_to_help_on_blocks_left_out() -> None:
    blocks = [faces(NEUTRAL, bias(sad=2.0), begin_s=10 * i) for i in range(4)]
    found = cross_validate(blocks, TYPICAL)
    assert found.helps
    assert found.labels == (NEUTRAL,)
    assert (found.calibrated_accuracy >= found.accuracy).all()


def test_a_face_that_is_clearer_than_a_typical_one_is_left_alone() -> None:
    clear = [faces(NEUTRAL, bias(neutral=3.0), begin_s=10 * i) for i in range(4)]
    assert not cross_validate(clear, TYPICAL).helps


def test_a_shift_that_spoils_one_expression_does_not_help() -> None:
    def figures(*after: float) -> HeldOutFigures:
        before = np.array([1.0, 2.0])
        return HeldOutFigures((3, 6), before, np.array(after), before, before)

    assert figures(0.9, 1.9).helps
    assert not figures(1.2, 1.5).helps
    assert not figures(1.0, 1.999).helps


def test_neighbours_of_a_block_are_left_out_with_it() -> None:
    def blocks(apart_s: float) -> list[FaceBlock]:
        first = faces(NEUTRAL, bias(sad=2.0))._replace(times_s=np.zeros(40))
        return [first, first._replace(times_s=first.times_s + apart_s)]

    near, far = (cross_validate(blocks(GAP_S * factor), TYPICAL) for factor in (0.9, 1.1))
    assert near.calibrated_log_loss == near.log_loss, "nothing was left to fit to"
    assert far.calibrated_log_loss < far.log_loss


def test_an_expression_that_is_hardly_seen_is_left_out_but_neutral_stays() -> None:
    hidden = faces(HAPPY, bias(happy=-6.0))
    resting = faces(NEUTRAL, bias(neutral=-6.0))
    kept, unseen = split_unseen([hidden, resting])
    assert unseen == [HAPPY]
    assert [block.label for block in kept] == [NEUTRAL]
