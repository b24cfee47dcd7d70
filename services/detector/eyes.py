"""Measures the eyes of a face: how far apart the lids are, and where the iris is between them."""

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
"""Landmarks of the outer and inner corner of the person's own right eye, which is on the left in
the image."""
_LEFT: Final = (263, 362)
_RIGHT_LIDS: Final = (159, 145)
"""Landmarks in the middle of its upper and lower lid."""
_LEFT_LIDS: Final = (386, 374)

_ROI: Final = 2.3
"""Side of the network's input square, in widths of the eye (MediaPipe's iris graph)."""

# Points of the network's eye contour: 0 to 8 run along the lower lid from the outer to the inner
# corner, 9 to 15 along the upper lid between the corners
_OUTER: Final = 0
_INNER: Final = 8
_UPPER: Final = (11, 12, 13)
_LOWER: Final = (3, 4, 5)

_STILL: Final = 0.03
"""Apparent change of a still eye's gap from frame to frame, in widths of the eye: a tenth of an
open eye's gap."""
_WIDE: Final = 0.2
"""Gap above which an eye is certainly open; usual gaps are 0.27 to 0.34 (docs/signs.md)."""
_LONGEST_TURN_NS: Final = 60_000_000
"""Longest time between frames at which eyes are read in turn: at 17 frames a second and more, so
that the reading of an eye is never older than 120 ms."""

NARROWEST: Final = 0.6
"""An eye that appears narrower than this share of its frontal width cannot be measured: the lids of
a far eye are hidden behind their own curve. It is reached when the head is turned by 40 degrees."""


class Eye(NamedTuple):
    """One eye."""

    gap: float
    """Distance of the lids in the middle, in widths of the eye, as seen from the front; slightly
    below 0 if the network's lids cross."""
    across: float
    """How far the iris is from the middle of the eye towards the image's right, which is the
    person's own left, in widths of the eye."""
    above: float
    """How far the iris is above the line between the corners, in widths of the eye."""
    width: float
    """Apparent width in pixels."""
    is_visible: bool
    """Whether it faces the camera enough for these measures to be meaningful."""


class Eyes(NamedTuple):
    """A person's own left and right eye."""

    left: Eye
    right: Eye


class EyePlace(NamedTuple):
    """Where an eye is, and how it appears."""

    x: float
    y: float
    """Its middle, in pixels."""
    width: float
    """Apparent width in pixels."""
    angle: float
    """Roll in degrees, positive counter-clockwise on the screen."""
    opening: float
    """The eye's proportions in this head pose, relative to those seen from the front."""
    is_visible: bool
    """Whether it faces the camera enough to be measured."""
    mirrored: bool
    """Whether it is the eye on the right of the image."""


class EyeReader:
    """Reads the eyes of a face with MediaPipe's iris network (Ablavatski et al. 2020).

    The lids of the face mesh are no substitute: they hardly move when the eyes shut
    (docs/signs.md).

    Args:
        network: The iris network; None: the included one.
        face: The canonical face; None: the included one.

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

    def locate(
        self, points: NDArray[np.floating], pose: HeadPose | None
    ) -> tuple[EyePlace, EyePlace]:
        """Locate the left and the right eye, at almost no cost.

        Args:
            points: ``(468, 3)`` landmarks of the face, in pixels.
            pose: Pose of the head; None: it is assumed to face the camera.
        """
        pose = pose or HeadPose(0.0, 0.0, 0.0)
        left = _locate(points[_LEFT, :2], self._left, pose, mirrored=True)
        return left, _locate(points[_RIGHT, :2], self._right, pose, mirrored=False)

    def read(self, gray: NDArray[np.uint8], places: tuple[EyePlace, EyePlace]) -> Eyes:
        """Read both eyes, as far as they are visible.

        Args:
            gray: ``(H, W) uint8``.
            places: Where the eyes are.
        """
        left, right = (self.read_one(gray, place) for place in places)
        return Eyes(left, right)

    def read_one(self, gray: NDArray[np.uint8], place: EyePlace) -> Eye:
        """Read one eye; the network expects the one on the image's left, so mirror the other."""
        if not place.is_visible:
            return Eye(0.0, 0.0, 0.0, place.width, is_visible=False)
        size = self._network.input_size[0]
        crop = crop_square(gray, (place.x, place.y), _ROI * place.width, place.angle, size)
        contour, iris = self._network.run(crop[:, ::-1].copy() if place.mirrored else crop)
        eye = _measure_eye(contour[:, :2], iris[0, :2])
        across = -eye.across if place.mirrored else eye.across
        gap = eye.gap / max(place.opening, 0.1)
        return eye._replace(gap=gap, across=across, width=place.width)


class EyeTurns:
    """Reads one eye of a person per frame, in turn, while both are open and still.

    Eyes blink together: if the eye that is read has moved, the other is read in the same frame.

    Args:
        reader: Reads the eyes.
    """

    def __init__(self, reader: EyeReader) -> None:
        self._reader = reader
        self._last: Eyes | None = None
        self._at = 0
        self._turn = 0

    def read(self, gray: NDArray[np.uint8], places: tuple[EyePlace, EyePlace], at: int) -> Eyes:
        """Read the eyes of the next frame.

        Args:
            gray: ``(H, W) uint8``.
            places: Where the eyes are.
            at: Nanoseconds on the session's time line.
        """
        last, step = self._last, at - self._at
        may_take_turns = (
            last is not None
            and 0 < step <= _LONGEST_TURN_NS
            and all(place.is_visible for place in places)
            and all(eye.is_visible and eye.gap >= _WIDE for eye in last)
        )
        self._at = at
        if last is None or not may_take_turns:
            self._last = self._reader.read(gray, places)
            return self._last
        self._turn = 1 - self._turn
        read = self._reader.read_one(gray, places[self._turn])
        other = 1 - self._turn
        if _has_moved(last[self._turn], read):
            kept = self._reader.read_one(gray, places[other])
        else:
            kept = last[other]._replace(width=places[other].width)
        self._last = Eyes(kept, read) if self._turn else Eyes(read, kept)
        return self._last


def _has_moved(before: Eye, now: Eye) -> bool:
    """Whether an eye's lids have moved since two frames ago."""
    return abs(now.gap - before.gap) > _STILL or now.gap < _WIDE


def _locate(
    corners: NDArray[np.floating], opening: Opening, pose: HeadPose, *, mirrored: bool
) -> EyePlace:
    """Where an eye is, by its outer and inner corner."""
    x, y = (float(value) for value in corners.mean(axis=0))
    across, down = (float(value) for value in corners[0] - corners[1])
    angle = math.degrees(math.atan2(-down, across) if mirrored else math.atan2(down, -across))
    seen = opening.seen_from(pose)
    is_visible = seen.width >= NARROWEST
    return EyePlace(
        x, y, max(1.0, math.hypot(across, down)), angle, seen.opening, is_visible, mirrored
    )


def _measure_eye(contour: NDArray[np.float32], iris: NDArray[np.float32]) -> Eye:
    """Measure an eye on the left of the image, in its own crop."""
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
