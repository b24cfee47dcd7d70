"""Decodes the image of a `Frame`."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.jpeg_header import read_size
from affectline.common.wire.messages import Frame

MOST_PIXELS: Final = 2**26
"""Maximum number of pixels of a video frame: eight times that of 4K."""
MOST_PICTURE_PIXELS: Final = 2**28
"""Maximum number of pixels of a single picture: the largest cameras have 200 megapixels."""


def is_decodable(frame: Frame, part: bytes | memoryview) -> bool:
    """Whether a frame may be decoded: its size matches the header, and is not too large.

    Args:
        frame: The header.
        part: Its binary part: a JPEG file, or raw rows.
    """
    if frame.width * frame.height > (MOST_PIXELS if frame.file is None else MOST_PICTURE_PIXELS):
        return False
    return frame.encoding == "raw" or read_size(part) == (frame.width, frame.height)


def decode(
    frame: Frame, part: bytes | memoryview, how: int = cv2.IMREAD_COLOR
) -> NDArray[np.uint8] | None:
    """Decode a frame in colour; the detector needs only gray, and has a faster way.

    Args:
        frame: The header.
        part: Its binary part: a JPEG file, or raw rows.
        how: OpenCV's flag for the colours and size of a decoded JPEG file.

    Returns:
        ``(H, W, 3) uint8`` BGR, read-only for raw frames; None if it is not an image of the size in
        the header, or too large.
    """
    if not is_decodable(frame, part):
        return None
    data = np.frombuffer(part, np.uint8)
    if frame.encoding == "raw":
        return data.reshape(frame.height, frame.width, 3)
    try:
        image = cv2.imdecode(data, how)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image, dtype=np.uint8)
