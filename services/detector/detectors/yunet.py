"""Faces by YuNet, a small neural network, for those who bring its model file."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.vision.crops import cut
from affectline.services.detector.detectors.haar import Detection, ScanPass, SearchEffort

_SCORE: Final = 0.7
"""Least score, 0 to 1, at which something is a face."""

_EVIDENCE: Final = 24.0
"""Evidence of a score of 1, so that scores from 0.7 on count as strong beside the cascade's."""

_PATCH_FACE: Final = 64
"""A near search scales the picture until the face has this side."""

_PATCH: Final = 160
"""Side of a near search's neighbourhood in pixels; the network wants multiples of 32."""

_EYES_APART: Final = 0.387
"""Distance of the eyes in sides of the cascade's box, measured like the next in the crops of the
cascade backend, so that both backends frame a face alike."""
_EYES_DOWN: Final = 0.387
"""How far below the box's upper edge the eyes are, in its sides."""
_EYES_TO_MOUTH: Final = 0.41
"""From the eyes' middle to the mouth's, in sides of the box: an estimate, not measured."""


class YuNetDetector:
    """``cv2.FaceDetectorYN`` (Wu et al. 2023).

    Args:
        model: The ONNX file.
        scan_size: Longer side of the reduced picture of a full scan, in pixels.
        min_face: Smallest face to report, as a fraction of the picture's height.

    Raises:
        AffectlineError: OpenCV cannot read the model.
    """

    def __init__(self, model: Path, scan_size: int, min_face: float) -> None:
        try:
            self._network = cv2.FaceDetectorYN.create(str(model), "", (320, 320), _SCORE)
        except cv2.error as error:
            raise AffectlineError(
                f"detector.yunet_model {model} cannot be read by OpenCV",
                "get face_detection_yunet from the OpenCV zoo, or take the haar backend",
            ) from error
        self._scan_size = scan_size
        self._min_face = min_face

    def scan(
        self, gray: NDArray[np.uint8], sweep: ScanPass, known: Sequence[Detection]
    ) -> list[Detection]:
        if sweep.part == "small" or sweep.angle:
            return []  # one look sees every size and roll
        height, width = gray.shape
        shrink = max(1.0, max(width, height) / self._scan_size)
        small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        picture = np.asarray(cv2.resize(gray, small, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        found = [
            Detection(x * shrink, y * shrink, side * shrink, angle, evidence)
            for x, y, side, angle, evidence in self._detect(picture)
        ]
        return [one for one in found if one.side >= self._min_face * height]

    def follow(
        self, gray: NDArray[np.uint8], last: Detection, care: SearchEffort
    ) -> Detection | None:
        del care  # the eyes give size and roll every time
        step = last.side / _PATCH_FACE
        patch = cut(gray, (last.x, last.y), _PATCH * step, 0.0, _PATCH)
        left, top = last.x - _PATCH * step / 2, last.y - _PATCH * step / 2
        found = [
            Detection(left + x * step, top + y * step, side * step, angle, evidence)
            for x, y, side, angle, evidence in self._detect(patch)
        ]
        near = [one for one in found if math.hypot(one.x - last.x, one.y - last.y) < last.side]
        return min(near, key=lambda one: math.hypot(one.x - last.x, one.y - last.y), default=None)

    def regain(self, gray: NDArray[np.uint8], last: Detection) -> Detection | None:
        return None  # a near search already looks as hard and as far as it can

    def _detect(self, picture: NDArray[np.uint8]) -> list[Detection]:
        self._network.setInputSize((picture.shape[1], picture.shape[0]))
        _, rows = self._network.detect(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
        return [] if rows is None else [place(row) for row in np.asarray(rows, dtype=np.float64)]


def place(row: NDArray[np.float64]) -> Detection:
    """Frame a face as the cascade does, from the places of its eyes and mouth.

    Args:
        row: ``(15,)``: x, y, width, height, then x and y of the eye on the picture's left, the
            other eye, nose, the mouth's two corners, then the score from 0 to 1.
    """
    points = row[4:14].reshape(5, 2)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across = points[1] - points[0]
    angle = math.degrees(math.atan2(-across[1], across[0]))
    # A head turned aside brings its eyes together but not its eyes and mouth; a nod the reverse
    apart, down = float(np.hypot(*across)), float(np.hypot(*(mouth - eyes)))
    side = max(apart / _EYES_APART, down / _EYES_TO_MOUTH, 1.0)
    below = (0.5 - _EYES_DOWN) * side
    x = eyes[0] + below * math.sin(math.radians(angle))
    y = eyes[1] + below * math.cos(math.radians(angle))
    return Detection(float(x), float(y), side, angle, float(row[14]) * _EVIDENCE)
