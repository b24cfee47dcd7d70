"""Small films and pictures, made for tests."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray


def picture(number: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    """A picture whose brightness tells its number, bright in its upper left corner."""
    image = np.full((size[1], size[0], 3), number % 100, np.uint8)
    image[:8, :8] = 255
    return image


def film(path: Path, frames: int, rate: float = 25, size: tuple[int, int] = (64, 48)) -> Path:
    """An MP4 or AVI of so many frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = cv2.VideoWriter.fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
    writer = cv2.VideoWriter(str(path), codec, rate, size)
    for number in range(frames):
        writer.write(picture(number, size))
    writer.release()
    return path


QUARTER: Final = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
"""The matrix of 90 degrees clockwise."""


def turn(path: Path, shown: Sequence[int] = QUARTER) -> Path:
    """Write the matrix into an MP4 by which it is to be shown (ISO 14496-12)."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", *shown)
    path.write_bytes(data)
    return path


def index_first(path: Path) -> Path:
    """Move the index of an MP4 before its pictures, as for streaming, so that a part plays."""
    data = path.read_bytes()
    boxes, at = {}, 0
    while at < len(data):
        length = struct.unpack(">I", data[at : at + 4])[0]
        boxes[data[at + 4 : at + 8]] = (at, data[at : at + length])
        at += length
    moov, mdat_at = bytearray(boxes[b"moov"][1]), boxes[b"mdat"][0]
    new_mdat_at = len(boxes[b"ftyp"][1]) + len(moov)
    table = moov.index(b"stco") + 8
    for i in range(struct.unpack(">I", moov[table : table + 4])[0]):
        where = slice(table + 4 + 4 * i, table + 8 + 4 * i)
        offset = struct.unpack(">I", moov[where])[0] + new_mdat_at - mdat_at
        moov[where] = struct.pack(">I", offset)
    path.write_bytes(boxes[b"ftyp"][1] + bytes(moov) + boxes[b"mdat"][1])
    return path


def cut(path: Path, part: float) -> Path:
    """Cut a file short."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path
