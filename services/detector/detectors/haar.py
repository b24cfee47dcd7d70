"""Faces by OpenCV's Haar cascade: a scan of the whole picture, and a search near a known face."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.crops import cut
from affectline.services.detector.roll_angle import upright

_CASCADE: Final = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"

_WINDOW: Final = 24
"""Side of the cascade's own window: it sees no smaller face."""

_LARGE: Final = 1.7
"""Large faces are those from this many times the smallest size on."""

_SURE: Final = 6
"""Windows that agree on a face so clear that it has not rolled (usual: 8 to 14)."""


class _SearchParams(NamedTuple):
    """How a neighbourhood is searched."""

    face: int
    """The picture is scaled until the face has this side, so that every face costs the same."""
    span: float
    """Side of the neighbourhood, in sides of the face."""
    spread: float
    """How much larger or smaller the face may have become."""
    turns: tuple[float, ...]
    """Directions beside the last one, in degrees."""
    least: int
    """Agreeing windows, over all directions, below which it is no face."""


_NEAR: Final = _SearchParams(face=32, span=1.5, spread=1.2, turns=(-12, 12), least=4)
"""The cascade bears a roll of about 15 degrees either way, so directions 12 apart overlap. Finds
the place of a face up to a quarter of its side away, but hardly notices that it grew: of
a growth by a tenth it reports a fortieth."""

_SIZING: Final = _SearchParams(face=32, span=1.5, spread=1.35, turns=(), least=1)
"""Measures the size of a face to 2 %, for nearly twice the price."""

_HARD: Final = _SearchParams(face=48, span=1.8, spread=1.35, turns=(-24, -12, 12, 24), least=6)
"""Finds about twice the windows on a face, for three times the price."""


class Detection(NamedTuple):
    """A face as a finder sees it: a square, perhaps rolled."""

    x: float
    """Centre in pixels from the left."""
    y: float
    """Centre in pixels from the top."""
    side: float
    """In pixels, framed as by the Haar cascade: from mid-forehead to below the lips."""
    angle: float
    """Roll in degrees, positive counter-clockwise on the screen."""
    evidence: float
    """Number of overlapping windows that agree, added up over all directions looked in."""


class ScanPass(NamedTuple):
    """Part of a full scan, small enough that its picture need not wait for it."""

    part: Literal["large", "small"]
    """Sizes of faces: two sweeps of about equal cost."""
    angle: float
    """Roll of the faces to look for, in degrees."""


SearchEffort = Literal["glance", "measure", "weigh"]
"""How closely to look at a face: only where it is; its size and roll too; and in all directions,
so that the evidence tells whether it is a face at all."""


class FaceDetector(Protocol):
    """What finds faces in a picture."""

    def scan(
        self, gray: NDArray[np.uint8], sweep: ScanPass, known: Sequence[Detection]
    ) -> list[Detection]:
        """Look for faces anywhere but at the known ones, with the picture turned upright.

        Args:
            gray: ``(H, W) uint8``.
            sweep: Which faces to look for.
            known: Faces that need no search.
        """

    def follow(
        self, gray: NDArray[np.uint8], last: Detection, care: SearchEffort
    ) -> Detection | None:
        """Look for one face near where it was."""

    def regain(self, gray: NDArray[np.uint8], last: Detection) -> Detection | None:
        """Look harder and farther for a face that was missed."""


