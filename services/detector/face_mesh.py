"""468 landmarks of a face, the score that they are those of a face, and how they frame it."""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.network import FaceNetwork, load_network
from affectline.common.vision.crops import crop_square, place_in_image
from affectline.services.detector.detection import STRONG_EVIDENCE, Detection

POINTS: Final = 468
SURE: Final = 0.5
"""Score from which landmarks are those of a face (MediaPipe's own threshold)."""

_ROI_SIDE: Final = 1.40
"""Side of the network's input square, in sides of the face's square. As in MediaPipe, it is 1.5
times the bounding box of the landmarks; the box is 0.916 of FER2013's image (median of its training
faces), and the image 1.02 of the square."""
_ROI_BELOW: Final = 0.042
"""How far its centre is below the square's, in sides of the square (from the same faces)."""

BASIS: Final = (
    4, 6, 10, 33, 54, 67, 117, 119, 121, 127, 129, 132, 133, 136, 143, 147, 198, 205, 263, 284, 297,
    346, 348, 350, 356, 358, 361, 362, 365, 372, 376, 420, 425,
)  # fmt: skip
"""Points that expressions hardly move: MediaPipe's basis of the canonical face for Procrustes
analysis."""
_LEFT_CORNERS: Final = (33, 133)
"""Corners of the eye on the image's left."""
_RIGHT_CORNERS: Final = (362, 263)
_MOUTH_CORNERS: Final = (61, 291)
_NOSE_TIP: Final = 4

_MEANS_OF: Final = (BASIS, _LEFT_CORNERS, _RIGHT_CORNERS, _MOUTH_CORNERS, (_NOSE_TIP,))
_FRAMING_POINTS: Final = np.array([point for group in _MEANS_OF for point in group])
"""The landmarks that frame a face: those of the basis, eyes, mouth and nose."""
_SIZES: Final = [len(group) for group in _MEANS_OF]
_FRAMING_MEANS: Final = (np.eye(len(_SIZES)) / _SIZES).repeat(_SIZES, axis=1).astype(np.float32)
"""Weights of these groups, ``(5, points)``: the product of both is the mean of each group."""

# Where the basis points are in FER2013's images, fitted on 3,420 training faces (every eighth row
# with a score above 0.9). docs/detection.md has the table.
_SIZE: Final = 0.352 / 0.979
"""Root mean square distance of the basis points from their centre, in space, in sides of a square.
The square is 0.979 of FER2013's image, like the Haar cascade's."""
_BASIS_ABOVE: Final = 0.040 / 0.979
"""How far the basis points' centre is above the square's, in sides of the square."""
_TURN: Final = 0.37
"""When the head turns, FER2013's images follow the basis points' centre minus this share of the
distance from the tip of the nose to the middle between eyes and mouth."""


class Landmarks(NamedTuple):
    """Landmarks of a face, numbered as in MediaPipe's face mesh."""

    points: NDArray[np.float32]
    """``(468, 3)``: x and y in pixels of the image, z (depth, less is nearer) on the same scale,
    from the head's middle."""
    score: float
    """Probability that there is a face, 0 to 1."""


class FaceMesh:
    """MediaPipe's face mesh (Kartynnik et al. 2019) on grayscale images.

    Args:
        network: The face mesh; None: the included one.

    Raises:
        AffectlineError: The network's file is missing or damaged.
    """

    def __init__(self, network: FaceNetwork | None = None) -> None:
        self._network = network or load_network("face-mesh")

    def find(self, gray: NDArray[np.uint8], face: Detection) -> Landmarks:
        """Find the landmarks of a face at an approximately known place.

        Args:
            gray: ``(H, W) uint8``.
            face: Where the face is, to about a fifth of its side and 20 degrees.
        """
        size = self._network.input_size[0]
        side = _ROI_SIDE * face.side
        below = _ROI_BELOW * face.side
        centre = place_in_image(0.0, below, (face.x, face.y), face.angle)
        points, score = self._network.run(crop_square(gray, centre, side, face.angle, size))
        step = np.float32(side / size)
        placed = points.reshape(POINTS, 3) * step
        across, down = placed[:, 0] - side / 2, placed[:, 1] - side / 2
        placed[:, 0], placed[:, 1] = place_in_image(across, down, centre, face.angle)
        return Landmarks(
            placed, float(1 / (1 + math.exp(-min(80.0, max(-80.0, float(score.item()))))))
        )


def frame_by_landmarks(points: NDArray[np.float32]) -> Detection:
    """The upright square that frames a face as FER2013's images frame theirs.

    Args:
        points: ``(468, 3)``, as in `Landmarks`.
    """
    # One product for all means: each call of NumPy on a few numbers costs more than its arithmetic
    placed = points[_FRAMING_POINTS]
    centre, left, right, mouth, nose = (_FRAMING_MEANS @ placed).tolist()
    spread = placed[: len(BASIS)] - np.float32(centre)
    side = math.sqrt(float(np.vdot(spread, spread)) / len(BASIS)) / _SIZE
    angle = math.atan2(-(right[1] - left[1]), right[0] - left[0])
    cos, sin = math.cos(angle), math.sin(angle)
    aside_x, aside_y = (nose[i] - (left[i] + right[i]) / 4 - mouth[i] / 2 for i in (0, 1))
    turn = _TURN * (aside_x * cos - aside_y * sin)
    below = _BASIS_ABOVE * side
    x = centre[0] - turn * cos + below * sin
    y = centre[1] + turn * sin + below * cos
    return Detection(x, y, max(side, 1.0), math.degrees(angle), STRONG_EVIDENCE, "any")
