"""Where a head points: three angles from the landmarks of its face."""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.model.canonical_face import CanonicalFace, load_canonical_face

_DISTANCE: Final = 16.0
"""How far away a face is taken to be, in root mean square radii of the basis points: 1 m. The true
distance is unknown, as the camera's focal length is; from 45 cm to 4 m the error that this makes is
least with it, below 0.6 degrees (docs/signs.md)."""
_TO_PICTURE: Final = np.diag((1.0, -1.0, -1.0))
"""From the axes of a camera (y down, z away) to those of the canonical face (y up, z near)."""
_NO_LENS: Final = np.eye(3)
_NO_DISTORTION: Final = np.zeros(4)


class HeadPose(NamedTuple):
    """Angles of a head in degrees; all are zero for one that faces the camera upright.

    The head is turned about the picture's vertical by ``yaw``, then lifted by ``pitch``, then
    rolled about the axis along which its nose points by ``roll`` (intrinsic y, x, z). So yaw and
    pitch alone say where the nose points, and a head without roll has its eyes level on the screen.
    """

    yaw: float
    """-180 to 180, positive to the right of the picture: to the person's own left."""
    pitch: float
    """-90 to 90, positive upwards."""
    roll: float
    """-180 to 180, positive counter-clockwise on the screen."""

    def rotation(self) -> NDArray[np.float64]:
        """``(3, 3)``, from the canonical face's axes to the picture's.

        The picture's are x to the right, y up and z towards the viewer.
        """
        yaw, pitch, roll = (math.radians(angle) for angle in self)
        cos_y, sin_y, cos_p, sin_p = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
        turned = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
        lifted = np.array([[1, 0, 0], [0, cos_p, sin_p], [0, -sin_p, cos_p]])
        cos_r, sin_r = math.cos(roll), math.sin(roll)
        rolled = np.array([[cos_r, -sin_r, 0], [sin_r, cos_r, 0], [0, 0, 1]])
        return np.asarray(turned @ lifted @ rolled)


def to_pose(rotation: NDArray[np.float64]) -> HeadPose:
    """The angles of a rotation, as `HeadPose.rotation` makes it."""
    forward = rotation[:, 2]
    return HeadPose(
        math.degrees(math.atan2(forward[0], forward[2])),
        math.degrees(math.asin(max(-1.0, min(1.0, forward[1])))),
        math.degrees(math.atan2(rotation[1, 0], rotation[1, 1])),
    )


class HeadPoseEstimator:
    """Fits the canonical face to a face's landmarks (Perspective-n-Point).

    Only points count that expressions hardly move (MediaPipe's basis for Procrustes analysis), and
    only where they are in the picture: the depth of the landmarks is a guess of the network's.
    The face is moved to the middle of the view first. So the angles are relative to the line from
    the camera to the face, and do not depend on where in the picture it is.

    Args:
        face: The canonical face; None: the one that is included.

    Raises:
        AffectlineError: Its file is missing or damaged.
    """

    def __init__(self, face: CanonicalFace | None = None) -> None:
        face = face or load_canonical_face()
        self._basis = face.basis
        points = face.vertices[face.basis]
        self._points = np.ascontiguousarray(points - points.mean(axis=0))

    def estimate(self, points: NDArray[np.floating]) -> HeadPose | None:
        """The pose of a head.

        Args:
            points: Its landmarks, ``(468, 2)`` or ``(468, 3)``, in pixels.

        Returns:
            It, or None where the points are not those of any view of a face.
        """
        seen = points[self._basis, :2].astype(np.float64)
        seen -= seen.mean(axis=0)
        radius = math.sqrt(float((seen**2).sum(axis=1).mean()))
        if not 0 < radius < math.inf:
            return None
        seen /= _DISTANCE * radius
        # SQPNP (Terzakis & Lourakis 2020) has no starting point to depend on, and does not flip
        # between two poses from one frame to the next
        found, turn, _ = cv2.solvePnP(
            self._points, seen, _NO_LENS, _NO_DISTORTION, flags=cv2.SOLVEPNP_SQPNP
        )
        if not found:
            return None
        return to_pose(_TO_PICTURE @ cv2.Rodrigues(turn)[0])
