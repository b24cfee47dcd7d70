import numpy as np
import pytest

from affectline.common.labels import LABELS
from affectline.training.fit.label_smoothing import estimate_label_shares, temper_labels

HAPPY, SAD, NEUTRAL = (LABELS.index(name) for name in ("happy", "sad", "neutral"))


def crowd() -> tuple[np.ndarray, np.ndarray]:
    """Faces that most people find sad are labelled neutral in a third of the cases."""
    votes = np.zeros((300, len(LABELS)), np.float32)
    votes[:150, HAPPY] = 1
    votes[150:, SAD], votes[150:, NEUTRAL] = 0.7, 0.3
    emotions = np.full(300, HAPPY)
    emotions[150:] = np.where(np.arange(150) % 3, SAD, NEUTRAL)
    return emotions, votes


def test_the_usual_label_is_told_from_the_other_faces() -> None:
    usual = estimate_label_shares(*crowd())
    assert usual.sum(axis=1) == pytest.approx(1)
    assert usual[0, HAPPY] > 0.95
    assert usual[200, SAD] == pytest.approx(2 / 3, abs=0.03)
    assert usual[200, NEUTRAL] == pytest.approx(1 / 3, abs=0.03)


def test_a_target_lies_between_label_and_votes() -> None:
    emotions, votes = crowd()
    targets = temper_labels(emotions, votes, smoothing=0.0, trust=0.5)
    assert targets.sum(axis=1) == pytest.approx(1, abs=1e-5)
    odd = 150  # labelled neutral, seen as sad
    assert targets[odd, NEUTRAL] == pytest.approx(0.5 + 0.5 / 3, abs=0.03)
    assert targets[odd, SAD] == pytest.approx(0.5 * 2 / 3, abs=0.03)


def test_without_votes_a_label_is_only_smoothed() -> None:
    emotions, votes = crowd()
    votes[0] = 0
    targets = temper_labels(emotions, votes, smoothing=0.07, trust=0.5)
    assert targets[0, HAPPY] == pytest.approx(0.94)
    assert targets[0, SAD] == pytest.approx(0.01)
    alone = temper_labels(emotions, np.zeros_like(votes), smoothing=0.0, trust=0.5)
    assert np.array_equal(alone.argmax(axis=1), emotions)
    assert alone.max(axis=1) == pytest.approx(1)
