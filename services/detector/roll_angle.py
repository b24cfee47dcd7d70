"""Measures the roll of a head: the angle at which a face is most like its mirror image."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.crops import crop_square

_STEP: Final = 6
"""Degrees between the angles at which a face is compared with its mirror image."""

_REACH: Final = 18
"""Degrees to either side: 1.5 times the largest error of a search near a face."""

_FACE: Final = 32
"""Side in pixels of a face that is compared with its mirror image."""


def measure_roll(
    gray: NDArray[np.uint8], centre: tuple[float, float], side: float, angle: float
) -> float:
    """Measure a face's roll: the angle at which it is most like its mirror image.

    Only the vertical part of the gradient is compared: it shows brows, eyes and mouth, but not
    light from one side. The mirror image may be shifted sideways, because the box is never quite
    centred and a head may be turned.

    Args:
        gray: ``(H, W) uint8``.
        centre: Centre of the face's square, in pixels.
        side: Side of the square, in pixels.
        angle: Approximate roll in degrees.

    Returns:
        The roll in degrees, at most ``_REACH`` from ``angle``.
    """
    size = round(1.5 * _FACE)
    patch = crop_square(gray, centre, side * size / _FACE, angle, size)
    middle, turns = (size / 2, size / 2), range(-_REACH, _REACH + 1, _STEP)
    symmetry = [_symmetry(crop_square(patch, middle, _FACE, turn, _FACE)) for turn in turns]
    best = int(np.argmax(symmetry))
    if not 0 < best < len(turns) - 1:
        return angle + turns[best]
    before, top, after = symmetry[best - 1 : best + 2]
    bend = before - 2 * top + after  # of the parabola through the best angle and its neighbours
    return angle + turns[best] + (_STEP * (before - after) / (2 * bend) if bend < 0 else 0.0)


def _symmetry(face: NDArray[np.uint8]) -> float:
    """How similar a face is to its mirror image, -1 to 1."""
    edges = cv2.Sobel(face, cv2.CV_32F, 0, 1)[2:-2]
    mirrored = np.ascontiguousarray(edges[:, ::-1][:, 5:-5])
    return float(cv2.matchTemplate(edges, mirrored, cv2.TM_CCOEFF_NORMED).max())