class HaarDetector:
    """OpenCV's frontal face cascade (Viola & Jones 2001; Lienhart & Maydt 2002).

    Args:
        scan_size: Longer side of the reduced picture of a full scan, in pixels.
        scale_factor: Between the sizes of faces that a full scan tries.
        min_neighbours: Windows that must agree in a full scan.
        min_face: Smallest face of a full scan, as a fraction of the picture's height.
    """

    def __init__(
        self, scan_size: int, scale_factor: float, min_neighbours: int, min_face: float
    ) -> None:
        self._cascade = cv2.CascadeClassifier(str(_CASCADE))
        self._scan_size = scan_size
        self._scale_factor = scale_factor
        self._min_neighbours = min_neighbours
        self._min_face = min_face

    def scan(
        self, gray: NDArray[np.uint8], sweep: ScanPass, known: Sequence[Detection]
    ) -> list[Detection]:
        height, width = gray.shape
        shrink = max(1.0, max(width, height) / self._scan_size)
        small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        picture = np.asarray(cv2.resize(gray, small, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        _blot_out(picture, known, shrink)
        if sweep.angle:
            turn = cv2.getRotationMatrix2D((small[0] / 2, small[1] / 2), -sweep.angle, 1)
            picture = np.asarray(
                cv2.warpAffine(picture, turn, small, borderMode=cv2.BORDER_REPLICATE), np.uint8
            )
        least = max(_WINDOW, round(self._min_face * small[1]))
        middling = round(least * _LARGE)
        if sweep.part == "large":
            least, most = middling, max(small)
        else:  # reaches into the large ones, lest a face between them find no neighbours
            most = round(middling * self._scale_factor)
        found = self._detect(picture, self._scale_factor, self._min_neighbours, least, most)
        middle, centre = (small[0] / 2, small[1] / 2), (width / 2, height / 2)
        return [_placed(one, middle, centre, shrink, sweep.angle) for one in found]

    def follow(
        self, gray: NDArray[np.uint8], last: Detection, care: SearchEffort
    ) -> Detection | None:
        found = self._look(gray, last, last.angle, _NEAR)
        if found is None or found.evidence < _NEAR.least or care == "weigh":
            found = self._look_around(gray, last, _NEAR, found)
        if found is None:
            return None
        found = found._replace(side=last.side)
        if care == "glance" and found.evidence >= _SURE and found.angle == last.angle:
            return found
        return self._measured(gray, found, sized=care != "glance")

    def regain(self, gray: NDArray[np.uint8], last: Detection) -> Detection | None:
        straight = self._look(gray, last, last.angle, _HARD)
        found = self._look_around(gray, last, _HARD, straight)
        return self._measured(gray, found, sized=True) if found else None

    def _measured(self, gray: NDArray[np.uint8], found: Detection, sized: bool) -> Detection:
        angle = upright(gray, (found.x, found.y), found.side, found.angle)
        size = self._look(gray, found, angle, _SIZING) if sized else None
        return found._replace(side=size.side if size else found.side, angle=angle)

    def _look_around(
        self,
        gray: NDArray[np.uint8],
        last: Detection,
        look: _SearchParams,
        straight: Detection | None,
    ) -> Detection | None:
        """Search in the directions beside the last one as well."""
        turned = [self._look(gray, last, last.angle + turn, look) for turn in look.turns]
        agreed = _agreed([one for one in (straight, *turned) if one])
        return agreed if agreed and agreed.evidence >= look.least else None

    def _look(
        self, gray: NDArray[np.uint8], last: Detection, angle: float, look: _SearchParams
    ) -> Detection | None:
        """Search the neighbourhood of a face in one direction."""
        size = round(look.face * look.span)
        step = last.side / look.face
        patch = cut(gray, (last.x, last.y), size * step, angle, size)
        least, most = round(look.face / look.spread), round(look.face * look.spread)
        found = self._detect(patch, 1.1, 1, least, most)
        middle = (size / 2, size / 2)
        placed = [_placed(one, middle, (last.x, last.y), step, angle) for one in found]
        return max(placed, key=lambda one: _likeness(one, last), default=None)

    def _detect(
        self, picture: NDArray[np.uint8], factor: float, neighbours: int, least: int, most: int
    ) -> list[tuple[float, float, float, int]]:
        """Boxes as ``(centre x, centre y, side, agreeing windows)``."""
        if min(picture.shape) < max(_WINDOW, least) or most < least:
            return []
        boxes, counts = self._cascade.detectMultiScale2(
            picture, factor, neighbours, minSize=(least, least), maxSize=(most, most)
        )
        return [
            (float(x + w / 2), float(y + h / 2), float(w), int(count))
            for (x, y, w, h), count in zip(boxes, counts, strict=True)
        ]


def _blot_out(picture: NDArray[np.uint8], known: Sequence[Detection], shrink: float) -> None:
    """Paint known faces over: windows on a face pass most stages and cost two thirds of a scan."""
    for face in known:
        left, top = (int(max(0.0, c - face.side / 2) / shrink) for c in (face.x, face.y))
        right, bottom = (int(max(0.0, c + face.side / 2) / shrink) for c in (face.x, face.y))
        area = picture[top:bottom, left:right]
        if area.size:
            area[:] = int(area.mean())


def _placed(
    box: tuple[float, float, float, int],
    middle: tuple[float, float],
    centre: tuple[float, float],
    step: float,
    angle: float,
) -> Detection:
    """Bring a box from a turned and scaled patch back into the picture."""
    x, y = (box[0] - middle[0]) * step, (box[1] - middle[1]) * step
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return Detection(
        centre[0] + x * cos + y * sin,
        centre[1] - x * sin + y * cos,
        box[2] * step,
        angle,
        box[3],
    )


def _likeness(one: Detection, last: Detection) -> float:
    """Evidence, halved at a quarter of a face away from where the face was."""
    distance = math.hypot(one.x - last.x, one.y - last.y) / last.side
    return one.evidence / (1 + (4 * distance) ** 2)


def _agreed(sightings: Sequence[Detection]) -> Detection | None:
    """What several directions say together, each with the weight of its evidence.

    The roll that comes out is only about right: the windows that agree need not be spread evenly
    about a head's roll, and it is pulled to the middle of the directions looked in.
    """
    if not sightings:
        return None
    weights = np.array([one.evidence for one in sightings])
    x, y, side, angle = (weights @ np.array(sightings)[:, :4] / weights.sum()).tolist()
    return Detection(x, y, side, angle, float(weights.sum()))
