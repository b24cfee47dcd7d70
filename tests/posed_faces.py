"""The canonical face in any pose, as a camera sees it: landmarks whose angles are known."""

import math

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.canonical_face import load_canonical_face
from affectline.services.detector.head_pose import HeadPose

WIDTH_CM = 15.5
"""Width of the canonical face."""
RIGHT_LIDS = ((160, 159, 158), (144, 145, 153))
"""Landmarks of the upper and lower lid of the person's own right eye."""
LEFT_LIDS = ((387, 386, 385), (373, 374, 380))
UPPER_LIP, LOWER_LIP = (82, 13, 312), (87, 14, 317)


def project(
    pose: HeadPose,
    *,
    distance_cm: float = 60.0,
    width: float = 100.0,
    bearing: tuple[float, float] = (0.0, 0.0),
    vertices: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Landmarks of a face that a pinhole camera sees.

    Args:
        pose: Of the head, relative to the line from the camera to it.
        distance_cm: From the camera to the middle of the basis points.
        width: Of a face that looks at the camera, in pixels: focal length and distance together.
        bearing: Where in the view it is, in degrees to the right and down.
        vertices: Of the face, ``(468, 3)``; None: those of the canonical one.

    Returns:
        ``(468, 3)``: x, y in pixels from the middle of the view, z (less is nearer).
    """
    face = load_canonical_face()
    vertices = face.vertices if vertices is None else vertices
    seen = (vertices - face.vertices[face.basis].mean(axis=0)) @ pose.rotation().T
    seen = seen * (1.0, -1.0, -1.0) + (0.0, 0.0, distance_cm)
    aside, down = (math.radians(angle) for angle in bearing)
    about_y = np.array(
        [[math.cos(aside), 0, math.sin(aside)], [0, 1, 0], [-math.sin(aside), 0, math.cos(aside)]]
    )
    about_x = np.array(
        [[1, 0, 0], [0, math.cos(down), math.sin(down)], [0, -math.sin(down), math.cos(down)]]
    )
    seen = seen @ (about_y @ about_x).T
    scale = width / WIDTH_CM
    across = seen[:, :2] / seen[:, 2:] * distance_cm * scale
    return np.column_stack([across, (seen[:, 2] - distance_cm) * scale])


def with_opening(
    edges: tuple[tuple[int, ...], tuple[int, ...]], share: float
) -> NDArray[np.float64]:
    """The canonical face with an opening as wide as a share of what it is: 0: shut, 2: twice."""
    vertices = load_canonical_face().vertices.copy()
    upper, lower = (list(edge) for edge in edges)
    middle, gap = (vertices[upper] + vertices[lower]) / 2, vertices[upper] - vertices[lower]
    vertices[upper], vertices[lower] = middle + share * gap / 2, middle - share * gap / 2
    return vertices
