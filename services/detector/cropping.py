"""Face crops: framed like FER2013's pictures, turned upright, and how good they are."""

import math
from typing import Final, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from common.images import to_square

_ROLL_STEP: Final = 6
"""Degrees between the directions in which a face is compared with its mirror image."""

_ROLL_REACH: Final = 18
"""Degrees to either side: half as far again as a near search may be wrong."""

_ROLL_FACE: Final = 32
"""Side of a face in pixels when it is compared with its mirror image."""


class Located(Protocol):
    """A face with a place in the picture."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``(x, y, width, height)`` in pixels."""

    @property
    def angle(self) -> float:
        """Roll of the head in degrees, positive counter-clockwise on the screen."""


class Quality(NamedTuple):
    """How much a classifier can expect of a crop."""

    blur: float
    """Variance of the Laplacian at 48x48 pixels: below about 150 a face looks blurred."""
    brightness: float
    """Mean, from 0 (black) to 1 (white)."""


def crop(
    gray: NDArray[np.uint8], face: Located, margin: float = 0.0, largest: int = 4096
) -> NDArray[np.uint8]:
    """Cut out a face, upright, at the size that it has in the picture.

    Args:
        gray: ``(H, W) uint8`` grayscale picture.
        face: Where the face is; a head rolled by ``face.angle`` is turned back.
        margin: Added on each side, in sides of the box.
        largest: Largest side of the result in pixels; larger faces are scaled down to it.

    Returns:
        ``(S, S) uint8``; what lies outside of the picture repeats its border.
    """
    x, y, width, height = face.box
    side = max(width, height) * (1 + 2 * margin)
    size = min(largest, max(1, round(side)))
    return cut(gray, (x + width / 2, y + height / 2), side, face.angle, size)


def cut(
    gray: NDArray[np.uint8], centre: tuple[float, float], side: float, angle: float, size: int
) -> NDArray[np.uint8]:
    """Turn a square of the picture upright and scale it.

    Args:
        gray: ``(H, W) uint8``.
        centre: Of the square, in pixels; (0, 0) is the picture's corner, not a pixel's centre.
        side: Of the square, in pixels of the picture.
        angle: Degrees by which the square is rolled counter-clockwise on the screen.
        size: Side of the result in pixels.

    Returns:
        ``(size, size) uint8``; what lies outside of the picture repeats its border.
    """
    picture, (left, top), (shrink_x, shrink_y) = _shrunk_surroundings(gray, centre, side, size)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    step = side / size
    linear = np.array([[cos, sin], [-sin, cos]]) * step
    linear[0] /= shrink_x
    linear[1] /= shrink_y
    middle = np.array([(centre[0] - left) / shrink_x, (centre[1] - top) / shrink_y]) - 0.5
    offset = middle - linear @ np.array([(size - 1) / 2, (size - 1) / 2])
    turned = cv2.warpAffine(
        picture,
        np.column_stack([linear, offset]),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(turned, dtype=np.uint8)


def upright(
    gray: NDArray[np.uint8], centre: tuple[float, float], side: float, angle: float
) -> float:
    """Measure a face's roll: in which direction it is most like its mirror image.

    Only the vertical part of the gradient is compared, where brows, eyes and mouth show and light
    from one side does not. The mirror image may be moved sideways, as the box is never quite
    centred and a head may be turned aside.

    Args:
        gray: ``(H, W) uint8``.
        centre: Of the face's square, in pixels.
        side: Of the square, in pixels.
        angle: About its roll in degrees.

    Returns:
        The roll in degrees, at most ``_ROLL_REACH`` from ``angle``.
    """
    size = round(1.5 * _ROLL_FACE)
    patch = cut(gray, centre, side * size / _ROLL_FACE, angle, size)
    middle, turns = (size / 2, size / 2), range(-_ROLL_REACH, _ROLL_REACH + 1, _ROLL_STEP)
    likeness = [_symmetry(cut(patch, middle, _ROLL_FACE, turn, _ROLL_FACE)) for turn in turns]
    best = int(np.argmax(likeness))
    if not 0 < best < len(turns) - 1:
        return angle + turns[best]
    before, top, after = likeness[best - 1 : best + 2]
    bend = before - 2 * top + after  # of the parabola through the best direction and its neighbours
    return angle + turns[best] + (_ROLL_STEP * (before - after) / (2 * bend) if bend < 0 else 0.0)


def quality(face: NDArray[np.uint8]) -> Quality:
    """Measure a crop.

    Args:
        face: ``(S, S) uint8`` as :func:`crop` gives it, or already at 48x48, where crops of all
            sizes are compared: at their own size large faces would look blurred.
    """
    small = to_square(face)
    blur = float(cv2.Laplacian(small, cv2.CV_32F).var())
    return Quality(blur, float(small.mean()) / 255)


def _symmetry(face: NDArray[np.uint8]) -> float:
    """How much a face is like its mirror image, -1 to 1."""
    edges = cv2.Sobel(face, cv2.CV_32F, 0, 1)[2:-2]
    mirrored = np.ascontiguousarray(edges[:, ::-1][:, 5:-5])
    return float(cv2.matchTemplate(edges, mirrored, cv2.TM_CCOEFF_NORMED).max())


def _shrunk_surroundings(
    gray: NDArray[np.uint8], centre: tuple[float, float], side: float, size: int
) -> tuple[NDArray[np.uint8], tuple[int, int], tuple[float, float]]:
    """What a rotated square can touch, area-averaged first where plain sampling would alias.

    Returns:
        The picture, where its corner lies in ``gray``, and how much it was shrunk across and down.
    """
    shrink = int(side / size)
    if shrink < 2:
        return gray, (0, 0), (1.0, 1.0)
    reach = side * math.sqrt(0.5) + shrink
    height, width = gray.shape
    left = min(max(int(centre[0] - reach), 0), width - 1)
    top = min(max(int(centre[1] - reach), 0), height - 1)
    right = max(min(math.ceil(centre[0] + reach), width), left + 1)
    bottom = max(min(math.ceil(centre[1] + reach), height), top + 1)
    across, down = max(1, (right - left) // shrink), max(1, (bottom - top) // shrink)
    picture = cv2.resize(gray[top:bottom, left:right], (across, down), interpolation=cv2.INTER_AREA)
    shrunk = ((right - left) / across, (bottom - top) / down)
    return np.asarray(picture, dtype=np.uint8), (left, top), shrunk
