"""Reading the size of a JPEG image from its header, before it is decoded.

A file of a few hundred bytes may claim four thousand million pixels, and a decoder allocates memory
for them before it finds out that they are missing.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

_START_OF_IMAGE: Final = b"\xff\xd8"
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segment with the size (ITU-T T.81, table B.1)."""
_END_OF_IMAGE: Final = 0xD9
START_OF_SCAN: Final = 0xDA
"""Marker of a scan; the size comes before it."""
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
MOST_SEGMENTS: Final = 1000
"""Maximum number of segments before the size; cameras write a few dozen."""


class PictureSize(NamedTuple):
    """Size of an image in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


def read_size(data: bytes | memoryview) -> PictureSize | None:
    """The size of a JPEG file's image; None if it is not a JPEG file, or has no size."""
    if bytes(data[:2]) != _START_OF_IMAGE:
        return None
    for kind, at in find_segments(data):
        if kind in _FRAME_HEADERS:
            if at + 9 > len(data):
                return None
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            return PictureSize(width, height) if width and height else None
    return None


def find_segments(data: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """Markers and places of a JPEG file's segments, up to its first scan or its end."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        while at + 1 < len(data) and data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] == _END_OF_IMAGE:
            return
        kind = data[at + 1]
        if kind in _STANDALONE:
            at += 2
            continue
        yield kind, at
        if kind == START_OF_SCAN:
            return
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
