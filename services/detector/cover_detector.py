"""Detects whether a hand covers a part of a face."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.network import load_network
from affectline.common.vision.crops import crop_square
from affectline.common.vision.preprocessing import FER_SIZE
from affectline.services.detector.face_mesh import frame_by_landmarks

COVERED: Final = 1.5
"""Logit from which a face counts as covered. 1 % of held-out FER2013 faces exceed it, some of which
do have hands in front; in the labelled films no uncovered face does (docs/signs.md)."""
STILL_COVERED: Final = 0.5
"""Logit from which a covered face still counts as covered."""
_FRAME: Final = 1 / 0.979
"""Side of FER2013's images in sides of a face's square (docs/detection.md)."""


class CoverDetector:
    """A small network on the face as the classifier sees it, framed like those of FER2013.

    Raises:
        AffectlineError: The network's files are missing or damaged.
    """

    def __init__(self) -> None:
        self._network = load_network("covered-face")

    def score(self, gray: NDArray[np.uint8], points: NDArray[np.float32]) -> float:
        """The logit of something covering a part of a face.

        Args:
            gray: ``(H, W) uint8``.
            points: ``(468, 3)`` landmarks of the face, in pixels.
        """
        face = frame_by_landmarks(points)
        crop = crop_square(gray, (face.x, face.y), _FRAME * face.side, face.angle, FER_SIZE)
        (logit,) = self._network.run(crop)
        return float(logit.item())
