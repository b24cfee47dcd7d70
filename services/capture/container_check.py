"""Is the end of a video file missing? Answered from the sizes that its container declares."""

import struct
from pathlib import Path
from typing import BinaryIO, Final

FIRST_BOXES: Final = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
"""What an MP4 or QuickTime file may begin with."""


def missing_bytes(path: Path) -> int:
    """Bytes that are missing at the end of an MP4, QuickTime or AVI file; 0 if none or unknown."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[4:8] in FIRST_BOXES:
            return max(0, _boxes_end(file, size) - size)
        if start[:4] == b"RIFF" and start[8:12] == b"AVI " and size < 2**30:
            declared: int = struct.unpack("<I", start[4:8])[0]
            return max(0, declared + 8 - size)
    return 0


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last top-level box says that it ends (ISO 14496-12, 4.2)."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length: int = struct.unpack(">I", head[:4])[0]
        if length == 1 and len(head) == 16:  # a 64-bit length follows the type
            length = struct.unpack(">Q", head[8:])[0]
        if length < 8:  # 0: to the end of the file; anything else is no box
            return size
        at += length
    return at
