"""Frames as cameras and films give them: what becomes of their colours and bytes."""

import contextlib
import io
from typing import Final

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, features

from affectline.common.vision.jpeg_header import read_size
from affectline.services.capture.frame_image import (
    FULL_CHROMA,
    FULL_LUMA,
    JpegImage,
    Planes,
    YuyvImage,
    split_bgr,
    with_huffman_tables,
)
from tests.fake_camera import TABLES, cut_off, motion_jpeg, packed, without_tables

Bgr = NDArray[np.uint8]
COLOURS: Final = [
    (0, 0, 0), (255, 255, 255), (128, 128, 128), (40, 60, 200), (200, 80, 40), (60, 180, 60),
]  # fmt: skip
"""Black, white, gray, red, blue and green, as BGR."""
SIDES: Final = st.integers(1, 67)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (32, 18)) -> Bgr:
    """An image of one colour; the size is (width, height)."""
    return np.full((size[1], size[0], 3), colour, np.uint8)


def scene(width: int, height: int) -> Bgr:
    """An image that changes slowly from its left to its right, and from its top to its bottom."""
    right, bottom = 20 + min(width, 210), 30 + min(height, 190)
    across, down = np.meshgrid(np.linspace(20, right, width), np.linspace(30, bottom, height))
    return np.dstack([across, down, 255 - across]).astype(np.uint8)


def decoded(data: bytes) -> Bgr:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, dtype=np.uint8)


def difference(one: Bgr, other: Bgr) -> float:
    """Mean absolute difference."""
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def pillow_jpeg(image: Bgr, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image[:, :, ::-1]).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_stay_what_they_are_as_planes(colour: tuple[int, int, int]) -> None:
    image = plain(colour)
    planes = split_bgr(image)
    assert (planes.luma.shape, planes.blue.shape, planes.red.shape) == ((18, 32), (9, 16), (9, 16))
    assert np.abs(planes.to_bgr().astype(int) - image).max() <= 2
    assert np.abs(decoded(planes.to_jpeg(95)).astype(int) - image).max() <= 4


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_stay_what_they_are_from_a_camera_without_compression(
    colour: tuple[int, int, int],
) -> None:
    image = plain(colour)
    (data,) = packed([image])
    frame = YuyvImage(np.frombuffer(data, np.uint8).reshape(18, 32, 2))
    assert frame.size == (32, 18)
    assert np.abs(frame.to_bgr().astype(int) - image).max() <= 4
    assert np.abs(frame.to_planes().to_bgr().astype(int) - image).max() <= 4
    assert np.abs(decoded(frame.to_planes().to_jpeg(95)).astype(int) - image).max() <= 6


def test_the_range_of_video_is_stretched_to_that_of_jpeg() -> None:
    assert [FULL_LUMA[i] for i in (0, 16, 126, 235, 255)] == [0, 0, 128, 255, 255]
    assert [FULL_CHROMA[i] for i in (0, 16, 128, 240, 255)] == [0, 0, 128, 255, 255]


@given(width=SIDES, height=SIDES)
def test_planes_of_every_size_become_the_same_jpeg(width: int, height: int) -> None:
    image = scene(width, height)
    planes = split_bgr(image)
    data = planes.to_jpeg(95)
    assert read_size(data) == (width, height)
    assert planes.to_bgr().shape == image.shape
    assert difference(planes.to_bgr(), image) < 2
    assert difference(decoded(data), image) < 3


