"""Face detection by OpenCV's Haar cascade: a full scan, and a search near a known face."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.services.detector.detection import (
    Detection,
    IncrementalFaceDetector,
    ScanScope,
    SearchEffort,
    without_repeats,
)
from affectline.services.detector.detector_settings import HaarSettings

_WINDOW: Final = 24
"""Side of the cascade's own window: it finds no smaller faces."""

_LARGE: Final = 1.7
"""Faces count as large from this multiple of the smallest size on."""

_SURE: Final = 6
"""Agreeing windows of a face that is clear enough not to have rolled (usual: 8 to 14)."""


class _SearchParams(NamedTuple):
    """How to search a neighbourhood."""

    face: int
    """The image is scaled so that the face has this side, and every face costs the same."""
    span: float
    """Side of the neighbourhood, in sides of the face."""
    spread: float
    """How much larger or smaller the face may have become."""
    turns: tuple[float, ...]
    """Angles besides the last one, in degrees."""
    least: int
    """With fewer agreeing windows, over all angles, it is not a face."""


_NEAR: Final = _SearchParams(face=32, span=1.5, spread=1.2, turns=(-12, 12), least=4)
"""The cascade tolerates a roll of about 15 degrees either way, so angles 12 degrees apart overlap.
This finds a face up to a quarter of its side away, but hardly measures growth: if a face grows by a
tenth, it reports a fortieth."""

_SIZING: Final = _SearchParams(face=32, span=1.5, spread=1.35, turns=(), least=1)
"""Measures the size of a face to 2 %, at nearly twice the cost."""

_HARD: Final = _SearchParams(face=48, span=1.8, spread=1.35, turns=(-24, -12, 12, 24), least=6)
"""Finds about twice as many windows on a face, at three times the cost."""


class ScanPass(NamedTuple):
    """A part of a full scan, small enough that no frame has to wait for it."""

    sizes: Literal["large", "small"]
    """Sizes of the faces to search for; the two cost about the same."""
    angle: float
    """Roll of the faces to search for, in degrees."""


_SCAN: Final = (
    ScanPass("large", 0.0),
    ScanPass("small", 0.0),
    ScanPass("large", 28.0),
    ScanPass("large", 0.0),
    ScanPass("small", 0.0),
    ScanPass("large", -28.0),
)
"""The passes of a full scan. The cascade tolerates a roll of about 15 degrees, and a search near a
known face 12 more."""

_UPRIGHT: Final = _SCAN[:2]
"""The passes that find upright faces of all sizes."""


