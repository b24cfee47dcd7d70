"""Checks whether the end of a video file is missing, by the sizes that its container declares."""

import struct
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO, Final

FIRST_BOXES: Final = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
"""Boxes with which an MP4 or QuickTime file may begin."""
EBML: Final = b"\x1a\x45\xdf\xa3"
"""The bytes with which Matroska and WebM files begin."""
SEGMENT: Final = b"\x18\x53\x80\x67"
ASF_HEADER: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
"""The bytes with which WMV and other ASF files begin."""
ASF_FILE_PROPERTIES: Final = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_MOST_HEADERS: Final = 1000


class Completeness(Enum):
    """Whether a file has all the bytes that it declares."""

    WHOLE = auto()
    CUT_OFF = auto()
    UNKNOWN = auto()
    """The container declares no size."""


def check_completeness(path: Path) -> tuple[Completeness, int]:
    """Whether a file is whole, and how many bytes are missing at its end.

    MP4, QuickTime, AVI, Matroska, WebM and WMV declare their size; for others the answer is
    unknown.

    Raises:
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    end = None
    with path.open("rb") as file:
        start = file.read(12)
        if start[4:8] in FIRST_BOXES:
            end = _boxes_end(file, size)
        elif start[:4] == b"RIFF" and start[8:12] == b"AVI " and size < 2**30:
            end = struct.unpack("<I", start[4:8])[0] + 8
        elif start[:4] == EBML:
            end = _segment_end(file)
        elif start == ASF_HEADER[:12]:
            end = _asf_end(file)
    if end is None:
        return Completeness.UNKNOWN, 0
    return (Completeness.CUT_OFF, end - size) if end > size else (Completeness.WHOLE, 0)


def missing_bytes(path: Path) -> int:
    """Number of bytes missing at the end of a file; 0 if none or unknown."""
    return check_completeness(path)[1]


def _boxes_end(file: BinaryIO, size: int) -> int:
    """The declared end of the last top-level box (ISO 14496-12, 4.2)."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length: int = struct.unpack(">I", head[:4])[0]
        if length == 1 and len(head) == 16:  # a 64-bit length follows the type
            length = struct.unpack(">Q", head[8:])[0]
        if length < 8:  # 0: up to the end of the file; anything else is not a box
            return size
        at += length
    return at


def _segment_end(file: BinaryIO) -> int | None:
    """The declared end of a Matroska file's segment (RFC 9559); None if it declares none."""
    file.seek(4)
    header = _read_size(file)
    if header is None:
        return None
    file.seek(header, 1)
    if file.read(4) != SEGMENT:
        return None
    length = _read_size(file)
    return None if length is None else file.tell() + length


def _read_size(file: BinaryIO) -> int | None:
    """Read an EBML size (RFC 8794, 6); None if it is unknown, as in a live stream."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(more)) & ((1 << 7 * (more + 1)) - 1)
    return None if value == (1 << 7 * (more + 1)) - 1 else value


def _asf_end(file: BinaryIO) -> int | None:
    """The size that an ASF file declares (Advanced Systems Format, 3.2); None for a broadcast."""
    file.seek(0)
    head = file.read(30)
    if len(head) < 30 or head[:16] != ASF_HEADER:
        return None
    for _ in range(min(ASF_MOST_HEADERS, int.from_bytes(head[24:28], "little"))):
        name, size = file.read(16), int.from_bytes(file.read(8), "little")
        if name == ASF_FILE_PROPERTIES:
            properties = file.read(68)
            is_broadcast = len(properties) < 68 or properties[64] & 1
            return None if is_broadcast else int.from_bytes(properties[16:24], "little") or None
        if size < 24:
            return None
        file.seek(size - 24, 1)
    return None
