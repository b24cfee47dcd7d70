"""Encodes frames for publishing: at the wanted size, as JPEG or raw."""

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.settings.sources import CaptureSettings

LARGEST_SIDE: Final = {"jpeg": 65_500, "raw": 65_535}
"""In pixels: the most that libjpeg writes, and the most that a `Frame` can declare."""


class UnencodableFrame(Exception):  # noqa: N818 - it names what the frame is
    """A frame that cannot be sent to any consumer, with the reason."""


class Encoded(NamedTuple):
    """The bytes of a frame, and its size in pixels."""

    data: bytes
    width: int
    height: int


def encode(image: NDArray[np.uint8], settings: CaptureSettings) -> Encoded:
    """Scale and encode a frame.

    Args:
        image: ``(H, W, 3) uint8`` BGR.
        settings: The size and encoding to produce.

    Raises:
        UnencodableFrame: The frame is too large, or cannot be encoded.
    """
    height, width = image.shape[:2]
    wanted = settings.width
    if wanted is not None and wanted != width:
        how = cv2.INTER_AREA if wanted < width else cv2.INTER_LINEAR
        height = max(1, round(height * wanted / width))
        width = wanted
        _check_size(width, height, settings)
        image = cv2.resize(image, (width, height), interpolation=how)  # type: ignore[assignment]
    _check_size(width, height, settings)
    if settings.encoding == "raw":
        return Encoded(image.tobytes(), width, height)
    quality = [cv2.IMWRITE_JPEG_QUALITY, settings.jpeg_quality]
    return Encoded(_encode_jpeg(image, quality), width, height)


def _check_size(width: int, height: int, settings: CaptureSettings) -> None:
    largest = LARGEST_SIDE[settings.encoding]
    if max(width, height) > largest:
        raise UnencodableFrame(
            f"{width} x {height} pixels, but at most {largest} can be sent as {settings.encoding}"
        )


def _encode_jpeg(image: NDArray[np.uint8], quality: list[int]) -> bytes:
    try:
        done, data = cv2.imencode(".jpg", image, quality)
    except cv2.error as error:
        raise UnencodableFrame("it cannot be written as JPEG") from error
    if not done:
        raise UnencodableFrame("it cannot be written as JPEG")
    return data.tobytes()
