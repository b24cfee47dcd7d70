"""Random changes to training faces."""

from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.data.augment import DRAWS, augment  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard"),
]
CENTRE = np.zeros((1, DRAWS), np.float32)
CENTRE[0, 2] = 1.0  # not mirrored
CENTRE[0, 8] = -1 / 3  # neither blurred nor sharpened
CENTRE[0, 13] = 1.0  # nothing hidden


def faces(count: int, size: int = 48) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 1)).astype(np.float32)


def test_without_chance_a_face_stays_as_it_is() -> None:
    face = faces(1)
    assert np.asarray(augment(face, CENTRE, 48)) == pytest.approx(face, abs=0.01)
    assert np.asarray(augment(face, CENTRE, 40)) == pytest.approx(face[:, 4:44, 4:44], abs=0.01)


def test_mirroring_is_exact() -> None:
    mirrored = CENTRE.copy()
    mirrored[0, 2] = -1.0
    face = faces(1)
    assert np.asarray(augment(face, mirrored, 48)) == pytest.approx(face[:, :, ::-1], abs=0.01)


def test_a_face_s_chances_are_its_own() -> None:
    draws = np.random.default_rng(1).uniform(-1, 1, (8, DRAWS)).astype(np.float32)
    together = np.asarray(augment(faces(8), draws, 40))
    apart = np.concatenate([
        np.asarray(augment(faces(8)[i : i + 1], draws[i : i + 1], 40)) for i in range(8)
    ])  # fmt: skip
    assert together == pytest.approx(apart, abs=0.01)
    assert together.shape == (8, 40, 40, 1)
    assert together.min() >= 0
    assert together.max() <= 255
    assert np.abs(together - faces(8)[:, 4:44, 4:44]).mean() > 5


def test_changes_of_no_strength_only_mirror() -> None:
    given = faces(8)
    draws = np.random.default_rng(1).uniform(-1, 1, (8, DRAWS)).astype(np.float32)
    made = augment(given, draws, 48, 0.0).numpy()
    for face, changed, draw in zip(given, made, draws, strict=True):
        assert changed == pytest.approx(face if draw[2] > 0 else face[:, ::-1], abs=1e-2)
    half, whole = (augment(given, draws, 48, strength).numpy() for strength in (0.1, 1.0))
    assert np.abs(half - made).mean() < np.abs(whole - made).mean()
