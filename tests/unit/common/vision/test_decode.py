"""A picture is looked at before it is decoded."""

import resource
import struct

import cv2
import numpy as np
import pytest

from affectline.common.vision.decode import MOST_PIXELS, decode, is_decodable
from affectline.common.vision.jpeg_header import read_size
from affectline.common.vision.pixelation import decode_pixelated
from affectline.common.wire.messages import Frame
from affectline.services.detector.stage import decode_gray

PICTURE = np.random.default_rng(1).integers(0, 255, (36, 64, 3), dtype=np.uint8)
PROGRESSIVE = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]


def jpeg(*options: int) -> bytes:
    return cv2.imencode(".jpg", PICTURE, list(options))[1].tobytes()


def bomb(width: int, height: int, data: bytes = b"") -> bytes:
    """A file that claims more pixels than it has."""
    data = data or jpeg()
    at = data.index(b"\xff\xc0" if b"\xff\xc0" in data else b"\xff\xc2")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def frame(width: int = 64, height: int = 36, file: str | None = None) -> Frame:
    identity = Frame.example().identity | {"width": width, "height": height, "file": file}
    return Frame(**identity)


@pytest.mark.parametrize("data", [jpeg(), jpeg(*PROGRESSIVE)], ids=["baseline", "progressive"])
def test_the_size_is_read_without_decoding(data: bytes) -> None:
    assert read_size(data) == (64, 36)
    comment = b"\xff\xfe" + struct.pack(">H", 1002) + bytes(1000)
    assert read_size(data[:2] + comment + b"\xff\xff\xff" + data[2:]) == (64, 36)
    assert all(read_size(data[:length]) is None for length in range(20))


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8" + b"\xff" * 1000, b"\xff\xd8" + bytes(99),
     b"\x89PNG\r\n\x1a\n" + bytes(99), b"\xff\xd8" + b"\xff\xe1\x00\x02" * 5000],
    ids=["empty", "short", "end", "filling", "zeros", "png", "segments"],
)  # fmt: skip
def test_what_says_no_size_is_no_picture(data: bytes) -> None:
    assert read_size(data) is None
    assert decode(frame(), data) is None
    assert decode_gray(data, frame()) is None
    assert decode_pixelated(frame(), data) is None


@pytest.mark.parametrize("options", [(), PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("declared", [(64, 36), (65535, 65535), (30_000, 30_000)])
def test_a_bomb_is_not_decoded(declared: tuple[int, int], options: list[int]) -> None:
    data = bomb(30_000, 30_000, jpeg(*options))
    assert read_size(data) == (30_000, 30_000)
    message = frame(*declared)
    before = _peak_kb()
    assert not is_decodable(message, data)
    assert decode(message, data) is None
    assert decode_gray(data, message) is None
    assert decode_pixelated(message, data) is None
    assert _peak_kb() - before < 4096


def test_pictures_by_themselves_may_be_larger_than_frames() -> None:
    side = round(MOST_PIXELS**0.5) + 1
    data = bomb(side, side)
    assert not is_decodable(frame(side, side), data)
    assert is_decodable(frame(side, side, "a.jpg"), data)
    assert not is_decodable(frame(2 * side, 2 * side, "a.jpg"), bomb(2 * side, 2 * side))


def test_frames_are_decoded_as_before() -> None:
    image = decode(frame(), jpeg())
    assert image is not None
    assert image.shape == (36, 64, 3)
    gray = decode_gray(jpeg(), frame())
    assert gray is not None
    assert gray.shape == (36, 64)
    assert decode_pixelated(frame(), jpeg()) is not None


def _peak_kb() -> int:
    """Most memory that this process has had; decoders reserve theirs outside of Python."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
