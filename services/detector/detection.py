"""The interface of a face detector: a class with a settings model, for grayscale images.

A detector only has to implement `FaceDetector`. One that is too slow to search the whole of every
frame may also implement `IncrementalFaceDetector`.
"""

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

STRONG_EVIDENCE: Final = 16.0
"""Evidence that confirms a face at once: 2 of 258 false detections in images without a face reached
it, and 74 % of the upright detections in clips of faces."""

View = Literal["frontal", "any"]
"""How a face was found: by the cascade, which finds frontal faces, or only by a network."""


class Detection(NamedTuple):
    """A face in an image: a square, perhaps rolled."""

    x: float
    """Centre in pixels from the left."""
    y: float
    """Centre in pixels from the top."""
    side: float
    """Side in pixels, framed like the Haar cascade's: from mid-forehead to below the lips."""
    angle: float = 0.0
    """Roll in degrees, positive counter-clockwise on the screen."""
    evidence: float = STRONG_EVIDENCE
    """Strength of the detection on the Haar cascade's scale: the number of overlapping windows that
    agree, summed over all angles searched. `STRONG_EVIDENCE` confirms a face at once, and so do
    three detections of 9 on average; with less, only landmarks confirm it."""
    view: View = "frontal"

    def distance_to(self, other: "Detection") -> float:
        """Distance between the centres, in pixels."""
        return math.hypot(self.x - other.x, self.y - other.y)

    def overlaps(self, other: "Detection") -> bool:
        """Whether the two are too close to be two faces."""
        return self.distance_to(other) < 0.5 * max(self.side, other.side)


class FaceDetector(Protocol):
    """Finds the faces of an image; the result depends only on the image and the arguments.

    A detector that settings can name also has a class attribute ``settings_model``, which extends
    `affectline.common.settings.detector.DetectorSettings`, and is created with an instance of it.
    """

    def detect(self, gray: NDArray[np.uint8]) -> list[Detection]:
        """Find all faces.

        Args:
            gray: ``(H, W) uint8``, not to be changed.
        """


ScanScope = Literal["first", "lost", "searching", "idle", "steady"]
"""The purpose of a part of a scan. In the ``first`` image of a stream, and in the first one after
all faces were ``lost``, as by a cut, everything that matters is searched. After that, a part at a
time: ``searching`` while a face is missing or none is known, ``idle`` after a while without faces,
``steady`` beside known ones."""

SearchEffort = Literal["place", "fast", "measure", "confirm", "recover"]
"""How closely to search for a face near its last place. ``place`` gives only its place, if its
landmarks give its size and roll; ``fast`` also its roll if that may have changed; ``measure`` its
size and roll. ``confirm`` searches all angles, so that the evidence shows whether it is a face at
all; ``recover`` searches harder and farther for a face that was missed."""


@runtime_checkable
class IncrementalFaceDetector(FaceDetector, Protocol):
    """A detector that spreads a full scan over several frames, and tracks known faces cheaply."""

    def scan(
        self, gray: NDArray[np.uint8], known: Sequence[Detection], scope: ScanScope, turn: int
    ) -> list[Detection]:
        """Do one part of a full scan, small enough that no frame has to wait for it.

        Args:
            gray: ``(H, W) uint8``, not to be changed.
            known: Faces that need no search.
            scope: The purpose of the scan.
            turn: Counts the parts, so that each gets its turn.

        Returns:
            Faces other than the known ones, each searched closely enough to measure its evidence.
        """

    def redetect(
        self, gray: NDArray[np.uint8], last: Detection, effort: SearchEffort
    ) -> Detection | None:
        """Find one face near its last place."""


def without_repeats(found: Sequence[Detection], known: Sequence[Detection] = ()) -> list[Detection]:
    """Each face once, by its largest detection, without faces that are known already."""
    kept: list[Detection] = []
    for one in sorted(found, key=lambda face: -face.side):
        if not any(one.overlaps(other) for other in (*known, *kept)):
            kept.append(one)
    return kept
