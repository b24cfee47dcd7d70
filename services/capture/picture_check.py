"""Checks whether a picture file is whole: decoders fill missing parts with gray, silently."""

import re
import struct
from typing import Final

_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The end of a JPEG's scan: a marker that is neither a stuffed byte nor a restart."""
_END, _SCAN = 0xD9, 0xDA


def find_damage(data: bytes) -> str:
    """What is wrong with a JPEG, PNG or WebP file, in words; empty if nothing is found."""
    if data[:2] == b"\xff\xd8":
        return "" if _is_whole_jpeg(data) else "cut off"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "" if _is_whole_png(data) else "cut off"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        declared: int = struct.unpack("<I", data[4:8])[0] + 8
        return "cut off" if declared > len(data) else ""
    return ""


def _is_whole_jpeg(data: bytes) -> bool:
    """Whether the file's own end marker is there (ITU-T T.81, B.1), not that of a preview."""
    at = 2
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            found = _MARKER.search(data, at)  # decoders skip bytes between segments
            if found is None:
                return False
            at = found.start()
        kind = data[at + 1]
        if kind == _END:
            return True
        if kind == 0xFF:  # fill byte
            at += 1
            continue
        if kind == 0x01 or 0xD0 <= kind <= 0xD8:  # a marker without a segment
            at += 2
            continue
        if at + 4 > len(data):
            return False
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        if kind == _SCAN:
            found = _MARKER.search(data, at)
            if found is None:
                return False
            at = found.start()
    return False


def _is_whole_png(data: bytes) -> bool:
    """Whether all chunks up to ``IEND`` are there."""
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        at += 12 + length
        if kind == b"IEND":
            return bool(at <= len(data))
    return False
