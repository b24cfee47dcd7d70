"""Decodes the image of a `Frame`."""

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.wire.messages import Frame


def decode(frame: Frame, part: bytes | memoryview) -> NDArray[np.uint8] | None:
    """Decode a frame in colour; the detector, which needs only gray, has a faster way of its own.

    Args:
        frame: The header.
        part: Its one part: a JPEG file, or raw rows.

    Returns:
        ``(H, W, 3) uint8`` BGR, read-only for raw frames; None where it is no image.
    """
    data = np.frombuffer(part, np.uint8)
    if frame.encoding == "raw":
        return data.reshape(frame.height, frame.width, 3)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    return None if image is None else np.asarray(image, dtype=np.uint8)
