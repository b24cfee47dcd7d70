"""Frames in the form in which their sources give them, which are converted only where needed.

Video decoders and most cameras give luminance and colour differences, which is also what a JPEG
file contains. A frame that stays in this form is never converted to BGR and back, and what a camera
has compressed as JPEG is passed on as it is.
"""

from functools import cache
from typing import Final, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from simplejpeg import encode_jpeg_yuv_planes

from affectline.common.vision.jpeg_header import (
    START_OF_SCAN,
    PictureSize,
    find_segments,
    read_size,
)

_END_OF_IMAGE: Final = b"\xff\xd9"
_HUFFMAN_TABLES: Final = 0xC4
_NOTES: Final = frozenset({0xE1, 0xFE})
"""Segments APP1 and COM."""

_LIMITED: Final = np.arange(256, dtype=np.float64)
FULL_LUMA: Final = np.clip(np.round((_LIMITED - 16) * 255 / 219), 0, 255).astype(np.uint8)
"""``(256,)``: luminance from the limited range of video (16 to 235) to that of JPEG (0 to 255), by
ITU-R BT.601."""
FULL_CHROMA: Final = np.clip(np.round((_LIMITED - 128) * 255 / 224 + 128), 0, 255).astype(np.uint8)
"""The same for colour differences (16 to 240)."""


