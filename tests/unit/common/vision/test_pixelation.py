"""What is left of a face is a few blocks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from affectline.common.vision.pixelation import (
    MOST_BLANK_PIXELS,
    WHOLE_BLOCKS,
    blank,
    decode_pixelated,
    decode_writable,
    encode_image,
    pixelate,
    pixelate_all,
)
from affectline.common.wire.messages import Box, Frame


def noise(width: int = 160, height: int = 120) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def colours(part: NDArray[np.uint8]) -> int:
    return len(np.unique(part.astype(np.uint32) @ (1, 256, 65536)))


def test_what_is_left_of_a_face_is_less_than_three_blocks_across() -> None:
    picture = noise()
    pixelate(picture, [(50, 40, 40, 40)])
    assert colours(picture[28:92, 38:102]) <= 64, "with hair, chin and ears"
    assert colours(picture[45:75, 55:85]) <= 16
    assert (picture[:10] == noise()[:10]).all(), "nothing far away is touched"
    assert (picture[:, 120:] == noise()[:, 120:]).all()


@pytest.mark.parametrize(
    "box", [(-500, 0, 10, 10), (155, 115, 40, 40), (-20, -20, 60, 60), (0, 0, 0, 0)]
)
def test_boxes_beyond_the_picture(box: Box) -> None:
    picture = noise()
    pixelate(picture, [box])
    assert picture.shape == (120, 160, 3)
    is_visible = box[0] + 1.3 * box[2] > 0 and box[2] > 0
    assert (picture != noise()).any() == is_visible


def test_many_boxes_are_one_path() -> None:
    picture = noise()
    pixelate(picture, [(x, 40, 30, 30) for x in range(0, 120)])
    assert colours(picture[40:70]) <= 4 * 21


def test_the_largest_face_sets_the_blocks() -> None:
    picture = noise()
    pixelate(picture, [(10, 10, 60, 60), (120, 80, 12, 12)])
    assert colours(picture[10:70, 10:70]) <= 25
    assert colours(picture[80:92, 120:132]) <= 4


@pytest.mark.parametrize("size", [(160, 120), (120, 160), (3, 2), (1, 1)])
def test_a_whole_picture_keeps_no_face_that_fills_it(size: tuple[int, int]) -> None:
    picture = noise(*size)
    pixelate_all(picture)
    assert picture.shape == (size[1], size[0], 3)
    longer = max(size) / min(size) * WHOLE_BLOCKS
    assert colours(picture) <= WHOLE_BLOCKS * longer


def frame(encoding: str, width: int = 160, height: int = 120) -> Frame:
    message = Frame.example().model_copy(update={"width": width, "height": height})
    return Frame.model_validate(message.model_dump() | {"encoding": encoding})


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_pictures_stay_in_their_encoding(encoding: str) -> None:
    data = encode_image(frame(encoding), noise())
    assert data.startswith(b"\xff\xd8") == (encoding == "jpeg")
    picture = decode_writable(frame(encoding), data)
    assert picture is not None
    pixelate(picture, [(50, 40, 40, 40)])
    if encoding == "raw":
        assert data == noise().tobytes(), "the message itself is not changed"


@pytest.mark.parametrize("size", [(640, 360), (161, 121), (24, 16), (3, 2)])
@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_a_whole_picture_is_decoded_as_coarsely_as_it_is_shown(
    encoding: str, size: tuple[int, int]
) -> None:
    gradient = np.linspace(0, 255, size[0], dtype=np.uint8)
    picture = np.ascontiguousarray(np.tile(gradient[None, :, None], (size[1], 1, 3)))
    about = frame(encoding, *size)
    coarse = decode_pixelated(about, encode_image(about, picture))
    assert coarse is not None
    assert coarse.shape == picture.shape
    pixelate_all(picture)
    assert colours(coarse) <= WHOLE_BLOCKS * WHOLE_BLOCKS * 2
    assert size[0] < 100 or np.abs(coarse.astype(int) - picture).mean() < 8


def test_what_cannot_be_decoded_is_gray() -> None:
    assert decode_writable(frame("jpeg"), b"\xff\xd8nothing") is None
    assert decode_writable(frame("jpeg", 80), encode_image(frame("jpeg"), noise())) is None
    assert decode_writable(frame("jpeg"), b"") is None
    assert decode_pixelated(frame("jpeg"), b"\xff\xd8nothing") is None
    assert decode_pixelated(frame("jpeg", 80), encode_image(frame("jpeg"), noise())) is None
    assert decode_pixelated(frame("jpeg"), b"") is None
    picture = blank(frame("jpeg"))
    assert colours(picture) == 1
    assert blank(frame("jpeg", 65535, 65535)).size == 3
    assert 65535 * 65535 > MOST_BLANK_PIXELS > 8192 * 8192
    assert encode_image(frame("jpeg"), picture).startswith(b"\xff\xd8")
