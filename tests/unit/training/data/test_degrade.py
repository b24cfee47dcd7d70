"""Damage to training faces."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.data.degrade import BLUR, DARK, DRAWS, degrade

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NEVER = 0.999
"""A draw so high that the damage does not happen at a chance of a half."""


def faces(count: int, size: int = 48) -> NDArray[np.float32]:
    """Smooth random pictures ``(count, size, size, 1)``."""
    rough = np.random.default_rng(0).integers(0, 256, (count, 9, 9)).astype(np.float32)
    made = np.stack([cv2.resize(one, (size, size), interpolation=cv2.INTER_CUBIC) for one in rough])
    return np.asarray(made.clip(0, 255).round()[..., np.newaxis], np.float32)


def damaged(pictures: NDArray[np.float32], chosen: dict[int, float]) -> NDArray[np.float32]:
    """The pictures with the draws in ``chosen``, and no damage by any other."""
    draws = np.full((len(pictures), DRAWS), NEVER, np.float32)
    for place, value in chosen.items():
        draws[:, place] = value
    return np.asarray(degrade(pictures, draws, 0.5))


def test_without_damage_a_face_stays_as_it_is() -> None:
    given = faces(4)
    assert np.array_equal(damaged(given, {}), given)
    draws = np.random.default_rng(1).uniform(-1, 1, (4, DRAWS)).astype(np.float32)
    assert np.array_equal(np.asarray(degrade(given, draws, 0.0)), given)


@pytest.mark.parametrize(("size", "draw"), [(48, 1.0), (48, 0.0), (40, 1.0)])
def test_blur_is_gaussian(size: int, draw: float) -> None:
    given = faces(3, size)
    found = damaged(given, {0: -1.0, 1: draw})
    spread = BLUR * size / 48 * (draw + 1) / 2
    inner = slice(8, -8)
    for before, after in zip(given, found, strict=True):
        expected = cv2.GaussianBlur(before[..., 0], (0, 0), spread)
        assert after[inner, inner, 0] == pytest.approx(expected[inner, inner], abs=1.5)


def test_low_light_is_dark_and_noisy() -> None:
    given = faces(3)
    plain = damaged(given, {2: -1.0, 3: 1.0, 4: -1.0})
    assert plain == pytest.approx(given / 2**DARK, abs=1e-3)
    noisy = damaged(given + 40, {2: -1.0, 3: -1.0, 4: 1.0, 5: 0.3})
    difference = (noisy - given - 40)[(given > 30) & (given < 180)]
    assert difference.std() == pytest.approx(8.0, rel=0.1)
    assert abs(difference.mean()) < 0.5


@pytest.mark.parametrize(("draw", "quality"), [(-1.0, 15), (1.0, 75)])
@pytest.mark.parametrize("size", [48, 44])
def test_compression_loses_what_jpeg_loses(size: int, draw: float, quality: int) -> None:
    given = faces(3, size)
    found = damaged(given, {6: -1.0, 7: draw})
    for before, after in zip(given, found, strict=True):
        _, file = cv2.imencode(".jpg", before.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
        expected: Any = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)
        whole = slice(0, size // 8 * 8)  # beyond, both continue the picture in their own way
        error = np.abs(after[whole, whole, 0] - expected[whole, whole])
        assert error.mean() < 1.0
        assert np.abs(before - after).mean() > 2 * error.mean()


def test_the_same_draws_give_the_same_faces_however_the_batch_is_divided() -> None:
    given = faces(8)
    draws = np.random.default_rng(1).uniform(-1, 1, (8, DRAWS)).astype(np.float32)
    together = np.asarray(degrade(given, draws, 0.5))
    alone = [np.asarray(degrade(given[i : i + 1], draws[i : i + 1], 0.5)) for i in range(8)]
    assert together == pytest.approx(np.concatenate(alone), abs=0.01)
    assert together.min() >= 0
    assert together.max() <= 255
    changed = np.abs(together - given).max(axis=(1, 2, 3)) > 1
    assert 0 < changed.sum() <= 8
