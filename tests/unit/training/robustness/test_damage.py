"""Damage to faces in known amounts."""

import numpy as np
import pytest

from affectline.common.vision.crops import measure_quality
from affectline.training.robustness import damage


def faces(count: int = 6) -> damage.Faces:
    """Smooth patterns with fine detail."""
    random = np.random.default_rng(1)
    return random.integers(40, 216, (count, 48, 48), dtype=np.uint8)


def sharpness(pictures: damage.Faces) -> float:
    return float(np.mean([measure_quality(picture).blur for picture in pictures]))


def brightness(pictures: damage.Faces) -> float:
    return float(np.mean([measure_quality(picture).brightness for picture in pictures]))


def test_no_damage_changes_nothing() -> None:
    whole, random = faces(), np.random.default_rng(0)
    assert np.array_equal(damage.blur(whole, 0), whole)
    assert np.array_equal(damage.shrink(whole, 48), whole)
    assert np.array_equal(damage.darken(whole, 1, random), whole)
    assert np.array_equal(damage.roll(whole, 0), whole)
    assert np.array_equal(damage.cover(whole, 0, random), whole)


@pytest.mark.parametrize("kind", ["blur", "shrink", "compress"])
def test_more_damage_leaves_less_detail(kind: str) -> None:
    whole = faces()
    levels = {
        "blur": [damage.blur(whole, spread) for spread in (0, 0.8, 2.0)],
        "shrink": [damage.shrink(whole, side) for side in (48, 24, 12)],
        "compress": [damage.compress(whole, quality) for quality in (75, 20, 5)],
    }[kind]
    found = [sharpness(level) for level in levels]
    assert found == sorted(found, reverse=True)
    assert all(level.shape == whole.shape and level.dtype == np.uint8 for level in levels)


def test_light_is_taken_away_and_noise_added_the_same_way_each_time() -> None:
    whole = faces()
    dark = damage.darken(whole, 0.25, np.random.default_rng(3))
    assert brightness(dark) == pytest.approx(0.25 * brightness(whole), abs=0.005)
    assert np.array_equal(dark, damage.darken(whole, 0.25, np.random.default_rng(3)))
    black = np.full((4, 48, 48), 80, np.uint8)
    noisy = damage.darken(black, 0.5, np.random.default_rng(0)).astype(float)
    assert noisy.std() == pytest.approx(damage.NOISE, rel=0.1)


def test_faces_are_rolled_to_both_sides_in_turn() -> None:
    picture = np.zeros((2, 48, 48), np.uint8)
    picture[:, 22:26, 40:] = 255  # to the right of the middle
    rolled = damage.roll(picture, 45)
    rows = [np.nonzero(face > 128)[0].mean() for face in rolled]
    assert rows[0] < 20  # counter-clockwise: upwards
    assert rows[1] > 28


@pytest.mark.parametrize("share", [0.1, 0.2, 0.35])
def test_a_hand_hides_about_the_share_asked_for(share: float) -> None:
    whole = np.full((20, 48, 48), 200, np.uint8)
    whole[:, ::2] = 90
    covered = damage.cover(whole, share, np.random.default_rng(0))
    changed = (np.abs(covered.astype(int) - whole) > 3).mean()
    assert changed == pytest.approx(share, abs=0.08)
