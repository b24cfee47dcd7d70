"""Draws the overlay: boxes, tracks, labels, probability bars, and the pipeline's status."""

from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.vision import palette as colours
from affectline.common.vision.palette import to_bgr
from affectline.common.vision.sign_words import describe_doubts
from affectline.common.wire.messages import Emotion, FaceEmotion

Image = NDArray[np.uint8]

SMALLEST_WIDTH: Final = 640
"""Narrower images are enlarged, so that the text is readable."""
COLOURS: Final = {label: to_bgr(colour) for label, colour in colours.COLOURS.items()}
"""BGR."""
PLAIN: Final = (235, 235, 235)
DARK: Final = (25, 25, 25)
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
ROW: Final = 15
NAME_WIDTH: Final = 62
BAR_WIDTH: Final = 70
PANEL: Final = (NAME_WIDTH + BAR_WIDTH + 10, ROW * len(LABELS) + 6)
"""Width and height of the bars of one face in pixels."""

HATCH_WIDTH: Final = 8
"""Width in pixels of the band about the box of a face that is doubted."""
HATCH_STEP: Final = 10
"""From one stripe of the band to the next in pixels, along the picture's rows."""


class Status(NamedTuple):
    """What the line at the top shows."""

    rate: float
    """Frames a second."""
    latency_ms: float
    skipped: int


def draw(frame: Image, emotion: Emotion, status: Status) -> Image:
    """Draw the result of a frame onto a copy of it.

    Args:
        frame: ``(H, W, 3) uint8`` BGR.
        emotion: The result of this very frame.
        status: The status of the pipeline.

    Returns:
        ``(H', W', 3) uint8`` BGR, at least `SMALLEST_WIDTH` wide.
    """
    scale = max(1.0, SMALLEST_WIDTH / frame.shape[1])
    size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
    image = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    for face in emotion.faces:  # the bars first: what is said of a neighbour stays readable
        _draw_distribution(image, face, scale)
    for face in emotion.faces:
        _draw_face(image, face, scale)
    _draw_status(image, emotion, status)
    return image


def _draw_face(image: Image, face: FaceEmotion, scale: float) -> None:
    x, y, w, h = (round(v * scale) for v in face.box)
    colour = COLOURS[face.label] if face.label else PLAIN
    corners = cv2.boxPoints(((x + w / 2, y + h / 2), (w, h), -face.angle))
    cv2.polylines(image, [np.int32(corners)], True, colour, 2, cv2.LINE_AA)  # type: ignore[list-item]
    if face.label and face.confidence is not None:
        title = f"#{face.track} {face.label} {face.confidence:.0%}"
    else:
        title = f"#{face.track} {face.missing or ''}"
    above = 6
    if face.doubts:
        _hatch_around(image, corners)
        above += HATCH_WIDTH + 4
        below = y + h + HATCH_WIDTH + 16
        if below < image.shape[0]:
            _draw_text(image, describe_doubts(face.doubts), (x, below), PLAIN, 0.5)
        else:  # not over the face
            title = f"{title}  {describe_doubts(face.doubts)}"
    _draw_text(image, title, (x, max(34, y - above)), PLAIN, 0.5)


def _draw_distribution(image: Image, face: FaceEmotion, scale: float) -> None:
    x, y, w, _ = (round(v * scale) for v in face.box)
    if face.probabilities is not None:
        right = x + w + 8
        left = right if right + PANEL[0] <= image.shape[1] else max(0, x - PANEL[0] - 8)
        top = min(max(24, y), max(24, image.shape[0] - PANEL[1]))
        _draw_bars(image, face.probabilities, (left, top))


def _hatch_around(image: Image, corners: NDArray[Any]) -> None:
    """Stripe a band outside of a box, dark and light, so that it shows without colours too.

    The pixels within the box stay as they are.
    """
    centre = corners.mean(axis=0)
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    # The box's own line is two pixels wide
    room = 1 + 2 * (HATCH_WIDTH + 2) / max(1.0, float(sides.min()))
    inner, outer = corners.astype(np.int32), (centre + (corners - centre) * room).astype(np.int32)
    band = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(band, outer, (1,))
    cv2.fillConvexPoly(band, inner, (0,))
    cv2.polylines(band, [inner], True, (0,), 3)
    rows, columns = np.nonzero(band)
    is_light = (rows + columns) % HATCH_STEP < HATCH_STEP // 2
    image[rows, columns] = np.where(is_light[:, None], PLAIN, DARK)


def _draw_bars(image: Image, distribution: tuple[float, ...], at: tuple[int, int]) -> None:
    left, top = at
    panel = image[top : top + PANEL[1], left : left + PANEL[0]]
    panel[:] = panel // 3  # dark enough for the text, still see-through
    for i, (label, part) in enumerate(zip(LABELS, distribution, strict=True)):
        row = top + 4 + i * ROW
        _draw_text(image, label, (left + 4, row + ROW - 5), PLAIN, 0.4)
        start, end = (left + NAME_WIDTH, row), (left + NAME_WIDTH + BAR_WIDTH, row + ROW - 4)
        cv2.rectangle(image, start, end, (90, 90, 90), 1)
        filled = (start[0] + round(part * BAR_WIDTH), end[1])
        cv2.rectangle(image, start, filled, COLOURS[label], cv2.FILLED)


def _draw_status(image: Image, emotion: Emotion, status: Status) -> None:
    image[:22] = image[:22] // 3
    text = (
        f"{emotion.stream}  frame {emotion.seq}  {status.rate:.0f} frames/s  "
        f"{status.latency_ms:.0f} ms  {status.skipped} skipped"
    )
    if emotion.missing:
        text += f"  ({emotion.missing})"
    elif not emotion.faces:
        text += "  no face"
    _draw_text(image, text, (6, 15), PLAIN, 0.45)


def _draw_text(
    image: Image, text: str, at: tuple[int, int], colour: tuple[int, int, int], size: float
) -> None:
    cv2.putText(image, text, at, FONT, size, DARK, 3, cv2.LINE_AA)
    cv2.putText(image, text, at, FONT, size, colour, 1, cv2.LINE_AA)
