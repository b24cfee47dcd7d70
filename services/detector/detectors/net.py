"""Face detection by two small networks: frontal, turned and lowered faces."""

from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from affectline.services.detector.detection import (
    Detection,
    IncrementalFaceDetector,
    ScanScope,
    SearchEffort,
    without_repeats,
)
from affectline.services.detector.detector_settings import NetSettings
from affectline.services.detector.face_networks import CLEAR, FaceFinder, find_in_frame, find_near

_FOLLOW: Final = 2.2
"""Side of the patch that is searched near a face's last place, in sides of the face."""
_REGAIN: Final = 4.0
"""The same after the face was missed there."""
_REACH: Final = 0.6
"""A find within this distance, in sides of a face, is the same face."""
_MOST_LENGTHS: Final = 12
"""The most squares side by side along the longer side of an image."""
_LEAST_TILE: Final = 96
"""Pixels. Smaller squares would be enlarged more than twice, and a long strip has thousands."""

Area = tuple[int, int, int, int]


class NetDetector(IncrementalFaceDetector):
    """MediaPipe's face detectors: BlazeFace at full and at short range (Bazarevsky et al. 2019)."""

    settings_model = NetSettings
    needs_landmarks: ClassVar[bool] = True
    """A find counts as a face only once its landmarks confirm it."""

    def __init__(self, settings: NetSettings) -> None:
        self._full, self._short = FaceFinder("full"), FaceFinder("short")
        self._min_face = settings.min_face

    def detect(self, gray: NDArray[np.uint8]) -> list[Detection]:
        """Find all faces: in the whole image, and in its tiles, in which small faces are larger."""
        height, width = gray.shape
        parts = [(0, 0, width, height), *tiles(width, height, 1.0), *tiles(width, height, 0.5)]
        once = dict.fromkeys(parts)
        return without_repeats([face for part in once for face in self.search(gray, part)])

    def scan(
        self, gray: NDArray[np.uint8], known: Sequence[Detection], scope: ScanScope, turn: int
    ) -> list[Detection]:
        if scope == "idle" and turn % 2:
            return []
        if scope == "idle":
            turn //= 2
        if scope in ("searching", "idle") and turn % 2:
            return self.scan_tile(gray, known, turn // 2)
        if scope == "steady" and turn % 4 == 3:
            return self.scan_tile(gray, known, turn // 4)
        found = self.scan_whole(gray, known)
        if found or scope not in ("first", "lost"):
            return found
        parts = tiles(gray.shape[1], gray.shape[0], 1.0)
        return without_repeats([face for part in parts for face in self.search(gray, part)], known)

    def scan_whole(
        self, gray: NDArray[np.uint8], known: Sequence[Detection] = ()
    ) -> list[Detection]:
        """Find faces other than the known ones in the whole image."""
        return without_repeats(self.search(gray, (0, 0, gray.shape[1], gray.shape[0])), known)

    def scan_tile(
        self, gray: NDArray[np.uint8], known: Sequence[Detection], turn: int
    ) -> list[Detection]:
        """The same in one of the tiles that cover the image, in which small faces are larger."""
        parts = tiles(gray.shape[1], gray.shape[0], 1.0)
        return without_repeats(self.search(gray, parts[turn % len(parts)]), known)

    def search(self, gray: NDArray[np.uint8], part: Area) -> list[Detection]:
        """Find the faces in a part of the image that are large enough."""
        least = self._min_face * gray.shape[0]
        found = [face for face in find_in_frame(self._full, gray, part) if face.side >= least]
        return [self._look_again(gray, face) if face.evidence < CLEAR else face for face in found]

    def _look_again(self, gray: NDArray[np.uint8], face: Detection) -> Detection:
        """Check a weak find with the other network: if both see it, it counts like a strong one."""
        seen = self.redetect(gray, face, "fast")
        return face._replace(evidence=face.evidence + seen.evidence) if seen else face

    def redetect(
        self, gray: NDArray[np.uint8], last: Detection, effort: SearchEffort
    ) -> Detection | None:
        network, span = (self._full, _REGAIN) if effort == "recover" else (self._short, _FOLLOW)
        found = find_near(network, gray, last, span)
        near = [one for one in found if one.distance_to(last) < _REACH * last.side]
        alike = [one for one in near if 0.6 < one.side / last.side < 1.67]
        return min(alike, key=lambda one: one.distance_to(last), default=None)


def tiles(width: int, height: int, side: float) -> list[Area]:
    """Squares that cover an image and overlap by a third or more.

    Args:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        side: Side of the squares, relative to the image's shorter side. They have at least
            `_LEAST_TILE` pixels if the image does, and no strip is cut into more than about 18,
            because its search would take seconds.
    """
    longest = -(-max(width, height) // _MOST_LENGTHS)
    size = max(_LEAST_TILE, round(side * min(width, height)), longest)
    across, down = min(size, width), min(size, height)
    return [(x, y, across, down) for y in _starts(height, size) for x in _starts(width, size)]


def _starts(length: int, size: int) -> list[int]:
    """Where the squares begin along one side."""
    if length <= size:
        return [0]
    count = 1 + -(-(length - size) * 3 // (2 * size))
    return [round(i * (length - size) / (count - 1)) for i in range(count)]
