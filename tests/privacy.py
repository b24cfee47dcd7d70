"""Whether faces can be recognised in what a session keeps: by detectors, and beside the source."""

import base64
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.recording.reader import SessionReader
from affectline.common.settings.detector import DetectorSettings
from affectline.common.vision.decode import decode
from affectline.common.vision.pixelation import pixelate_all
from affectline.common.wire import codec
from affectline.common.wire.messages import Box, Emotion, Frame
from affectline.services.detector.stage import for_pictures, make_detector
from affectline.services.detector.tracking import FaceTracker

Image = NDArray[np.uint8]

CASCADES: Final = ("frontalface_default", "frontalface_alt", "frontalface_alt2", "profileface")
WIDTH: Final = 320
"""The cascades search images of this width at most, as the detector does."""
LIKENESS: Final = 0.5
"""Correlation of the fine structure of a face, in the source and in what is kept: above this a
quarter of it is left. Sharp faces have 0.9 and more, pixelated ones 0.1, and 0.4 where a block's
edge follows a cheek."""
FACE_PX: Final = 64
"""Faces are compared at this size."""


class Shown(NamedTuple):
    """A picture that is kept."""

    stream: str
    seq: int
    image: Image


def find_faces(image: Image, *, closely: bool = True) -> list[Box]:
    """Faces as a picture is searched for them: all of it, at all angles, confirmed.

    Args:
        image: ``(H, W, 3) uint8``.
        closely: For smaller ones too, and for what OpenCV's other cascades take for a face.
    """
    gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    found: list[Box] = [face.box for face in _tracker(closely=closely).search(gray)]
    if not closely:
        return found
    shrink = max(1.0, gray.shape[1] / WIDTH)
    small = cv2.resize(gray, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    for name in CASCADES:
        for box in _cascade(name).detectMultiScale(small, 1.1, 3):
            x, y, w, h = (round(float(value) * shrink) for value in box)
            found.append((x, y, w, h))
    return found


@cache
def _tracker(*, closely: bool) -> FaceTracker:
    cascade = DetectorSettings.model_validate({"backend": "haar"})
    settings = for_pictures(cascade) if closely else cascade
    return FaceTracker(make_detector(settings), settings)


@cache
def _cascade(name: str) -> cv2.CascadeClassifier:
    folder = Path(cv2.__file__).parent / "data"
    return cv2.CascadeClassifier(str(folder / f"haarcascade_{name}.xml"))


def measure_likeness(source: Image, kept: Image, box: Box) -> float:
    """How much of a face's fine structure is left, from 0 to 1.

    Args:
        source: As the camera has seen it.
        kept: The same picture as it was kept.
        box: Of the face, in pixels of both.
    """
    before, after = (_fine_structure(image, box) for image in (source, kept))
    return float((before * after).mean())


def _fine_structure(image: Image, box: Box) -> NDArray[np.float64]:
    """Lines and edges of a face, with mean 0 and variance 1."""
    x, y, w, h = box
    part = image[max(0, y) : max(0, y + h), max(0, x) : max(0, x + w)]
    gray = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    face = cv2.resize(gray, (FACE_PX, FACE_PX), interpolation=cv2.INTER_AREA).astype(float)
    fine = face - cv2.GaussianBlur(face, (0, 0), FACE_PX / 20)
    return np.asarray((fine - fine.mean()) / max(1e-6, float(fine.std())))


def is_wholly_pixelated(image: Image) -> bool:
    """Whether nothing but the coarsest blocks is in a picture."""
    again = image.copy()
    pixelate_all(again)
    return float(np.abs(again.astype(int) - image).mean()) < 3


def are_same(one: Box, other: Box) -> bool:
    """Whether two boxes are about the same face: near each other, and about as large."""
    near, ratio = max(one[2], other[2]) / 2, one[2] / other[2]
    across, down = (one[i] + one[i + 2] / 2 - other[i] - other[i + 2] / 2 for i in (0, 1))
    return max(abs(across), abs(down)) < near and 0.6 < ratio < 1 / 0.6


def read_recording(session: Path) -> tuple[list[Shown], dict[tuple[str, int], Emotion]]:
    """The pictures of a recording, and its results by stream and seq."""
    shown, results = [], {}
    with SessionReader(session) as reader:
        for recorded in reader.messages():
            if recorded.kind not in ("Frame", "Emotion"):
                continue
            packet = codec.decode(recorded.parts)
            match packet.message:
                case Frame() as frame:
                    image = decode(frame, packet.parts[0])
                    assert image is not None
                    shown.append(Shown(frame.stream, frame.seq, image))
                case Emotion() as emotion:
                    results[emotion.stream, emotion.seq] = emotion
    return shown, results


def read_film(path: Path) -> Iterator[Image]:
    """The pictures of a film, in order."""
    with av.open(str(path)) as film:
        for picture in film.decode(video=0):
            yield np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)


def read_page(path: Path) -> Iterator[Image]:
    """The pictures in an HTML page."""
    for data in re.findall(r"data:image/\w+;base64,([\w+/=]+)", path.read_text()):
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        yield np.asarray(image, np.uint8)


def scale_to(image: Image, size: Iterable[int]) -> Image:
    """An image at another height and width."""
    height, width = tuple(size)[:2]
    scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, np.uint8)
