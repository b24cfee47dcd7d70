"""Checks whether a frame is good enough for a sample, and gives the reason if not."""

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.crops import crop_face, measure_quality
from affectline.common.vision.preprocessing import to_square
from affectline.common.wire.messages import Emotion, SeenFace

Image = NDArray[np.uint8]

SIZE_MIN: Final = 96
"""Minimum side of a face in pixels, enough to train a model for 96x96 pixels."""
BLUR_MIN: Final = 150.0
BRIGHTNESS_MIN: Final = 0.2
BRIGHTNESS_MAX: Final = 0.8
"""Blur and brightness as in ``Quality`` in ``common/wire/messages.py``."""
OUTSIDE_MAX: Final = 0.05
"""Share of the face's box that may be outside the frame."""
MARGIN: Final = 0.01
"""Margin around the face's box, as a share of its side: the same as the detector's, so that a model
is trained on what it will classify."""
MISSING_REASONS: Final = {
    "behind": "the computer was busy",
    "invalid": "the frame could not be decoded",
}


class Rejection(NamedTuple):
    """Why there is no sample."""

    reason: str
    """A clause with the reason, and what to do about it."""
    size: int = 0
    blur: float = 0.0
    brightness: float = 0.0


class FaceCrop(NamedTuple):
    """A face that passed the checks."""

    emotion: Emotion
    track: int
    native: Image
    """``(S, S, 3) uint8`` BGR, upright, at its size in the frame."""
    gray_48: Image
    """``(48, 48) uint8``."""
    size: int
    """Side of the face's box in pixels of the frame."""
    blur: float
    brightness: float


def check_face(emotion: Emotion, picture: Image) -> FaceCrop | Rejection:
    """Cut out the only face of a frame, if it passes the checks.

    Args:
        emotion: The result of this frame, with its faces.
        picture: ``(H, W, 3) uint8`` BGR, as captured.
    """
    if emotion.missing is not None:
        why = MISSING_REASONS.get(emotion.missing, emotion.missing)
        return Rejection(f"this frame was not analysed ({why}): try again")
    if not emotion.faces:
        return Rejection("no face: look into the camera, with light from the front")
    if len(emotion.faces) > 1:
        return Rejection(f"{len(emotion.faces)} faces: only one person at a time, please")
    face = emotion.faces[0]
    if (outside := share_outside(face, picture.shape[1], picture.shape[0])) > OUTSIDE_MAX:
        size = max(face.box[2:])
        return Rejection(
            f"cut off: {outside:.0%} of the face is outside the frame: move to the middle",
            size,
        )
    native = crop_face(picture, face, MARGIN)
    gray_48 = to_square(to_gray(native))
    measured = measure_quality(gray_48)
    face_crop = FaceCrop(
        emotion, face.track, native, gray_48,
        max(face.box[2:]), round(measured.blur, 1), round(measured.brightness, 3),
    )  # fmt: skip
    reason = find_problem(face_crop.size, face_crop.blur, face_crop.brightness)
    if reason:
        return Rejection(reason, face_crop.size, face_crop.blur, face_crop.brightness)
    return face_crop


def find_problem(size: int, blur: float, brightness: float) -> str:
    """Why a face is rejected, with figures; empty if it is accepted."""
    if size < SIZE_MIN:
        return f"too small: {size} pixels of at least {SIZE_MIN}: come closer"
    if brightness < BRIGHTNESS_MIN:
        return (
            f"dark: brightness {brightness:.2f} of at least {BRIGHTNESS_MIN}: more light from the "
            "front"
        )
    if brightness > BRIGHTNESS_MAX:
        return f"washed out: brightness {brightness:.2f} of at most {BRIGHTNESS_MAX}: less light"
    if blur < BLUR_MIN:
        return f"blurred: sharpness {blur:.0f} of at least {BLUR_MIN:.0f}: hold still"
    return ""


def share_outside(face: SeenFace, width: int, height: int) -> float:
    """Share of a face's box that is outside the frame."""
    x, y, w, h = face.box
    across = max(0, min(x + w, width) - max(x, 0))
    down = max(0, min(y + h, height) - max(y, 0))
    return 1 - across * down / max(1, w * h)


def to_gray(picture: Image) -> Image:
    """BGR to gray, ``(H, W) uint8``."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def to_png(picture: Image) -> bytes:
    """An image as a PNG file."""
    return cv2.imencode(".png", picture)[1].tobytes()
