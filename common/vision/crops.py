"""Face crops: framed like FER2013's images, turned upright, with a measure of quality.

The detector and the collector of data sets use the same crops, so that models trained on one fit
the other.
"""

import math
from typing import NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.preprocessing import to_square

T = TypeVar("T", float, NDArray[np.float32])


class FacePlacement(Protocol):
    """The position of a face in an image."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``(x, y, width, height)`` in pixels."""

    @property
    def angle(self) -> float:
        """Roll of the head in degrees, positive counter-clockwise on the screen."""


class CropQuality(NamedTuple):
    """How well a crop can be classified."""

    blur: float
    """Variance of the Laplacian at 48x48 pixels; below 120 a face is doubted as ``blurred``."""
    brightness: float
    """Mean gray value, from 0 (black) to 1 (white)."""


def crop_face(
    image: NDArray[np.uint8], face: FacePlacement, margin: float = 0.0, largest: int = 4096
) -> NDArray[np.uint8]:
    """Cut out a face, upright, at its size in the image.

    Args:
        image: ``(H, W) uint8`` grayscale, or ``(H, W, 3)`` in colour.
        face: The position of the face; a head rolled by ``face.angle`` is turned back.
        margin: Margin added on each side, as a fraction of the box's side.
        largest: Largest side of the result in pixels; larger faces are scaled down to it.

    Returns:
        ``(S, S) uint8``, or ``(S, S, 3)``; outside the image, its border is repeated.
    """
    x, y, width, height = face.box
    side = max(width, height) * (1 + 2 * margin)
    size = min(largest, max(1, round(side)))
    return crop_square(image, (x + width / 2, y + height / 2), side, face.angle, size)


def crop_square(
    image: NDArray[np.uint8], centre: tuple[float, float], side: float, angle: float, size: int
) -> NDArray[np.uint8]:
    """Turn a square of the image upright and scale it.

    Args:
        image: ``(H, W) uint8``, or ``(H, W, 3)``.
        centre: Centre of the square in pixels; (0, 0) is the image's corner, not a pixel's centre.
        side: Side of the square in pixels of the image.
        angle: Degrees by which the square is rolled counter-clockwise on the screen.
        size: Side of the result in pixels.

    Returns:
        ``(size, size) uint8``, or ``(size, size, 3)``; outside the image, its border is repeated.
    """
    near, (left, top), (shrink_x, shrink_y) = _shrink_surroundings(image, centre, side, size)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    step = side / size
    linear = np.array([[cos, sin], [-sin, cos]]) * step
    linear[0] /= shrink_x
    linear[1] /= shrink_y
    middle = np.array([(centre[0] - left) / shrink_x, (centre[1] - top) / shrink_y]) - 0.5
    offset = middle - linear @ np.array([(size - 1) / 2, (size - 1) / 2])
    turned = cv2.warpAffine(
        near,
        np.column_stack([linear, offset]),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(turned, dtype=np.uint8)


def place_in_image(across: T, down: T, centre: tuple[float, float], angle: float) -> tuple[T, T]:
    """Map points of a square that `crop_square` has turned upright back to the image.

    Args:
        across: Distance to the right of the square's centre, in pixels of the image.
        down: Distance below the centre, likewise.
        centre: Centre of the square in pixels.
        angle: Degrees by which the square is rolled counter-clockwise on the screen.

    Returns:
        x and y in pixels.
    """
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return centre[0] + across * cos + down * sin, centre[1] - across * sin + down * cos


def measure_quality(face: NDArray[np.uint8]) -> CropQuality:
    """Measure the quality of a crop.

    Args:
        face: ``(S, S) uint8`` from `crop_face`, or already at 48x48. Crops of all sizes are
            compared at 48x48, because at their own size large faces would look blurred.
    """
    small = to_square(face)
    blur = float(cv2.Laplacian(small, cv2.CV_32F).var())
    return CropQuality(blur, float(small.mean()) / 255)


def _shrink_surroundings(
    image: NDArray[np.uint8], centre: tuple[float, float], side: float, size: int
) -> tuple[NDArray[np.uint8], tuple[int, int], tuple[float, float]]:
    """The surroundings of a rotated square, area-averaged if plain sampling would alias.

    Returns:
        The image, the position of its corner in the original, and its shrink factors across and
        down.
    """
    shrink = int(side / size)
    if shrink < 2:
        return image, (0, 0), (1.0, 1.0)
    reach = side * math.sqrt(0.5) + shrink
    height, width = image.shape[:2]
    left = min(max(int(centre[0] - reach), 0), width - 1)
    top = min(max(int(centre[1] - reach), 0), height - 1)
    right = max(min(math.ceil(centre[0] + reach), width), left + 1)
    bottom = max(min(math.ceil(centre[1] + reach), height), top + 1)
    across, down = max(1, (right - left) // shrink), max(1, (bottom - top) // shrink)
    near = image[top:bottom, left:right]
    shrunken = cv2.resize(near, (across, down), interpolation=cv2.INTER_AREA)
    shrunk = ((right - left) / across, (bottom - top) / down)
    return np.asarray(shrunken, dtype=np.uint8), (left, top), shrunk