@given(width=SIDES, height=SIDES, to_width=SIDES, to_height=SIDES)
def test_planes_are_scaled_to_every_size(
    width: int, height: int, to_width: int, to_height: int
) -> None:
    scaled = split_bgr(scene(width, height)).resize(to_width, to_height)
    half = -(-to_height // 2), -(-to_width // 2)
    assert scaled.luma.shape == (to_height, to_width)
    assert (scaled.blue.shape, scaled.red.shape) == (half, half)
    assert read_size(scaled.to_jpeg(90)) == (to_width, to_height)


def test_scaled_planes_show_what_a_scaled_image_shows() -> None:
    image = scene(1920, 1080)
    smaller = cv2.resize(image, (641, 361), interpolation=cv2.INTER_AREA)
    scaled = split_bgr(image).resize(641, 361)
    assert difference(scaled.to_bgr(), np.asarray(smaller, dtype=np.uint8)) < 1


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 5), (17, 9)])
@pytest.mark.parametrize("is_tall", [False, True])
def test_colours_may_have_all_rows(size: tuple[int, int], is_tall: bool) -> None:
    width, height = size
    rows = height if is_tall else -(-height // 2)
    colour = np.full((rows, -(-width // 2)), 90, np.uint8)
    planes = Planes(np.full((height, width), 120, np.uint8), colour, colour)
    assert planes.to_bgr().shape == (height, width, 3)
    assert read_size(planes.to_jpeg(90)) == size
    assert difference(decoded(planes.to_jpeg(100)), planes.to_bgr()) < 2


def test_an_image_larger_than_jpeg_allows_is_refused() -> None:
    planes = split_bgr(plain((1, 2, 3), (65_600, 2)))
    with pytest.raises(ValueError, match=r"."):
        planes.to_jpeg(90)


@given(half_width=st.integers(1, 33), height=SIDES)
def test_yuyv_of_every_height(half_width: int, height: int) -> None:
    image = scene(2 * half_width, height)
    rows = [next(packed([image[[row]]])) for row in range(height)]
    frame = YuyvImage(np.frombuffer(b"".join(rows), np.uint8).reshape(height, -1, 2))
    planes = frame.to_planes()
    assert frame.size == (2 * half_width, height)
    assert planes.luma.shape == (height, 2 * half_width)
    assert planes.blue.shape == planes.red.shape == (-(-height // 2), half_width)
    assert frame.to_bgr().shape == image.shape
    assert read_size(planes.to_jpeg(90)) == frame.size
    assert difference(planes.to_bgr(), frame.to_bgr()) < 2
    assert difference(frame.to_bgr(), image) < 3


def test_a_jpeg_is_passed_on_without_what_fills_the_buffer_up() -> None:
    (whole,) = motion_jpeg([scene(64, 48)], tables=True, padding=1)
    for filled in (whole, whole + bytes(300), whole + b"\xff" * 300, whole + b"\0left over\xff"):
        image = JpegImage(filled)
        assert (image.data, image.size) == (whole, (64, 48))
        assert np.array_equal(image.to_bgr(), decoded(whole))
        assert difference(image.to_planes().to_bgr(), image.to_bgr()) < 3


def test_what_is_no_whole_jpeg_is_refused() -> None:
    (whole,) = motion_jpeg([scene(64, 48)])
    for data in (
        b"",
        bytes(100),
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        np.random.default_rng(0).bytes(99),
    ):
        with pytest.raises(ValueError, match="not a JPEG file"):
            JpegImage(data)
    with pytest.raises(ValueError, match="cut off"):
        JpegImage(cut_off(whole))
    for length in range(len(whole.rstrip(b"\0"))):
        with pytest.raises(ValueError, match=r"cut off|not a JPEG file"):
            JpegImage(whole[:length])


def test_the_end_of_a_small_picture_inside_is_no_end() -> None:
    (whole,) = motion_jpeg([scene(64, 48)], tables=True, padding=1)
    (small,) = motion_jpeg([scene(16, 12)], tables=True, padding=1)
    segment = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    with_small = whole[:2] + segment + whole[2:]
    assert JpegImage(with_small).size == (64, 48)
    with pytest.raises(ValueError, match="cut off"):
        JpegImage(with_small[:-100])


def test_a_jpeg_whose_scan_is_unreadable_says_so() -> None:
    (whole,) = motion_jpeg([scene(64, 48)], tables=True, padding=1)
    counts = whole.index(TABLES) + 5  # of the codes of each length
    image = JpegImage(whole[:counts] + b"\xee" * 16 + whole[counts + 16 :])
    with pytest.raises(ValueError, match="damaged"):
        image.to_bgr()


@pytest.mark.parametrize("maker", ["opencv", "pillow", "pillow 4:2:0", "pillow gray"])
def test_left_out_tables_are_added(maker: str) -> None:
    image = scene(199, 101)
    if maker == "opencv":
        (original,) = motion_jpeg([image], tables=True, padding=1)
    elif maker == "pillow gray":
        file = io.BytesIO()
        Image.fromarray(image[:, :, 0]).save(file, "JPEG", quality=90)
        original = file.getvalue()
    else:
        original = pillow_jpeg(image, quality=90, subsampling=2 if "4:2:0" in maker else 0)
    assert TABLES in original
    stripped = without_tables(original)
    assert TABLES not in stripped[: stripped.index(b"\xff\xda")]
    completed = with_huffman_tables(stripped)
    assert completed.count(TABLES, 0, completed.index(b"\xff\xda")) == 4
    assert np.array_equal(decoded(completed), decoded(original))
    by_pillow, as_before = (
        np.asarray(Image.open(io.BytesIO(data))) for data in (completed, original)
    )
    assert np.array_equal(by_pillow, as_before)


@pytest.mark.parametrize("options", [{"optimize": True}, {"progressive": True}])
def test_own_tables_stay(options: dict[str, bool]) -> None:
    assert features.check("jpg")
    data = pillow_jpeg(scene(64, 48), **options)
    assert with_huffman_tables(data) == data
    assert JpegImage(data).data == data


@given(st.binary(max_size=200))
def test_anything_else_stays_as_it_is_or_is_refused(data: bytes) -> None:
    assert len(with_huffman_tables(data)) >= len(data)
    for start in (b"", b"\xff\xd8", b"\xff\xd8\xff"):
        with contextlib.suppress(ValueError):  # and nothing else
            assert JpegImage(start + data).size.pixels > 0


def test_notes_of_a_telephone_are_left_out() -> None:
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 256, (40, 64, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010E] = "Baker Street 221b"
    file, plain = io.BytesIO(), io.BytesIO()
    image.save(file, "JPEG", exif=exif, comment=b"at home")
    image.save(plain, "JPEG")
    noted = JpegImage(file.getvalue())
    assert b"Baker" in file.getvalue()
    assert noted.data == JpegImage(plain.getvalue()).data
    assert noted.to_bgr().shape == (40, 64, 3)
