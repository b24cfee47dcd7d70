"""Which pictures are good enough to be kept, and in words why the others are not."""

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.crops import crop_face, measure_quality
from affectline.common.vision.preprocessing import to_square
from affectline.common.wire.messages import Emotion, SeenFace

Image = NDArray[np.uint8]

SMALLEST: Final = 96
"""Side of a face in pixels: what a model for 96x96 pixels can be trained on."""
SHARPEST_BLURRED: Final = 150.0
DARKEST: Final = 0.2
BRIGHTEST: Final = 0.8
"""As ``Quality`` in ``common/wire/messages.py`` says of blur and brightness."""
MOST_OUTSIDE: Final = 0.05
"""Share of the face's box that may lie outside of the picture."""
MARGIN: Final = 0.01
"""What is cut beside the face's box, in its sides: as the detector does, so that what is learned
from these faces fits those that are judged later."""
MISSED: Final = {
    "behind": "the computer was busy",
    "invalid": "the picture could not be decoded",
}


class Rejection(NamedTuple):
    """Why there is no take."""

    reason: str
    """A clause, and what to do about it."""
    size: int = 0
    blur: float = 0.0
    brightness: float = 0.0


class FaceCrop(NamedTuple):
    """A face that can be kept."""

    emotion: Emotion
    track: int
    native: Image
    """``(S, S, 3) uint8`` BGR, upright, at the size that it has in the picture."""
    gray_48: Image
    """``(48, 48) uint8``."""
    size: int
    """Side of the face's box in pixels of the picture."""
    blur: float
    brightness: float


def look(emotion: Emotion, picture: Image) -> FaceCrop | Rejection:
    """Cut out the one face of a picture, if it is worth it.

    Args:
        emotion: Where faces are in that very picture.
        picture: ``(H, W, 3) uint8`` BGR, as it was captured.
    """
    if emotion.missing is not None:
        why = MISSED.get(emotion.missing, emotion.missing)
        return Rejection(f"nobody looked at this picture, {why}: try again")
    if not emotion.faces:
        return Rejection("no face: look into the camera, with light from the front")
    if len(emotion.faces) > 1:
        return Rejection(f"{len(emotion.faces)} faces: only one person at a time, please")
    face = emotion.faces[0]
    if (beyond := outside(face, picture.shape[1], picture.shape[0])) > MOST_OUTSIDE:
        size = max(face.box[2:])
        return Rejection(
            f"cut off: {beyond:.0%} of the face lie outside of the picture: move to its middle",
            size,
        )
    native = crop_face(picture, face, MARGIN)
    gray_48 = to_square(to_gray(native))
    measured = measure_quality(gray_48)
    shot = FaceCrop(
        emotion, face.track, native, gray_48,
        max(face.box[2:]), round(measured.blur, 1), round(measured.brightness, 3),
    )  # fmt: skip
    reason = find_fault(shot.size, shot.blur, shot.brightness)
    return Rejection(reason, shot.size, shot.blur, shot.brightness) if reason else shot


def find_fault(size: int, blur: float, brightness: float) -> str:
    """What is wrong with a face, in words and figures; empty where it is good."""
    if size < SMALLEST:
        return f"too small: {size} pixels of at least {SMALLEST}: come closer"
    if brightness < DARKEST:
        return f"dark: brightness {brightness:.2f} of at least {DARKEST}: more light from the front"
    if brightness > BRIGHTEST:
        return f"washed out: brightness {brightness:.2f} of at most {BRIGHTEST}: less light"
    if blur < SHARPEST_BLURRED:
        return f"blurred: sharpness {blur:.0f} of at least {SHARPEST_BLURRED:.0f}: hold still"
    return ""


def outside(face: SeenFace, width: int, height: int) -> float:
    """Share of a face's box that lies outside of the picture."""
    x, y, w, h = face.box
    across = max(0, min(x + w, width) - max(x, 0))
    down = max(0, min(y + h, height) - max(y, 0))
    return 1 - across * down / max(1, w * h)


def to_gray(picture: Image) -> Image:
    """BGR to gray, ``(H, W) uint8``."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def to_png(picture: Image) -> bytes:
    """A picture as a PNG file."""
    return cv2.imencode(".png", picture)[1].tobytes()
