"""Faces turned by their mesh in three dimensions, as a turn of the head would show them.

The face mesh finds 468 points in a picture, and the canonical face, fitted to them, gives each a
depth. The picture is laid over this relief; the relief is turned and seen from far away. What comes
to lie behind something nearer disappears, as the far cheek does behind the nose.

No picture shows what its own head hides: where the turn would reveal more of the side of the head,
the pixels at the edge of the face are stretched. Light, gaze and hair do not change either.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.model.canonical_face import CanonicalFace, load_canonical_face
from affectline.common.model.network import FaceNetwork, load_network
from affectline.common.vision.crops import crop_square
from affectline.common.vision.preprocessing import FER_SIZE

Axis = Literal["yaw", "pitch"]

_ROI_SIDE: Final = 1.40 * 0.979
"""Side of the network's input in sides of a FER2013 picture, as in the detector."""
_ROI_BELOW: Final = 0.042 * 0.979
_SURE: Final = 0.5
"""Score from which points are those of a face, as in the detector."""
_REACH: Final = 1.3
"""How far a point of the mesh determines the depth around it, in pixels: about its distance from
its neighbours."""
_SLOPE: Final = 1.0
"""How steeply the head falls back beyond the edge of the mesh: depth per distance."""
_FINER: Final = 2
"""The picture is turned at this multiple of its resolution."""
_STRETCH: Final = 4
"""Samples for each pixel of that: more than any part of a face is stretched by a turn."""
_SOFT: Final = 8.0
"""Standard deviation by which the stripes of filled holes are blurred, in finer pixels."""

# Framing of a turned head, as in the detector: around the middle of the points that expressions do
# not move, less a share of the way of the nose to the side (docs/detection.md).
_LEFT_EYE: Final = [33, 133]
_RIGHT_EYE: Final = [362, 263]
_MOUTH: Final = [61, 291]
_NOSE: Final = 4
_TURN: Final = 0.37


@dataclass(frozen=True)
class MeshedFaces:
    """The meshes of faces."""

    points: NDArray[np.float64]
    """``(N, 468, 3)``: x to the right and y down in pixels of the 48x48 picture, z towards the
    viewer in the same unit, from the canonical face."""
    angles: NDArray[np.float64]
    """``(N, 2)``: yaw and pitch in degrees, positive to the right of the picture and upwards; NaN
    for faces without a mesh."""

    @property
    def found(self) -> NDArray[np.bool_]:
        """``(N,)``: which faces have a mesh."""
        return np.asarray(~np.isnan(self.angles[:, 0]))