class HaarDetector(IncrementalFaceDetector):
    """OpenCV's frontal face cascade (Viola & Jones 2001; Lienhart & Maydt 2002)."""

    settings_model = HaarSettings

    def __init__(self, settings: HaarSettings) -> None:
        import cv2

        cascade = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier(str(cascade))
        self._settings = settings

    def detect(self, gray: NDArray[np.uint8]) -> list[Detection]:
        """Find all faces by a full scan; the tracker spreads it over several frames instead."""
        return self._scan_passes(gray, (), tuple(dict.fromkeys(_SCAN)))

    def scan(
        self, gray: NDArray[np.uint8], known: Sequence[Detection], scope: ScanScope, turn: int
    ) -> list[Detection]:
        if scope == "first":  # heads are seldom rolled when they appear
            return self._scan_passes(gray, known, _UPRIGHT)
        passes = _UPRIGHT if scope == "steady" else _SCAN
        return self._scan_passes(gray, known, (passes[turn % len(passes)],))

    def _scan_passes(
        self, gray: NDArray[np.uint8], known: Sequence[Detection], passes: Sequence[ScanPass]
    ) -> list[Detection]:
        faces: list[Detection] = []
        for scan_pass in passes:
            candidates = self.detect_pass(gray, scan_pass, [*known, *faces])
            confirmed = [
                self.redetect(gray, one, "confirm")
                for one in sorted(candidates, key=lambda one: -one.side)
            ]
            found = [one for one in confirmed if one]
            faces += without_repeats(found, [*known, *faces])
        return faces

    def detect_pass(
        self, gray: NDArray[np.uint8], scan_pass: ScanPass, known: Sequence[Detection]
    ) -> list[Detection]:
        """Find candidates for faces other than the known ones, in one pass."""
        import cv2

        height, width = gray.shape
        shrink = max(1.0, max(width, height) / self._settings.scan_size)
        small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        image = np.asarray(cv2.resize(gray, small, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        _mask_faces(image, known, shrink)
        if scan_pass.angle:
            turn = cv2.getRotationMatrix2D((small[0] / 2, small[1] / 2), -scan_pass.angle, 1)
            image = np.asarray(
                cv2.warpAffine(image, turn, small, borderMode=cv2.BORDER_REPLICATE), np.uint8
            )
        least = max(_WINDOW, round(self._settings.min_face * small[1]))
        medium = round(least * _LARGE)
        if scan_pass.sizes == "large":
            least, most = medium, max(small)
        else:  # overlaps the large sizes, so that a face in between has enough neighbours
            most = round(medium * self._settings.scale_factor)
        found = self._search(
            image, self._settings.scale_factor, self._settings.min_neighbours, least, most
        )
        middle, centre = (small[0] / 2, small[1] / 2), (width / 2, height / 2)
        return [_to_image(one, middle, centre, shrink, scan_pass.angle) for one in found]

    def redetect(
        self, gray: NDArray[np.uint8], last: Detection, effort: SearchEffort
    ) -> Detection | None:
        params = _HARD if effort == "recover" else _NEAR
        found = self._search_near(gray, last, last.angle, params)
        if effort in ("confirm", "recover") or found is None or found.evidence < params.least:
            found = self._search_directions(gray, last, params, found)
        if found is None:
            return None
        if effort != "recover":
            found = found._replace(side=last.side)
        if effort == "place":
            return found._replace(angle=last.angle)
        if effort == "fast" and found.evidence >= _SURE and found.angle == last.angle:
            return found
        return self._measure(gray, found, size=effort != "fast")

    def _measure(self, gray: NDArray[np.uint8], face: Detection, *, size: bool) -> Detection:
        """Measure the roll of a face, and its size if ``size`` is set."""
        from affectline.services.detector.roll_angle import measure_roll

        angle = measure_roll(gray, (face.x, face.y), face.side, face.angle)
        sized = self._search_near(gray, face, angle, _SIZING) if size else None
        return face._replace(side=sized.side if sized else face.side, angle=angle)

    def _search_directions(
        self,
        gray: NDArray[np.uint8],
        last: Detection,
        params: _SearchParams,
        straight: Detection | None,
    ) -> Detection | None:
        """Search at the other angles as well as at the last one."""
        turned = [self._search_near(gray, last, last.angle + turn, params) for turn in params.turns]
        merged = _merge([one for one in (straight, *turned) if one])
        return merged if merged and merged.evidence >= params.least else None

    def _search_near(
        self, gray: NDArray[np.uint8], last: Detection, angle: float, params: _SearchParams
    ) -> Detection | None:
        """Search the neighbourhood of a face at one angle."""
        from affectline.common.vision.crops import crop_square

        size = round(params.face * params.span)
        step = last.side / params.face
        patch = crop_square(gray, (last.x, last.y), size * step, angle, size)
        least, most = round(params.face / params.spread), round(params.face * params.spread)
        found = self._search(patch, 1.1, 1, least, most)
        middle = (size / 2, size / 2)
        placed = [_to_image(one, middle, (last.x, last.y), step, angle) for one in found]
        return max(placed, key=lambda one: _likelihood(one, last), default=None)

    def _search(
        self, image: NDArray[np.uint8], factor: float, neighbours: int, least: int, most: int
    ) -> list[tuple[float, float, float, int]]:
        """Boxes as ``(centre x, centre y, side, agreeing windows)``."""
        if min(image.shape) < max(_WINDOW, least) or most < least:
            return []
        boxes, counts = self._cascade.detectMultiScale2(
            image, factor, neighbours, minSize=(least, least), maxSize=(most, most)
        )
        return [
            (float(x + w / 2), float(y + h / 2), float(w), int(count))
            for (x, y, w, h), count in zip(boxes, counts, strict=True)
        ]


def _mask_faces(image: NDArray[np.uint8], known: Sequence[Detection], shrink: float) -> None:
    """Paint over known faces: windows on a face pass most stages and cost two thirds of a scan."""
    for face in known:
        left, top = (int(max(0.0, c - face.side / 2) / shrink) for c in (face.x, face.y))
        right, bottom = (int(max(0.0, c + face.side / 2) / shrink) for c in (face.x, face.y))
        area = image[top:bottom, left:right]
        if area.size:
            area[:] = int(area.mean())


def _to_image(
    box: tuple[float, float, float, int],
    middle: tuple[float, float],
    centre: tuple[float, float],
    step: float,
    angle: float,
) -> Detection:
    """Transform a box from a turned and scaled patch to the image."""
    from affectline.common.vision.crops import place_in_image

    across, down = (box[0] - middle[0]) * step, (box[1] - middle[1]) * step
    x, y = place_in_image(across, down, centre, angle)
    return Detection(x, y, box[2] * step, angle, box[3])


def _likelihood(one: Detection, last: Detection) -> float:
    """Evidence, halved at a quarter of a face away from where the face was."""
    distance = math.hypot(one.x - last.x, one.y - last.y) / last.side
    return one.evidence / (1 + (4 * distance) ** 2)


def _merge(detections: Sequence[Detection]) -> Detection | None:
    """The mean of the detections at several angles, weighted by evidence.

    Its roll is only approximate: agreeing windows need not be spread evenly about a head's roll,
    and the mean is pulled to the middle of the angles searched.
    """
    if not detections:
        return None
    weights = np.array([one.evidence for one in detections])
    places = np.array([one[:4] for one in detections])
    x, y, side, angle = (weights @ places / weights.sum()).tolist()
    return Detection(x, y, side, angle, float(weights.sum()))
