"""Head pose: three angles from the landmarks of a face."""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.model.canonical_face import CanonicalFace, load_canonical_face

_DISTANCE: Final = 16.0
"""Assumed distance of a face, in root mean square radii of the basis points: 1 m. The true distance
is unknown, because the camera's focal length is. This value keeps the error smallest from 45 cm to
4 m: below 0.6 degrees (docs/signs.md)."""
_TO_PICTURE: Final = np.diag((1.0, -1.0, -1.0))
"""From a camera's axes (y down, z away) to those of the canonical face (y up, z near)."""
_NO_LENS: Final = np.eye(3)
_NO_DISTORTION: Final = np.zeros(4)


class HeadPose(NamedTuple):
    """Angles of a head in degrees; all are zero for an upright head that faces the camera.

    The head is turned about the image's vertical by ``yaw``, then lifted by ``pitch``, then rolled
    about the axis of its nose by ``roll`` (intrinsic y, x, z). So yaw and pitch alone determine
    where the nose points, and a head without roll has its eyes level on the screen.
    """

    yaw: float
    """-180 to 180, positive to the right of the image: to the person's own left."""
    pitch: float
    """-90 to 90, positive upwards."""
    roll: float
    """-180 to 180, positive counter-clockwise on the screen."""

    def rotation(self) -> NDArray[np.float64]:
        """``(3, 3)``, from the canonical face's axes to the image's.

        The image's axes are x to the right, y up and z towards the viewer.
        """
        yaw, pitch, roll = (math.radians(angle) for angle in self)
        cos_y, sin_y, cos_p, sin_p = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
        turned = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
        lifted = np.array([[1, 0, 0], [0, cos_p, sin_p], [0, -sin_p, cos_p]])
        cos_r, sin_r = math.cos(roll), math.sin(roll)
        rolled = np.array([[cos_r, -sin_r, 0], [sin_r, cos_r, 0], [0, 0, 1]])
        return np.asarray(turned @ lifted @ rolled)


def to_pose(rotation: NDArray[np.float64]) -> HeadPose:
    """The angles of a rotation, the inverse of `HeadPose.rotation`."""
    forward = rotation[:, 2]
    return HeadPose(
        math.degrees(math.atan2(forward[0], forward[2])),
        math.degrees(math.asin(max(-1.0, min(1.0, forward[1])))),
        math.degrees(math.atan2(rotation[1, 0], rotation[1, 1])),
    )


class HeadPoseEstimator:
    """Fits the canonical face to a face's landmarks (Perspective-n-Point).

    It uses only points that expressions hardly move (MediaPipe's basis for Procrustes analysis),
    and only their place in the image, because the network guesses the depth of landmarks. The face
    is first moved to the middle of the view. So the angles are relative to the line from the camera
    to the face, and do not depend on the face's place in the image.

    Args:
        face: The canonical face; None: the included one.

    Raises:
        AffectlineError: The file of the canonical face is missing or damaged.
    """

    def __init__(self, face: CanonicalFace | None = None) -> None:
        face = face or load_canonical_face()
        self._basis = face.basis
        points = face.vertices[face.basis]
        self._points = np.ascontiguousarray(points - points.mean(axis=0))

    def estimate(self, points: NDArray[np.floating]) -> HeadPose | None:
        """The pose of a head.

        Args:
            points: Landmarks of its face, ``(468, 2)`` or ``(468, 3)``, in pixels.

        Returns:
            The pose, or None if the points do not match any view of a face.
        """
        seen = points[self._basis, :2].astype(np.float64)
        seen -= seen.mean(axis=0)
        radius = math.sqrt(float((seen**2).sum(axis=1).mean()))
        if not 0 < radius < math.inf:
            return None
        seen /= _DISTANCE * radius
        # SQPNP (Terzakis & Lourakis 2020) needs no starting point, and does not flip between two
        # poses from frame to frame
        found, turn, _ = cv2.solvePnP(
            self._points, seen, _NO_LENS, _NO_DISTORTION, flags=cv2.SOLVEPNP_SQPNP
        )
        if not found:
            return None
        return to_pose(_TO_PICTURE @ cv2.Rodrigues(turn)[0])
