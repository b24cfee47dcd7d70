"""Encodes frames for publishing: at the wanted size, as JPEG or raw."""

from typing import Final, NamedTuple

import cv2
import numpy as np

from affectline.common.settings.sources import CaptureSettings
from affectline.common.wire.codec import MAX_PART_BYTES
from affectline.services.capture.frame_image import FrameImage, JpegImage, resize
from affectline.services.capture.frame_source import Bgr

LARGEST_SIDE: Final = {"jpeg": 65_500, "raw": 65_535}
"""In pixels: the most that libjpeg writes, and the most that a `Frame` can declare."""


class UnencodableFrame(Exception):  # noqa: N818 - it names what the frame is
    """A frame that cannot be sent to any consumer, with the reason."""


class Encoded(NamedTuple):
    """The bytes of a frame, and its size in pixels."""

    data: bytes
    width: int
    height: int


def encode(image: Bgr | FrameImage, settings: CaptureSettings) -> Encoded:
    """Scale and encode a frame; a JPEG file of the wanted size is passed on as it is.

    Args:
        image: ``(H, W, 3) uint8`` BGR, or in the form in which its source gives it.
        settings: The size and encoding to produce.

    Raises:
        UnencodableFrame: The frame is too large, or cannot be encoded.
    """
    width, height = check_size(image, settings)
    try:
        data = _encode(image, width, height, settings)
    except (cv2.error, ValueError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it cannot be written as JPEG"
        raise UnencodableFrame(reason) from error
    if len(data) > MAX_PART_BYTES:
        raise UnencodableFrame(
            f"a JPEG file of {len(data)} bytes, but at most {MAX_PART_BYTES} can be sent"
        )
    return Encoded(data, width, height)


def check_size(image: Bgr | FrameImage, settings: CaptureSettings) -> tuple[int, int]:
    """The width and height at which a frame is sent.

    Raises:
        UnencodableFrame: It is too large.
    """
    height, width = image.shape[:2] if isinstance(image, np.ndarray) else image.size[::-1]
    wanted = settings.width
    if wanted is not None and wanted != width:
        height, width = max(1, round(height * wanted / width)), wanted
    largest = LARGEST_SIDE[settings.encoding]
    if max(width, height) > largest:
        raise UnencodableFrame(
            f"{width} x {height} pixels, but at most {largest} can be sent as {settings.encoding}"
        )
    if settings.encoding == "raw" and 3 * width * height > MAX_PART_BYTES:
        raise UnencodableFrame(
            f"{width} x {height} pixels, but at most {MAX_PART_BYTES} bytes can be sent: "
            "3 for each raw pixel"
        )
    return width, height


def _encode(image: Bgr | FrameImage, width: int, height: int, settings: CaptureSettings) -> bytes:
    if isinstance(image, np.ndarray):
        return _encode_bgr(image, width, height, settings)
    if settings.encoding == "raw":
        return _encode_bgr(image.to_bgr(), width, height, settings)
    if isinstance(image, JpegImage) and image.size == (width, height):
        return image.data
    return image.to_planes().resize(width, height).to_jpeg(settings.jpeg_quality)


def _encode_bgr(bgr: Bgr, width: int, height: int, settings: CaptureSettings) -> bytes:
    bgr = resize(bgr, (width, height))
    if settings.encoding == "raw":
        return bgr.tobytes()
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, settings.jpeg_quality])
    if not done:
        raise ValueError("it cannot be written as JPEG")
    return data.tobytes()
