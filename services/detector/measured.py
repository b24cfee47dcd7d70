"""A detector's networks and searches behind `Measurements`: each runs once per frame and place.

Their results depend only on the image and the arguments, which detectors of other packages must
guarantee as well (`FaceDetector`).
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
    """A detector that searches the whole of every image, with stored results."""

    def __init__(self, detector: FaceDetector, measurements: Measurements) -> None:
        self._all, self._measurements = detector, measurements
        self.needs_landmarks = getattr(detector, "needs_landmarks", False)

    def detect(self, gray: NDArray[np.uint8]) -> list[Detection]:
        question = ("detect", gray.shape)
        return list(self._measurements.find(question, lambda: self._all.detect(gray)))


class MeasuredIncrementalDetector(MeasuredDetector, IncrementalFaceDetector):
    """A detector that scans in parts and searches near known faces, with stored results."""

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
    """A face mesh with stored results."""

    def __init__(self, mesh: FaceMesh, measurements: Measurements) -> None:
        self._mesh, self._measurements = mesh, measurements

    def find(self, gray: NDArray[np.uint8], face: Detection) -> Landmarks:
        # The landmarks do not depend on the evidence for the face
        question: Hashable = ("mesh", gray.shape, face[:4])
        return self._measurements.find(question, lambda: self._mesh.find(gray, face))


class MeasuredEyeReader(EyeReader):
    """An eye reader with stored results."""

    def __init__(self, measurements: Measurements) -> None:
        super().__init__()
        self._measurements = measurements

    def read_one(self, gray: NDArray[np.uint8], place: EyePlace) -> Eye:
        question = ("eye", gray.shape, place)
        return self._measurements.find(
            question, lambda: super(MeasuredEyeReader, self).read_one(gray, place)
        )


def measured(detector: FaceDetector, measurements: Measurements) -> FaceDetector:
    """Wrap a detector, so that it uses stored measurements."""
    if isinstance(detector, IncrementalFaceDetector):
        return MeasuredIncrementalDetector(detector, measurements)
    return MeasuredDetector(detector, measurements)
