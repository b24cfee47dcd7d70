"""Face detection by YuNet, a small neural network, for users who supply its model file."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.services.detector.detection import Detection, FaceDetector
from affectline.services.detector.detector_settings import YuNetSettings

_SCORE: Final = 0.7
"""Least score of a face, 0 to 1."""

_EVIDENCE: Final = 24.0
"""Evidence of a score of 1, so that scores from 0.7 on are strong evidence on the cascade's
scale."""

_EYES_APART: Final = 0.387
"""Distance of the eyes in sides of the cascade's box. Like the next one it was measured in the
cascade backend's crops, so that both backends frame a face alike."""
_EYES_DOWN: Final = 0.387
"""How far the eyes are below the box's upper edge, in its sides."""
_EYES_TO_MOUTH: Final = 0.41
"""Distance from the eyes' middle to the mouth's, in sides of the box: estimated, not measured."""


class YuNetDetector(FaceDetector):
    """``cv2.FaceDetectorYN`` (Wu et al. 2023).

    Raises:
        AffectlineError: OpenCV cannot read the model.
    """

    settings_model = YuNetSettings

    def __init__(self, settings: YuNetSettings) -> None:
        import cv2

        try:
            self._network = cv2.FaceDetectorYN.create(str(settings.model), "", (320, 320), _SCORE)
        except cv2.error as error:
            raise AffectlineError(
                f"detector.model {settings.model} cannot be read by OpenCV",
                "get face_detection_yunet from the OpenCV zoo, or use the haar backend",
            ) from error
        self._settings = settings

    def detect(self, gray: NDArray[np.uint8]) -> list[Detection]:
        import cv2

        height, width = gray.shape
        shrink = max(1.0, max(width, height) / self._settings.scan_size)
        size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
        self._network.setInputSize(size)
        _, rows = self._network.detect(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR))
        if rows is None:
            return []
        found = [to_detection(row, shrink) for row in np.asarray(rows, dtype=np.float64)]
        return [face for face in found if face.side >= self._settings.min_face * height]


def to_detection(row: NDArray[np.float64], scale: float = 1.0) -> Detection:
    """Frame a face as the cascade does, from the positions of its eyes and mouth.

    Args:
        row: ``(15,)``: x, y, width, height, then x and y of the eye on the image's left, the
            other eye, nose, the mouth's two corners, then the score from 0 to 1.
        scale: Pixels of the image per pixel of the row's places.
    """
    points = row[4:14].reshape(5, 2) * scale
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across = points[1] - points[0]
    angle = math.degrees(math.atan2(-across[1], across[0]))
    # Turning the head brings the eyes together but not eyes and mouth; a nod does the reverse
    apart, down = float(np.hypot(*across)), float(np.hypot(*(mouth - eyes)))
    side = max(apart / _EYES_APART, down / _EYES_TO_MOUTH, 1.0)
    below = (0.5 - _EYES_DOWN) * side
    x = eyes[0] + below * math.sin(math.radians(angle))
    y = eyes[1] + below * math.cos(math.radians(angle))
    return Detection(float(x), float(y), side, angle, float(row[14]) * _EVIDENCE)
