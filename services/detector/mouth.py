"""Measures the mouth of a face: how far it is open, and whether the person speaks."""

import math
from collections import deque
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.canonical_face import CanonicalFace, load_canonical_face
from affectline.services.detector.foreshortening import Opening
from affectline.services.detector.head_pose import HeadPose

_CORNERS: Final = (78, 308)
"""Landmarks of the inner corners of the lips."""
_LIPS: Final = (13, 14)
"""Landmarks in the middle of the inner edges of the upper and lower lip."""
_UPPER: Final = (82, 13, 312)
_LOWER: Final = (87, 14, 317)

_STEP: Final = 0.08
"""Least movement that counts, as a share of the mouth's width: more than the smoothed opening of a
resting mouth, or of one held open, jitters (docs/signs.md)."""
_STEP_PX: Final = 2.0
"""The same in pixels: the jitter of small faces' landmarks."""
_SMOOTHING_NS: Final = 80e6
"""Time constant over which the opening is smoothed, shorter than a syllable."""
_TURNS: Final = 3
"""Changes between opening and shutting that count as speech ..."""
_TURNS_NS: Final = 1_500_000_000
"""... within 1.5 s. Syllables come at 2 to 8 a second (Poeppel & Assaneo 2020); a yawn, a smile or
a laugh changes direction once or twice."""


class Mouth(NamedTuple):
    """A mouth."""

    opening: float
    """Gap between the lips as a share of the mouth's width, as seen from the front, 0 to 1."""
    width: float
    """Apparent width in pixels."""


class MouthReader:
    """Measures how far a mouth is open.

    Args:
        face: The canonical face; None: the included one.
    """

    def __init__(self, face: CanonicalFace | None = None) -> None:
        self._mouth = Opening(face or load_canonical_face(), _CORNERS, _LIPS)

    def read(self, points: NDArray[np.floating], pose: HeadPose | None) -> Mouth:
        """Measure a mouth.

        Args:
            points: ``(468, 3)`` landmarks of the face, in pixels.
            pose: Pose of the head; None: it is assumed to face the camera.
        """
        gaps = points[_UPPER, :2] - points[_LOWER, :2]
        across = points[_CORNERS[1], :2] - points[_CORNERS[0], :2]
        width = max(1.0, float(np.hypot(*across)))
        gap = float(np.hypot(gaps[:, 0], gaps[:, 1]).mean()) / width
        if pose is not None:
            gap /= max(self._mouth.seen_from(pose).opening, 0.3)
        return Mouth(min(1.0, gap), width)


class SpeechDetector:
    """Distinguishes speech from an open mouth by the alternating opening of the mouth."""

    def __init__(self) -> None:
        self._smooth: float | None = None
        self._last = 0
        self._extreme = 0.0
        """The greatest, or the least, opening of the current movement so far."""
        self._is_rising = True
        self._turns: deque[int] = deque()

    def add(self, at: int, opening: float, width: float) -> bool:
        """Add a frame; return whether the person speaks.

        Args:
            at: Nanoseconds on the session's time line.
            opening: Opening of the mouth as a share of its width.
            width: Width of the mouth in pixels.
        """
        while self._turns and at - self._turns[0] > _TURNS_NS:
            self._turns.popleft()
        if self._smooth is None:
            self._smooth = self._extreme = opening
        gain = 1 - math.exp(-max(0, at - self._last) / _SMOOTHING_NS)
        self._smooth += gain * (opening - self._smooth)
        self._last = at
        if (self._smooth > self._extreme) == self._is_rising:
            self._extreme = self._smooth
        elif abs(self._smooth - self._extreme) >= max(_STEP, _STEP_PX / max(width, 1.0)):
            self._is_rising = not self._is_rising
            self._extreme = self._smooth
            self._turns.append(at)
        return len(self._turns) >= _TURNS
