"""Foreshortening: how turning the head changes the proportions of eyes and mouth."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.canonical_face import CanonicalFace
from affectline.services.detector.head_pose import HeadPose


class Proportions(NamedTuple):
    """The proportions of an opening in a pose, relative to those seen from the front."""

    width: float
    """Its width on the screen; 0: seen from the side."""
    opening: float
    """Its gap as a share of its width."""


class Opening:
    """An opening of the canonical face, an eye or the mouth, as seen from any direction.

    Args:
        face: The canonical face.
        corners: The landmarks at its two ends.
        edges: The landmarks in the middle of its upper and lower edge.
    """

    def __init__(
        self, face: CanonicalFace, corners: tuple[int, int], edges: tuple[int, int]
    ) -> None:
        across = face.vertices[corners[1]] - face.vertices[corners[0]]
        up = face.vertices[edges[0]] - face.vertices[edges[1]]
        self._vectors = np.stack([across, up])
        self._width, self._opening = _measure(self._vectors)

    def seen_from(self, pose: HeadPose) -> Proportions:
        """Proportions of the opening in a pose."""
        width, opening = _measure(self._vectors @ pose.rotation().T)
        return Proportions(width / self._width, opening / self._opening)


def _measure(vectors: NDArray[np.float64]) -> tuple[float, float]:
    """Width on the screen, and the gap at right angles to it as a share of the width."""
    (x, y, _), (up_x, up_y, _) = vectors
    squared = max(float(x * x + y * y), 1e-6)
    return float(np.sqrt(squared)), float(abs(x * up_y - y * up_x)) / squared
