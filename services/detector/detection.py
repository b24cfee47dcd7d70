"""What a face detector is: a class with a settings model that finds faces in a grayscale image.

`FaceDetector` is all that a detector needs. One that is too slow to search the whole of every frame
may be an `IncrementalFaceDetector` as well.
"""

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

STRONG_EVIDENCE: Final = 16.0
"""Evidence that confirms a face at once: 2 of 258 false detections in images without a face had as
much, and 74 % of the upright detections in clips of faces."""

View = Literal["frontal", "any"]
"""How a face was seen: by the cascade, which knows frontal ones, or only by a network."""


class Detection(NamedTuple):
    """A face in an image: a square, perhaps rolled."""

    x: float
    """Centre in pixels from the left."""
    y: float
    """Centre in pixels from the top."""
    side: float
    """In pixels, framed as by the Haar cascade: from mid-forehead to below the lips."""
    angle: float = 0.0
    """Roll in degrees, positive counter-clockwise on the screen."""
    evidence: float = STRONG_EVIDENCE
    """How sure it is, on the scale of the Haar cascade: the number of overlapping windows that
    agree, added up over all directions searched. `STRONG_EVIDENCE` confirms a face at once; three
    detections of 9 on average confirm it, too; with less, only its landmarks do."""
    view: View = "frontal"

    def distance_to(self, other: "Detection") -> float:
        """Between the centres, in pixels."""
        return math.hypot(self.x - other.x, self.y - other.y)

    def overlaps(self, other: "Detection") -> bool:
        """Whether the two are too close to be two faces."""
        return self.distance_to(other) < 0.5 * max(self.side, other.side)


class FaceDetector(Protocol):
    """Finds the faces of an image, which depend on the image and the arguments alone.

    A detector that settings can name also has a class attribute ``settings_model``, which extends
    `affectline.common.settings.detector.DetectorSettings`, and is made with an instance of it.
    """

    def detect(self, gray: NDArray[np.uint8]) -> list[Detection]:
        """Find all faces.

        Args:
            gray: ``(H, W) uint8``, not to be changed.
        """


ScanScope = Literal["first", "lost", "searching", "idle", "steady"]
"""What a part of a scan is for. The ``first`` image of a stream has all that matters, and so has
the first one after all faces were ``lost``, as by a cut; then a part at a time: ``searching`` while
a face is missing or none is known, ``idle`` after nothing was there for a while, ``steady`` beside
known ones."""

SearchEffort = Literal["place", "fast", "measure", "confirm", "recover"]
"""How closely to search for a face near its last place: ``place`` gives its place alone, as its
size and roll are known from its landmarks, ``fast`` its roll as well where that may have changed,
``measure`` its size and its roll, ``confirm`` searches all directions, so that the evidence shows
whether it is a face at all, and ``recover`` searches harder and farther for a face that was
missed."""


@runtime_checkable
class IncrementalFaceDetector(FaceDetector, Protocol):
    """A detector that spreads a full scan over several frames, and tracks known faces cheaply."""

    def scan(
        self, gray: NDArray[np.uint8], known: Sequence[Detection], scope: ScanScope, turn: int
    ) -> list[Detection]:
        """Do one part of a full scan, small enough that no frame needs to wait for it.

        Args:
            gray: ``(H, W) uint8``, not to be changed.
            known: Faces that need no search.
            scope: What for.
            turn: Counts the parts, so that each has its turn.

        Returns:
            Faces other than the known ones, each searched closely enough to have its evidence.
        """

    def redetect(
        self, gray: NDArray[np.uint8], last: Detection, effort: SearchEffort
    ) -> Detection | None:
        """Find one face near its last place."""


def without_repeats(found: Sequence[Detection], known: Sequence[Detection] = ()) -> list[Detection]:
    """Each face once, the largest detection of it, and none that is known already."""
    kept: list[Detection] = []
    for one in sorted(found, key=lambda face: -face.side):
        if not any(one.overlaps(other) for other in (*known, *kept)):
            kept.append(one)
    return kept
