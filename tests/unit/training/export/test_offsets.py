"""Offsets of logits."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")
pytest.importorskip("scipy", reason="export needs SciPy (the training extra)")

from affectline.training.evaluate.metrics import log_loss, softmax
from affectline.training.export.offsets import fit_offsets

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_offsets_that_were_taken_away_are_found_again() -> None:
    random = np.random.default_rng(0)
    right = 2 * random.normal(size=(20_000, 7))
    shares = softmax(right)
    emotions = (shares.cumsum(axis=1) > random.random((len(right), 1))).argmax(axis=1)
    taken = np.array([0.5, -1.0, 0.8, 0.0, 0.3, -0.4, -0.2])
    # At a temperature of 0.5 the logits are half as large, and so are the offsets
    found = fit_offsets((0.5 * (right - taken)).astype(np.float32), emotions)
    assert found == pytest.approx(0.5 * taken, abs=0.05)
    assert found.mean() == pytest.approx(0)


def test_an_emotion_without_faces_is_not_ruled_out() -> None:
    random = np.random.default_rng(0)
    emotions = random.integers(0, 6, 60)
    logits = (random.normal(size=(60, 7)) + 2 * np.eye(7)[emotions]).astype(np.float32)
    found = fit_offsets(logits, emotions)
    assert -6 < found[6] < 0
    assert np.abs(found[:6]).max() < 3
    assert log_loss(logits + found, emotions) < log_loss(logits, emotions)
