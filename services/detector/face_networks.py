"""MediaPipe's two face detection networks (Bazarevsky et al. 2019), on grayscale images."""

import math
from collections.abc import Sequence
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.model.network import load_network
from affectline.common.vision.crops import crop_square, place_in_image
from affectline.services.detector.detection import Detection

Range = Literal["full", "short"]
"""``full``: faces up to five metres away, down to about a twentieth of the image; ``short``: up to
two metres, which fill a good part of it."""

SCORE: Final = 0.5
"""Least score of a face; landmarks confirm it."""

CLEAR: Final = 4.8
"""Evidence of a network, for a score of 0.6, with which one detection is enough."""

_EVIDENCE: Final = 8.0
"""Evidence for a score of 1: too little to confirm a face without its landmarks."""

_ANCHORS: Final[dict[Range, tuple[tuple[int, int], ...]]] = {
    "full": ((4, 1),), "short": ((8, 2), (16, 6)),
}  # fmt: skip
"""Pixels from one anchor to the next in each layer, and the number of anchors at each place
(MediaPipe's ``face_detection_*_common.pbtxt``)."""

_SAME_FACE: Final = 0.3
"""Boxes with this intersection over union, or more, belong to one face."""

# Where MediaPipe's eyes and mouth are in the square of a face, by the landmarks of FER2013's
# training faces (docs/detection.md)
_EYES_APART: Final = 0.379
_EYES_TO_MOUTH: Final = 0.389
_EYES_ABOVE: Final = 0.115


class FaceFinder:
    """Finds all faces of a square image.

    Args:
        reach: Which of the two networks to use.

    Raises:
        AffectlineError: The network's file is missing or damaged.
    """

    def __init__(self, reach: Range) -> None:
        self._network = load_network(f"face-detection-{reach}-range")  # type: ignore[arg-type]
        self.size = self._network.input_size[0]
        """Side in pixels of the images that it expects."""
        self._anchors = _make_anchors(self.size, _ANCHORS[reach])

    def find(self, square: NDArray[np.uint8]) -> list[Detection]:
        """Find faces.

        Args:
            square: ``(size, size) uint8``.

        Returns:
            The faces, the highest score first, in pixels of this image.
        """
        boxes, logits = self._network.run(square)
        logits = logits.reshape(-1)
        chosen = np.flatnonzero(logits > math.log(SCORE / (1 - SCORE)))
        if not len(chosen):
            return []
        scores = 1 / (1 + np.exp(-logits[chosen].astype(np.float64)))
        points = boxes.reshape(-1, 8, 2)[chosen].astype(np.float64)
        points[:, 0] += self._anchors[chosen]
        points[:, 2:] += self._anchors[chosen, np.newaxis]
        return [_to_detection(face[2:], score) for face, score in _merge(points, scores)]


def find_in_frame(
    network: FaceFinder, gray: NDArray[np.uint8], area: tuple[int, int, int, int]
) -> list[Detection]:
    """Find the faces in a part of an image.

    Args:
        network: Finds the faces.
        gray: ``(H, W) uint8``.
        area: ``(x, y, width, height)`` of the part, in pixels.
    """
    x, y, width, height = area
    shrink = max(width, height) / network.size
    small = max(1, round(width / shrink)), max(1, round(height / shrink))
    how = cv2.INTER_AREA if shrink > 1 else cv2.INTER_LINEAR
    square = np.zeros((network.size, network.size), np.uint8)
    left, top = (network.size - small[0]) // 2, (network.size - small[1]) // 2
    square[top : top + small[1], left : left + small[0]] = cv2.resize(
        gray[y : y + height, x : x + width], small, interpolation=how
    )
    return [
        one._replace(
            x=x + (one.x - left) * shrink, y=y + (one.y - top) * shrink, side=one.side * shrink
        )
        for one in network.find(square)
    ]


def find_near(
    network: FaceFinder, gray: NDArray[np.uint8], last: Detection, span: float
) -> list[Detection]:
    """Find the faces near a place, in a patch rotated like the face.

    Args:
        network: Finds the faces.
        gray: ``(H, W) uint8``.
        last: The place.
        span: Side of the patch in sides of the face.
    """
    side, size = span * last.side, network.size
    patch = crop_square(gray, (last.x, last.y), side, last.angle, size)
    step = side / size
    found = []
    for one in network.find(patch):
        across, down = (one.x - size / 2) * step, (one.y - size / 2) * step
        x, y = place_in_image(across, down, (last.x, last.y), last.angle)
        found.append(one._replace(x=x, y=y, side=one.side * step, angle=last.angle + one.angle))
    return found


def _make_anchors(size: int, layers: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """The centres of all anchors, in pixels."""
    centres = []
    for step, count in layers:
        middles = (np.arange(size // step) + 0.5) * step
        places = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
        centres.append(np.repeat(places, count, axis=0))
    return np.concatenate(centres)


def _merge(
    faces: NDArray[np.float64], scores: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], float]]:
    """Merge boxes of the same face into their mean weighted by score (as MediaPipe does).

    Args:
        faces: ``(N, 8, 2)``: centre, size, six points.
        scores: ``(N,)``.
    """
    low, high = faces[:, 0] - faces[:, 1] / 2, faces[:, 0] + faces[:, 1] / 2
    areas = np.prod(faces[:, 1], axis=1)
    left = np.argsort(-scores)
    merged = []
    while len(left):
        best = left[0]
        sides = np.minimum(high[best], high[left]) - np.maximum(low[best], low[left])
        common = np.prod(np.maximum(sides, 0), axis=1)
        same = common > _SAME_FACE * (areas[best] + areas[left] - common)
        same[0] = True
        alike = left[same]
        merged.append((np.average(faces[alike], axis=0, weights=scores[alike]), scores[best]))
        left = left[~same]
    return [(face, float(score)) for face, score in merged]


def _to_detection(points: NDArray[np.float64], score: float) -> Detection:
    """Frame a face as the cascade does.

    Args:
        points: ``(6, 2)``: the eye on the image's left, the other eye, nose, mouth, two ears.
        score: 0 to 1.
    """
    eyes, mouth = points[:2].mean(axis=0), points[3]
    across = points[1] - points[0]
    angle = math.atan2(-across[1], across[0])
    # Turning the head brings the eyes together but not eyes and mouth; a nod does the reverse
    apart, down = float(np.hypot(*across)), float(np.hypot(*(mouth - eyes)))
    side = max(apart / _EYES_APART, down / _EYES_TO_MOUTH, 1.0)
    below = _EYES_ABOVE * side
    return Detection(
        float(eyes[0]) + below * math.sin(angle),
        float(eyes[1]) + below * math.cos(angle),
        side,
        math.degrees(angle),
        _EVIDENCE * score,
        "any",
    )
