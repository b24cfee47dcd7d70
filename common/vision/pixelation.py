"""Pixelates parts of images, or whole images, so that no face can be recognised."""

import math
from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Box, Frame

Image = NDArray[np.uint8]

MARGIN: Final = 0.3
"""Margin pixelated on each side of a face, as a fraction of its box: hair, chin, a turned head."""
BLOCKS: Final = 4
"""Blocks across the pixelated area of one face: less than three across the face itself, so that
eyes, nose and mouth are not separate. With nearly four, a detector still found a face in two of
664 pictures."""
WHOLE_BLOCKS: Final = 3
"""Blocks across the shorter side of an image that is pixelated as a whole, and so across a face
that fills it."""
JPEG_QUALITY: Final = 90
MOST_BLANK_PIXELS: Final = 2**27
"""Maximum size of an image made without decoding; a larger one has a wrong header."""


def pixelate(image: Image, boxes: Iterable[Box]) -> None:
    """Replace the faces in an image by the mean colours of a few blocks.

    One grid of square blocks covers the image, as coarse as its largest face needs. So the cost
    hardly depends on the number of boxes, and boxes may overlap.

    Args:
        image: ``(H, W, 3) uint8``, changed in place.
        boxes: Boxes of the faces in pixels; they may reach beyond the image.
    """
    boxes = [box for box in set(boxes) if max(box[2:]) > 0]
    if not boxes:
        return
    side = max(max(w, h) for _, _, w, h in boxes)
    mosaic = _Mosaic(image, side * (1 + 2 * MARGIN) / BLOCKS)
    for x, y, w, h in boxes:
        extra = max(w, h) * MARGIN
        mosaic.cover(x - extra, y - extra, x + w + extra, y + h + extra)
    mosaic.apply()


def pixelate_all(image: Image) -> None:
    """Pixelate a whole image, as coarsely as for a face that fills it.

    Args:
        image: ``(H, W, 3) uint8``, changed in place.
    """
    height, width = image.shape[:2]
    mosaic = _Mosaic(image, min(width, height) / WHOLE_BLOCKS)
    mosaic.cover(0, 0, width, height)
    mosaic.apply()


class _Mosaic:
    """A grid of blocks over an image; covered ones replace the pixels below them.

    Args:
        image: ``(H, W, 3) uint8``.
        block: Minimum side of a block in pixels.
    """

    def __init__(self, image: Image, block: float) -> None:
        self._image = image
        height, width = image.shape[:2]
        across, down = (max(1, math.floor(size / max(1.0, block))) for size in (width, height))
        self._scale = (across / width, down / height)
        self._covered = np.zeros((down, across), np.uint8)

    def cover(self, left: float, top: float, right: float, bottom: float) -> None:
        """Cover every block that touches this rectangle, given in pixels."""
        across, down = self._scale
        rows = slice(max(0, math.floor(top * down)), max(0, math.ceil(bottom * down)))
        columns = slice(max(0, math.floor(left * across)), max(0, math.ceil(right * across)))
        self._covered[rows, columns] = 1

    def apply(self) -> None:
        """Replace the covered blocks in the image."""
        down, across = self._covered.shape
        height, width = self._image.shape[:2]
        small = cv2.resize(self._image, (across, down), interpolation=cv2.INTER_AREA)
        blocks = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
        mask = cv2.resize(self._covered, (width, height), interpolation=cv2.INTER_NEAREST)
        cv2.copyTo(blocks, mask, self._image)


def decode_writable(frame: Frame, data: bytes | memoryview) -> Image | None:
    """Decode a frame to a writable ``(H, W, 3) uint8`` BGR image; None if it is damaged."""
    image = decode(frame, data)
    if image is None or image.shape[:2] != (frame.height, frame.width):
        return None
    return image.copy() if frame.encoding == "raw" else image


def decode_pixelated(frame: Frame, data: bytes | memoryview) -> Image | None:
    """Decode and pixelate a whole frame; a JPEG file is decoded at only an eighth of its size.

    Returns:
        ``(H, W, 3) uint8`` BGR; None if it is damaged.
    """
    if frame.encoding == "raw":
        image = decode_writable(frame, data)
        if image is not None:
            pixelate_all(image)
        return image
    small = decode(frame, data, cv2.IMREAD_REDUCED_COLOR_8)
    if small is None or small.shape[:2] != (-(-frame.height // 8), -(-frame.width // 8)):
        return None
    pixelate_all(small)
    size = (frame.width, frame.height)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def blank(frame: Frame) -> Image:
    """A gray image for one that cannot be decoded; a single pixel if its size is absurd."""
    is_possible = frame.width * frame.height <= MOST_BLANK_PIXELS
    size = (frame.height, frame.width) if is_possible else (1, 1)
    return np.full((*size, 3), 128, np.uint8)


def encode_image(frame: Frame, image: Image) -> bytes:
    """Encode an image in the frame's encoding."""
    if frame.encoding == "raw":
        return image.tobytes()
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", image, quality)[1].tobytes()
