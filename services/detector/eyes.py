"""The eyes of a face: how far the lids are apart, and where the iris is between them."""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.canonical_face import CanonicalFace, load_canonical_face
from affectline.common.model.network import FaceNetwork, load_network
from affectline.common.vision.crops import crop_square
from affectline.services.detector.foreshortening import Opening
from affectline.services.detector.head_pose import HeadPose

_RIGHT: Final = (33, 133)
"""Landmarks of the outer and the inner corner of the person's own right eye, which is the left one
in the picture."""
_LEFT: Final = (263, 362)
_RIGHT_LIDS: Final = (159, 145)
"""Landmarks in the middle of its upper and lower lid."""
_LEFT_LIDS: Final = (386, 374)

_ROI: Final = 2.3
"""Side of the square that the network looks at, in widths of the eye (MediaPipe's iris graph)."""

# Of the network's eye contour, whose points 0 to 8 run along the lower lid from the outer to the
# inner corner, and 9 to 15 along the upper lid between the corners
_OUTER: Final = 0
_INNER: Final = 8
_UPPER: Final = (11, 12, 13)
_LOWER: Final = (3, 4, 5)

NARROWEST: Final = 0.6
"""An eye that is seen narrower than this share of its width from the front tells nothing: the lids
of a far eye are hidden behind their own curve. It is where the head is turned by 40 degrees."""


class Eye(NamedTuple):
    """One eye."""

    gap: float
    """Distance of the lids in the middle, in widths of the eye, as seen from the front; a little
    below 0 where the network's lids cross."""
    across: float
    """How far the iris is from the middle of the eye towards the picture's right, which is the
    person's own left, in widths of the eye."""
    above: float
    """How far it is above the line between the corners, in widths of the eye."""
    width: float
    """In pixels, as it is seen."""
    is_visible: bool
    """Whether it is turned enough to the camera for all of this to mean something."""


class Eyes(NamedTuple):
    """A person's own left and right eye."""

    left: Eye
    right: Eye


class EyeReader:
    """Reads the eyes of a face with MediaPipe's iris network (Ablavatski et al. 2020).

    The face mesh's own lids do not do: they hardly move when the eyes shut (docs/signs.md).

    Args:
        network: It; None: the one that is included.
        face: The canonical face; None: the one that is included.

    Raises:
        AffectlineError: A file is missing or damaged.
    """

    def __init__(
        self, network: FaceNetwork | None = None, face: CanonicalFace | None = None
    ) -> None:
        face = face or load_canonical_face()
        self._network = network or load_network("iris")
        self._right = Opening(face, _RIGHT, _RIGHT_LIDS)
        self._left = Opening(face, _LEFT, _LEFT_LIDS)

    def read(
        self, gray: NDArray[np.uint8], points: NDArray[np.floating], pose: HeadPose | None
    ) -> Eyes:
        """Read both eyes.

        Args:
            gray: ``(H, W) uint8``.
            points: ``(468, 3)`` landmarks of the face, in pixels.
            pose: Of the head; None: its eyes are read as those of one that faces the camera.
        """
        pose = pose or HeadPose(0.0, 0.0, 0.0)
        left = self._read(gray, points[_LEFT, :2], self._left, pose, mirrored=True)
        right = self._read(gray, points[_RIGHT, :2], self._right, pose, mirrored=False)
        return Eyes(left, right)

    def _read(
        self,
        gray: NDArray[np.uint8],
        corners: NDArray[np.floating],
        opening: Opening,
        pose: HeadPose,
        *,
        mirrored: bool,
    ) -> Eye:
        """Read one eye; the network knows that on the left of the picture, so mirror the other."""
        size = self._network.input_size[0]
        x, y = (float(value) for value in corners.mean(axis=0))
        across, down = (float(value) for value in corners[0] - corners[1])
        width = max(1.0, math.hypot(across, down))
        angle = math.degrees(math.atan2(-down, across) if mirrored else math.atan2(down, -across))
        crop = crop_square(gray, (x, y), _ROI * width, angle, size)
        contour, iris = self._network.run(crop[:, ::-1].copy() if mirrored else crop)
        proportions = opening.seen_from(pose)
        eye = _measure_eye(contour[:, :2], iris[0, :2])
        return Eye(
            eye.gap / max(proportions.opening, 0.1),
            -eye.across if mirrored else eye.across,
            eye.above,
            width,
            proportions.width >= NARROWEST,
        )


def _measure_eye(contour: NDArray[np.float32], iris: NDArray[np.float32]) -> Eye:
    """Measure an eye that is on the left of the picture, in its own crop."""
    outer, inner = contour[_OUTER], contour[_INNER]
    axis = inner - outer
    width = max(1e-3, float(np.hypot(*axis)))
    axis = axis / width
    upwards = np.array([axis[1], -axis[0]])
    gaps = (contour[_UPPER, :] - contour[_LOWER, :]) @ upwards
    offset = iris - (outer + inner) / 2
    return Eye(
        float(gaps.mean()) / width,
        float(offset @ axis) / width,
        float(offset @ upwards) / width,
        width,
        is_visible=True,
    )