class MeshFinder:
    """Finds the meshes of faces framed like FER2013's.

    Args:
        network: The face mesh; None: the included one.
        face: The canonical face; None: the included one.

    Raises:
        AffectlineError: Their files are missing or damaged.
    """

    def __init__(
        self, network: FaceNetwork | None = None, face: CanonicalFace | None = None
    ) -> None:
        self._network = network or load_network("face-mesh")
        self._face = face or load_canonical_face()

    def find(self, faces: NDArray[np.uint8]) -> MeshedFaces:
        """The meshes of faces ``(N, 48, 48)``."""
        points = np.zeros((len(faces), len(self._face.vertices), 3))
        angles = np.full((len(faces), 2), np.nan)
        for row, face in enumerate(faces):
            seen = self._locate(face)
            if seen is not None:
                depth, angles[row] = fit_canonical_face(seen, self._face)
                points[row] = np.column_stack([seen, depth])
        return MeshedFaces(points, angles)

    def _locate(self, face: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """The points of a face, ``(468, 2)`` in its pixels; None if there seems to be no face."""
        size, side = self._network.input_size[0], _ROI_SIDE * FER_SIZE
        centre = (FER_SIZE / 2, FER_SIZE / 2 + _ROI_BELOW * FER_SIZE)
        points, score = self._network.run(crop_square(face, centre, side, 0.0, size))
        if 1 / (1 + math.exp(-float(np.clip(score.item(), -80, 80)))) < _SURE:
            return None
        placed = points.reshape(-1, 3)[:, :2].astype(np.float64) * (side / size)
        corner = np.array(centre) - side / 2
        return np.asarray(placed + corner)


def fit_canonical_face(
    points: NDArray[np.float64], face: CanonicalFace
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Fit the canonical face to points, as if seen from far away.

    Args:
        points: ``(468, 2)``, x to the right and y down.
        face: The canonical face.

    Returns:
        The depth of each point, ``(468,)``, towards the viewer, in the points' unit and from the
        middle of the points that expressions hardly move; and yaw and pitch in degrees, as
        `affectline.services.detector.head_pose` defines them.
    """
    known = face.vertices[face.basis]
    middle = known.mean(axis=0)
    seen = points[face.basis] * (1, -1)
    fitted = np.linalg.lstsq(known - middle, seen - seen.mean(axis=0), rcond=None)[0].T
    # The rotation nearest to the fitted map, and its scale
    left, scales, right = np.linalg.svd(fitted, full_matrices=False)
    across, up = left @ right
    scale = float(scales.mean())
    towards = np.cross(across, up)
    yaw = math.degrees(math.atan2(across[2], towards[2]))
    pitch = math.degrees(math.asin(float(np.clip(up[2], -1, 1))))
    return np.asarray(scale * ((face.vertices - middle) @ towards)), (yaw, pitch)


class TurnableFaces:
    """Pictures of heads, each with its relief, that can be turned.

    Args:
        faces: ``(N, 48, 48) uint8``.
        meshes: Their meshes; all must have been found.
    """

    def __init__(self, faces: NDArray[np.uint8], meshes: MeshedFaces) -> None:
        size = (FER_SIZE * _FINER, FER_SIZE * _FINER)
        self._points = meshes.points
        self._basis = load_canonical_face().basis
        self._pictures = [
            np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_CUBIC), np.float32)
            for face in faces.astype(np.float32)
        ]
        self._depths = [
            np.asarray(cv2.resize(_depth_map(points), size), np.float32) for points in meshes.points
        ]

    def turn(self, angles: NDArray[np.float64], axis: Axis) -> NDArray[np.uint8]:
        """Turn every head.

        Args:
            angles: ``(N,)`` degrees, added to what the heads are turned already: yaw to the right
                of the picture, or pitch upwards.
            axis: Which of the two.

        Returns:
            ``(N, 48, 48)``, framed as the detector frames heads in that pose.
        """
        return np.stack(
            [self._turn_one(row, float(angle), axis) for row, angle in enumerate(angles)]
        )

    def _turn_one(self, row: int, angle: float, axis: Axis) -> NDArray[np.uint8]:
        """Turn one head: along rows for a yaw, along columns, upwards, for a pitch."""
        picture, depth, points = self._pictures[row], self._depths[row], self._points[row]
        places = points[:, 0]
        if axis == "pitch":
            picture = np.ascontiguousarray(picture[::-1].T)
            depth = np.ascontiguousarray(depth[::-1].T)
            places = FER_SIZE - points[:, 1]
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        middle = FER_SIZE / 2
        moved = middle + (places - middle) * cos + points[:, 2] * sin
        shift = _anchor(places, self._basis, axis) - _anchor(moved, self._basis, axis)
        drawn = _project_rows(picture, depth, cos, sin, shift)
        if axis == "pitch":
            drawn = np.ascontiguousarray(drawn.T[::-1])
        small = cv2.resize(drawn, (FER_SIZE, FER_SIZE), interpolation=cv2.INTER_AREA)
        return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def _anchor(places: NDArray[np.float64], basis: NDArray[np.intp], axis: Axis) -> float:
    """What the detector puts at the same place of every crop."""
    centre = float(places[basis].mean())
    if axis == "pitch":
        return centre
    eyes = places[_LEFT_EYE].mean() + places[_RIGHT_EYE].mean()
    aside = places[_NOSE] - eyes / 4 - places[_MOUTH].mean() / 2
    return centre - _TURN * float(aside)


def _depth_map(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """The depth of each pixel ``(48, 48)``: of the mesh, and falling back around it."""
    across = np.arange(FER_SIZE) + 0.5
    near_x = np.exp(-0.5 * ((across[:, None] - points[:, 0]) / _REACH) ** 2)
    near_y = np.exp(-0.5 * ((across[:, None] - points[:, 1]) / _REACH) ** 2)
    # A sum over points of a function of x times a function of y is a product of matrices
    weight = near_y @ near_x.T
    depth = (near_y * points[:, 2]) @ near_x.T / np.maximum(weight, 1e-12)
    hull = cv2.convexHull((points[:, :2] * 8).astype(np.int32))
    mesh = np.zeros((FER_SIZE, FER_SIZE), np.uint8)
    cv2.fillConvexPoly(mesh, hull, 1, shift=3)
    inside = (mesh > 0) & (weight > 1e-3)
    if not inside.any():
        return np.zeros((FER_SIZE, FER_SIZE), np.float32)
    away, nearest = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rim = np.zeros(int(nearest.max()) + 1)
    rim[nearest[inside]] = depth[inside]
    return np.asarray(np.where(inside, depth, rim[nearest] - _SLOPE * away), np.float32)


def _project_rows(
    picture: NDArray[np.float32],
    depth: NDArray[np.float32],
    cos: float,
    sin: float,
    shift: float,
) -> NDArray[np.float32]:
    """Move every sample of each row to where the turn takes it, the nearest last.

    Samples at the same place after the turn lie in depth as they lie in the row: with a turn to the
    right, the left one is nearer. So drawing them from right to left draws the nearest last.
    """
    height, width = picture.shape
    fine = (width * _STRETCH, height)
    values = cv2.resize(picture, fine, interpolation=cv2.INTER_LINEAR)
    depths = cv2.resize(depth, fine, interpolation=cv2.INTER_LINEAR)
    places = (np.arange(fine[0]) + 0.5) / (_STRETCH * _FINER)
    middle = width / _FINER / 2
    moved = middle + (places - middle) * cos + depths * sin + shift
    # A column on either side takes what leaves the picture
    target = np.clip(np.floor(moved * _FINER).astype(np.int64), -1, width) + 1
    target += np.arange(height)[:, None] * (width + 2)
    drawn = np.full(height * (width + 2), np.nan, np.float32)
    step = -1 if sin >= 0 else 1
    # Of values for the same place, NumPy keeps the last
    drawn[target[:, ::step].ravel()] = values[:, ::step].ravel()
    return _fill_holes(drawn.reshape(height, width + 2)[:, 1:-1])


def _fill_holes(drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill pixels that no sample reached from the nearest one in their row.

    Rows of a larger hole would be stripes, so they are blurred across the rows.
    """
    width = drawn.shape[1]
    known = ~np.isnan(drawn)
    columns = np.arange(width)
    before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, columns, 2 * width)[:, ::-1], axis=1)[:, ::-1]
    to_left = (before >= 0) & ((after >= width) | (columns - before <= after - columns))
    source = np.where(to_left, before, np.minimum(after, width - 1))
    filled = np.nan_to_num(np.take_along_axis(drawn, source, axis=1))
    soft = cv2.GaussianBlur(filled, (0, 0), sigmaX=0.5, sigmaY=_SOFT)
    large = np.abs(columns - source) > _FINER
    return np.asarray(np.where(large, soft, filled), np.float32)
