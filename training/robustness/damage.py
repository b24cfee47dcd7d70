"""Damage to faces in known amounts, as live crops have it: one function for each kind.

All take faces ``(N, 48, 48) uint8`` and return as many, of the same size. Blur and JPEG quality are
defined as in `affectline.training.data.degrade`, which training uses: there on tensors and in
random amounts, here by OpenCV and in the amount that is asked for.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.preprocessing import FER_SIZE, to_square
from affectline.training.data.drawn_hands import draw_hand

Faces = NDArray[np.uint8]

NOISE: Final = 2.0
"""Standard deviation of the noise added to dark faces, in gray levels of 255."""
HANDS: Final = 12
"""Hands drawn for a face, of which the one that covers nearest to the share asked for is kept."""


def blur(faces: Faces, spread: float) -> Faces:
    """Blur by a Gaussian.

    Args:
        faces: ``(N, 48, 48)``.
        spread: Its standard deviation in pixels of the 48x48 picture; 0: none.
    """
    if spread <= 0:
        return faces
    return np.stack(
        [cv2.GaussianBlur(face, (0, 0), spread, borderType=cv2.BORDER_REFLECT) for face in faces]
    ).astype(np.uint8)


def shrink(faces: Faces, side: int) -> Faces:
    """Take away the detail that a small face does not have: scaled down and up again.

    Args:
        faces: ``(N, 48, 48)``.
        side: Side of the small picture in pixels, 1 to 48; enlarged as the detector enlarges.
    """
    return np.stack(
        [to_square(cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)) for face in faces]
    )


def darken(faces: Faces, light: float, random: np.random.Generator) -> Faces:
    """Take away light, and add the noise that a camera adds in the dark.

    Args:
        faces: ``(N, 48, 48)``.
        light: The share of the light that is left, 0 to 1.
        random: Draws the noise, which has the same strength at any light below 1.
    """
    if light >= 1:
        return faces
    dark = faces.astype(np.float32) * np.float32(light)
    dark += random.normal(0, NOISE, faces.shape).astype(np.float32)
    return np.asarray(np.clip(np.rint(dark), 0, 255), dtype=np.uint8)


def roll(faces: Faces, angle: float) -> Faces:
    """Roll the faces about the middle of the picture, every second one to the other side.

    Args:
        faces: ``(N, 48, 48)``.
        angle: Degrees, counter-clockwise for the first face. Beyond the picture, its edge is
            repeated.
    """
    middle = ((FER_SIZE - 1) / 2, (FER_SIZE - 1) / 2)
    turns = [cv2.getRotationMatrix2D(middle, sign * angle, 1) for sign in (1, -1)]
    size = (FER_SIZE, FER_SIZE)
    return np.stack(
        [
            cv2.warpAffine(face, turns[row % 2], size, borderMode=cv2.BORDER_REPLICATE)
            for row, face in enumerate(faces)
        ]
    ).astype(np.uint8)


def cover(faces: Faces, share: float, random: np.random.Generator) -> Faces:
    """Draw a hand over each face that hides about a share of the picture.

    Args:
        faces: ``(N, 48, 48)``.
        share: 0 to 1. Of `HANDS` hands, the one that hides nearest to this share is drawn.
        random: Draws the hands.
    """
    if share <= 0:
        return faces
    covered = []
    for face in faces:
        hands = [draw_hand(face, random) for _ in range(HANDS)]
        picture, _ = min(hands, key=lambda hand: abs(float(hand[1].mean()) - share))
        covered.append(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    return np.stack(covered)


def compress(faces: Faces, quality: int) -> Faces:
    """Compress as JPEG and decode again, at 48x48 pixels.

    Args:
        faces: ``(N, 48, 48)``.
        quality: libjpeg's, 1 to 100.
    """
    return np.stack([_through_jpeg(face, quality) for face in faces])


def _through_jpeg(face: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    content = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
