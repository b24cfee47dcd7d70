"""A film of a face in which each frame shows its own number, so that mix-ups are detected."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.services.capture.sample_clip import find_sample

RATE: Final = 25
"""Frames a second."""
SIDE: Final = 16
"""Side of a square in pixels: large enough to survive MPEG-4 and JPEG."""
BITS: Final = 11
WHITE: Final = 128


def write_film(path: Path, frames: int, rate: float = RATE) -> Path:
    """Write the sample clip, forwards and backwards in turn, each frame above its number."""
    pictures = _read_sample()
    there_and_back = pictures + pictures[-2:0:-1]
    height, width = pictures[0].shape[:2]
    size = (width, height + SIDE)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    for number in range(frames):
        image = there_and_back[number % len(there_and_back)]
        writer.write(np.vstack([image, _draw(number, width)]))
    writer.release()
    return path


def picture(number: int) -> NDArray[np.uint8]:
    """Return one such frame, for a camera."""
    pictures = _read_sample()
    image = pictures[number % len(pictures)]
    return np.vstack([image, _draw(number, image.shape[1])])


def read_number(jpeg: bytes) -> int | None:
    """Return the number that a frame shows; None if its image cannot be decoded."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        return None
    inner = slice(SIDE // 4, 3 * SIDE // 4)
    strip = image[-SIDE:][inner]
    squares = [strip[:, bit * SIDE : (bit + 1) * SIDE][:, inner] for bit in range(BITS)]
    return sum(int(square.mean() > WHITE) << bit for bit, square in enumerate(squares))


def _draw(number: int, width: int) -> NDArray[np.uint8]:
    strip = np.zeros((SIDE, width, 3), np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            strip[:, bit * SIDE : (bit + 1) * SIDE] = 255
    return strip


_pictures: list[NDArray[np.uint8]] = []


def _read_sample() -> list[NDArray[np.uint8]]:
    if not _pictures:
        clip = cv2.VideoCapture(str(find_sample()))
        while (read := clip.read())[0]:
            _pictures.append(np.asarray(read[1], np.uint8))
        clip.release()
    return _pictures
