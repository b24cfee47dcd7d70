"""The mouth of a face: how far it is open, and whether it speaks."""

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
"""Least movement that counts, as a share of the mouth's width: more than the opening of a resting
mouth, or of one held open, jitters by once it is smoothed (docs/signs.md)."""
_STEP_PX: Final = 2.0
"""The same in pixels: landmarks of small faces jitter by as many."""
_SMOOTHING_NS: Final = 80e6
"""Time constant over which the opening is smoothed, shorter than a syllable."""
_TURNS: Final = 3
"""Speech turns between opening and shutting so often ..."""
_TURNS_NS: Final = 1_500_000_000
"""... in 1.5 s; syllables come at 2 to 8 a second (Poeppel & Assaneo 2020). A yawn, a smile or a
laugh turns once or twice."""


class Mouth(NamedTuple):
    """A mouth."""

    opening: float
    """Gap between the lips as a share of the mouth's width, as seen from the front, 0 to 1."""
    width: float
    """In pixels, as it is seen."""


class MouthReader:
    """Measures how far a mouth is open.

    Args:
        face: The canonical face; None: the one that is included.
    """

    def __init__(self, face: CanonicalFace | None = None) -> None:
        self._mouth = Opening(face or load_canonical_face(), _CORNERS, _LIPS)

    def read(self, points: NDArray[np.floating], pose: HeadPose | None) -> Mouth:
        """Measure a mouth.

        Args:
            points: ``(468, 3)`` landmarks of the face, in pixels.
            pose: Of the head; None: it is taken to face the camera.
        """
        gaps = points[_UPPER, :2] - points[_LOWER, :2]
        across = points[_CORNERS[1], :2] - points[_CORNERS[0], :2]
        width = max(1.0, float(np.hypot(*across)))
        gap = float(np.hypot(gaps[:, 0], gaps[:, 1]).mean()) / width
        if pose is not None:
            gap /= max(self._mouth.seen_from(pose).opening, 0.3)
        return Mouth(min(1.0, gap), width)


class SpeechDetector:
    """Tells a mouth that speaks from one that is merely open: its opening alternates."""

    def __init__(self) -> None:
        self._smooth: float | None = None
        self._last = 0
        self._extreme = 0.0
        """Of the movement that goes on: the greatest opening so far, or the least."""
        self._is_rising = True
        self._turns: deque[int] = deque()

    def add(self, at: int, opening: float, width: float) -> bool:
        """Add a frame; whether the person speaks.

        Args:
            at: Nanoseconds on the session's time line.
            opening: Of the mouth, in shares of its width.
            width: Of the mouth, in pixels.
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