class Planes(NamedTuple):
    """A frame as luminance and colour differences, as JPEG has them: full range, BT.601 (JFIF)."""

    luma: NDArray[np.uint8]
    """``(H, W)``."""
    blue: NDArray[np.uint8]
    """Cb, ``(H, ceil(W / 2))`` or ``(ceil(H / 2), ceil(W / 2))``."""
    red: NDArray[np.uint8]
    """Cr, likewise."""

    def to_full_range(self) -> "Planes":
        """The same, expanded from the limited range of video."""
        luma, blue, red = self
        return Planes(
            _lookup(luma, FULL_LUMA), _lookup(blue, FULL_CHROMA), _lookup(red, FULL_CHROMA)
        )

    def resize(self, width: int, height: int) -> "Planes":
        """Scale to another size in pixels; the colours get half of it both ways."""
        if (height, width) == self.luma.shape:
            return self
        half = -(-width // 2), -(-height // 2)
        return Planes(
            resize(self.luma, (width, height)), resize(self.blue, half), resize(self.red, half)
        )

    def to_bgr(self) -> NDArray[np.uint8]:
        """Convert to ``(H, W, 3) uint8`` BGR."""
        height, width = self.luma.shape
        blue, red = (
            cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
            for plane in (self.blue, self.red)
        )
        return np.asarray(
            cv2.cvtColor(cv2.merge([self.luma, red, blue]), cv2.COLOR_YCrCb2BGR), dtype=np.uint8
        )

    def to_jpeg(self, quality: int) -> bytes:
        """Encode as JPEG; ``quality`` is from 1 to 100.

        Raises:
            ValueError: The frame is larger than JPEG allows.
        """
        data: bytes = encode_jpeg_yuv_planes(self.luma, self.blue, self.red, quality)
        return data


class FrameImage(Protocol):
    """The image of a frame."""

    @property
    def size(self) -> PictureSize:
        """Its size in pixels."""

    def to_bgr(self) -> NDArray[np.uint8]:
        """Convert to ``(H, W, 3) uint8`` BGR."""

    def to_planes(self) -> Planes:
        """Convert to luminance and colour differences."""


class YuyvImage:
    """A frame of a camera in the format YUYV: 4:2:2, limited range, BT.601.

    Args:
        packed: ``(H, W, 2) uint8``: luminance, and in turn Cb and Cr. ``W`` is even.
    """

    def __init__(self, packed: NDArray[np.uint8]) -> None:
        self._packed = packed
        self.size = PictureSize(packed.shape[1], packed.shape[0])

    def to_bgr(self) -> NDArray[np.uint8]:
        bgr = cv2.cvtColor(self._packed, cv2.COLOR_YUV2BGR_YUYV)
        return np.asarray(bgr, dtype=np.uint8)

    def to_planes(self) -> Planes:
        luma, chroma = cv2.split(self._packed)
        # Every second row is enough: JPEG has the colours at half the size
        blue, red = cv2.split(
            np.ascontiguousarray(chroma[::2]).reshape(-(-self.size.height // 2), -1, 2)
        )
        planes = (np.asarray(plane, dtype=np.uint8) for plane in (luma, blue, red))
        return Planes(*planes).to_full_range()


class JpegImage:
    """A frame that its source has compressed as JPEG.

    Args:
        data: The file.

    Raises:
        ValueError: It is not a whole JPEG file.
    """

    def __init__(self, data: bytes) -> None:
        size = read_size(data)
        if size is None:
            raise ValueError("not a JPEG file")
        scan = next((at for kind, at in find_segments(data) if kind == START_OF_SCAN), len(data))
        # The marker cannot occur in compressed data. Cameras fill their buffers up behind it.
        end = data.rfind(_END_OF_IMAGE, scan)
        if end < 0:
            raise ValueError("cut off")
        self.size = size
        self.data = with_huffman_tables(_without_notes(data[: end + 2]))
        """A complete JPEG file: with the tables that motion JPEG may leave out, and without notes
        such as Exif, which may say where a telephone is, and turn the image."""

    def to_bgr(self) -> NDArray[np.uint8]:
        """Convert to ``(H, W, 3) uint8`` BGR.

        Raises:
            ValueError: It cannot be decoded.
        """
        bgr = cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR)
        if bgr is None:
            raise ValueError("damaged")
        return np.asarray(bgr, dtype=np.uint8)

    def to_planes(self) -> Planes:
        """Convert to luminance and colour differences.

        Raises:
            ValueError: It cannot be decoded.
        """
        return split_bgr(self.to_bgr())


def split_bgr(bgr: NDArray[np.uint8]) -> Planes:
    """Convert ``(H, W, 3) uint8`` BGR to luminance and colour differences at half the size."""
    luma, red, blue = cv2.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb))
    half = -(-bgr.shape[1] // 2), -(-bgr.shape[0] // 2)
    return Planes(np.asarray(luma, dtype=np.uint8), resize(blue, half), resize(red, half))


def _lookup(plane: object, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace each value of a plane by its entry in a table of ``(256,) uint8``."""
    return np.asarray(cv2.LUT(plane, table), dtype=np.uint8)  # type: ignore[call-overload]


def with_huffman_tables(data: bytes) -> bytes:
    """A JPEG file with the standard Huffman tables, if it has none of its own.

    Motion JPEG leaves them out (ITU-T T.81, annex K.3, has them), and not every decoder adds them.
    """
    for kind, at in find_segments(data):
        if kind == _HUFFMAN_TABLES:
            return data
        if kind == START_OF_SCAN:
            return data[:at] + _standard_tables() + data[at:]
    return data


def _without_notes(data: bytes) -> bytes:
    """A JPEG file without segments of Exif, XMP and comments."""
    segments = [*find_segments(data)]
    if not any(kind in _NOTES for kind, _ in segments):
        return data
    ends = [*(at for _, at in segments[1:]), len(data)]
    kept = (data[at:e] for (kind, at), e in zip(segments, ends, strict=True) if kind not in _NOTES)
    return data[:2] + b"".join(kept)


@cache
def _standard_tables() -> bytes:
    """The segments with the standard tables, from a file of an encoder that uses them."""
    gray = np.zeros((8, 8), np.uint8)
    data = encode_jpeg_yuv_planes(gray, gray[:4, :4], gray[:4, :4], 50)
    places = list(find_segments(data))
    ends = [at for _, at in places[1:]]
    return b"".join(
        data[at:end]
        for (kind, at), end in zip(places, ends, strict=False)
        if kind == _HUFFMAN_TABLES
    )


def resize(plane: object, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale an image of one channel or several to another size: width and height in pixels."""
    array = np.asarray(plane, dtype=np.uint8)
    if (array.shape[1], array.shape[0]) == size:
        return array
    is_smaller = size[0] < array.shape[1]
    how = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(array, size, interpolation=how), dtype=np.uint8)
