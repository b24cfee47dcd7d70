"""A detector's networks and searches behind `Measurements`: asked once of each frame and place.

They depend on nothing but the image and their arguments, which a detector of another package must
promise as well (`FaceDetector`).
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from affectline.common.measurements import Measurements
from affectline.services.detector.detection import (
    Detection,
    FaceDetector,
    IncrementalFaceDetector,
    ScanScope,
    SearchEffort,
)
from affectline.services.detector.eyes import Eye, EyePlace, EyeReader
from affectline.services.detector.face_mesh import FaceMesh, Landmarks


class MeasuredDetector(FaceDetector):
    """A detector that searches the whole of every image."""

    def __init__(self, detector: FaceDetector, measurements: Measurements) -> None:
        self._all, self._measurements = detector, measurements
        self.needs_landmarks = getattr(detector, "needs_landmarks", False)

    def detect(self, gray: NDArray[np.uint8]) -> list[Detection]:
        question = ("detect", gray.shape)
        return list(self._measurements.find(question, lambda: self._all.detect(gray)))


class MeasuredIncrementalDetector(MeasuredDetector, IncrementalFaceDetector):
    """A detector that scans in parts, and searches near known faces."""

    def __init__(self, detector: IncrementalFaceDetector, measurements: Measurements) -> None:
        super().__init__(detector, measurements)
        self._parts = detector

    def scan(
        self, gray: NDArray[np.uint8], known: Sequence[Detection], scope: ScanScope, turn: int
    ) -> list[Detection]:
        question = ("scan", gray.shape, tuple(known), scope, turn)
        found = self._measurements.find(
            question, lambda: self._parts.scan(gray, known, scope, turn)
        )
        return list(found)

    def redetect(
        self, gray: NDArray[np.uint8], last: Detection, effort: SearchEffort
    ) -> Detection | None:
        question = ("redetect", gray.shape, last, effort)
        return self._measurements.find(question, lambda: self._parts.redetect(gray, last, effort))


class MeasuredMesh(FaceMesh):
    """A face mesh."""

    def __init__(self, mesh: FaceMesh, measurements: Measurements) -> None:
        self._mesh, self._measurements = mesh, measurements

    def find(self, gray: NDArray[np.uint8], face: Detection) -> Landmarks:
        # The evidence for a face is nothing that its landmarks depend on
        question: Hashable = ("mesh", gray.shape, face[:4])
        return self._measurements.find(question, lambda: self._mesh.find(gray, face))


class MeasuredEyeReader(EyeReader):
    """A reader of eyes."""

    def __init__(self, measurements: Measurements) -> None:
        super().__init__()
        self._measurements = measurements

    def read_one(self, gray: NDArray[np.uint8], place: EyePlace) -> Eye:
        question = ("eye", gray.shape, place)
        return self._measurements.find(
            question, lambda: super(MeasuredEyeReader, self).read_one(gray, place)
        )


def measured(detector: FaceDetector, measurements: Measurements) -> FaceDetector:
    """The same detector behind measurements."""
    if isinstance(detector, IncrementalFaceDetector):
        return MeasuredIncrementalDetector(detector, measurements)
    return MeasuredDetector(detector, measurements)
