from typing import NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from affectline.common.vision.crops import crop_face, crop_square, measure_quality


class Located(NamedTuple):
    box: tuple[int, int, int, int]
    angle: float = 0.0


def marked(height: int = 120, width: int = 160) -> NDArray[np.uint8]:
    """A smooth picture, so that one can tell where a part of it comes from."""
    rows, columns = np.mgrid[:height, :width]
    return np.asarray(rows + columns / 2, np.uint8)


def test_without_margin_an_upright_crop_is_the_box() -> None:
    picture = marked()
    face = crop_face(picture, Located((30, 20, 40, 40)), margin=0)
    assert np.array_equal(face, picture[20:60, 30:70])


def test_the_margin_is_added_on_each_side() -> None:
    picture = marked()
    face = crop_face(picture, Located((30, 20, 40, 40)), margin=0.25)
    assert np.array_equal(face, picture[10:70, 20:80])


@pytest.mark.parametrize("angle", [-30.0, -12.5, 20.0, 40.0])
def test_a_rolled_head_is_turned_upright(angle: float) -> None:
    """A bar that stands upright in the head, and leans left on the screen for a positive angle."""
    picture = np.zeros((200, 200), np.uint8)
    cv2.rectangle(picture, (95, 40), (105, 100), 255, -1)
    turn = cv2.getRotationMatrix2D((100, 100), angle, 1)  # positive: counter-clockwise
    rolled = np.asarray(cv2.warpAffine(picture, turn, (200, 200)), np.uint8)
    face = crop_face(rolled, Located((50, 50, 100, 100), angle), margin=0)
    middle, below = face[:40, 46:55].mean(), face[60:].mean()
    assert middle > 230
    assert below < 10


def test_what_lies_outside_repeats_the_border() -> None:
    picture = np.full((50, 50), 200, np.uint8)
    face = crop_face(picture, Located((-20, -20, 40, 40), 15), margin=0.5)
    assert face.shape == (80, 80)
    assert (face == 200).all()


def test_a_large_face_is_averaged_and_not_sampled() -> None:
    checks = np.indices((600, 600)).sum(axis=0) % 2 * np.uint8(255)
    small = crop_square(checks.astype(np.uint8), (300, 300), 480, 0, 48)
    assert np.abs(small.astype(int) - 127).max() <= 2


def test_a_large_face_keeps_its_place_when_shrunk() -> None:
    picture = cv2.resize(marked(), (1600, 1200), interpolation=cv2.INTER_LINEAR)
    small = crop_square(np.asarray(picture, np.uint8), (800, 600), 800, 0, 80)
    assert np.abs(small.astype(int) - marked()[20:100, 40:120]).max() <= 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 5)])
def test_the_smallest_pictures_can_be_cut(shape: tuple[int, int]) -> None:
    assert crop_square(np.zeros(shape, np.uint8), (0.5, 0.5), 500, 33, 24).shape == (24, 24)


@pytest.mark.parametrize("side", [40, 300])
def test_colour_is_cut_like_gray(side: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (500, 600, 3), dtype=np.uint8)
    face = crop_square(noise, (300, 250), side, 17, 60)
    assert face.shape == (60, 60, 3)
    for channel in range(3):
        alone = crop_square(np.ascontiguousarray(noise[..., channel]), (300, 250), side, 17, 60)
        assert np.abs(face[..., channel].astype(int) - alone).max() <= 1


def test_quality_tells_brightness_and_blur() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (96, 96), dtype=np.uint8)
    sharp, soft = (
        measure_quality(noise),
        measure_quality(np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)),
    )
    assert sharp.brightness == pytest.approx(0.5, abs=0.02)
    assert sharp.blur > 10 * soft.blur
    assert measure_quality(np.zeros((30, 30), np.uint8)) == (0.0, 0.0)
    assert measure_quality(np.full((30, 30), 255, np.uint8)).brightness == 1


def test_blur_is_comparable_between_sizes() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8)
    large = np.asarray(cv2.resize(noise, (256, 256), interpolation=cv2.INTER_NEAREST), np.uint8)
    assert measure_quality(large).blur == pytest.approx(measure_quality(noise).blur, rel=0.01)
