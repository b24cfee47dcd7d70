"""The picture in a `Frame`."""

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.wire.messages import Frame


def decode(frame: Frame, part: bytes | memoryview) -> NDArray[np.uint8] | None:
    """A frame's picture in colour; the detector, which needs less, has a faster way of its own.

    Args:
        frame: The header.
        part: Its one part: a JPEG file, or raw rows.

    Returns:
        ``(H, W, 3) uint8`` BGR, of raw frames not to be written into; None where it is none.
    """
    data = np.frombuffer(part, np.uint8)
    if frame.encoding == "raw":
        return data.reshape(frame.height, frame.width, 3)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    return None if picture is None else np.asarray(picture, dtype=np.uint8)
