"""Draws the overlay: boxes, labels, probabilities, head pose, eyes, and a heading.

All sizes depend on the image's height. Text is light on a translucent dark plate, and every line
has a dark edge, so that both are readable on any background.
"""

import math
from functools import lru_cache
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.palette import SIGNALS
from affectline.common.vision import palette
from affectline.common.vision.palette import to_bgr
from affectline.common.vision.sign_words import describe_doubts
from affectline.common.wire.messages import Emotion, FaceEmotion
from affectline.services.overlay.lettering import INK, shorten, text_size, write
from affectline.services.overlay.placement import MARGIN, Obstacle, Rect, along, beside, place

Image = NDArray[np.uint8]

Colour = tuple[int, int, int]
"""Blue, green, red."""

SMALLEST_WIDTH: Final = 640
"""Narrower images are enlarged, so that the text is readable."""
COLOURS: Final = {label: to_bgr(colour) for label, colour in palette.COLOURS.items()}
"""BGR."""
EYES: Final = tuple(to_bgr(SIGNALS[name].dark) for name in ("right_eye", "left_eye"))
"""The person's own right eye, which is on the left in the image, and the left eye."""
PLAIN: Final = INK
DARK: Final = (25, 25, 25)
EDGE: Final = (96, 96, 96)
"""Edge of the bars' background, so that their whole length shows on dark images as well."""
PLATE: Final = (18, 18, 18)
PLATE_COVER: Final = 0.78
"""Opacity of a plate: text on it has a contrast of 7 over white."""

SMALLEST_TEXT: Final = 12
LINES: Final = 30
"""How many lines of text would fit into the image's height."""
LETTERS: Final = 36
"""How many times the size of the text fits at least into the image's width."""
NAME_WIDTH: Final = 4.5
BAR_WIDTH: Final = 5.0
ROW: Final = 1.3
"""These are in sizes of the text."""

MOST_COVERED: Final = 0.1
"""A face's bars, but not its label, are left out if more than this share of their area would cover
other faces and their labels and bars ..."""
MOST_OF_ITS_FACE: Final = 0.2
"""... or if they would cover more than this share of the face itself."""
ON_ITS_FACE: Final = 1.0
ON_ANOTHER: Final = 4.0
ON_A_PLATE: Final = 6.0
"""The penalty for covering a pixel of each."""


class Heading(NamedTuple):
    """The text at the top of an image."""

    time: str
    """The time code, or the file name of a picture."""
    stats: str = ""
    """The pipeline's speed, at the right; empty: nothing."""


Places = dict[tuple[str, int], int]
"""Places of labels and bars in the previous frame, by kind and track."""


def draw(
    frame: Image,
    emotion: Emotion,
    heading: Heading,
    places: Places | None = None,
    size: tuple[int, int] | None = None,
) -> Image:
    """Draw the result of a frame onto a copy of it.

    Args:
        frame: ``(H, W, 3) uint8`` BGR.
        emotion: The result of the same frame.
        heading: What to write at the top.
        places: Places in the previous frame; updated with those in this frame.
        size: Width and height of the result; None: the frame's, but at least `SMALLEST_WIDTH` wide.

    Returns:
        ``(H', W', 3) uint8`` BGR.
    """
    if size is None:
        enlarged = max(1.0, SMALLEST_WIDTH / frame.shape[1])
        size = (round(frame.shape[1] * enlarged), round(frame.shape[0] * enlarged))
    scale = size[0] / frame.shape[1]
    if frame.shape[1::-1] == size:
        image = frame.copy()
    else:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(frame, size, interpolation=how), dtype=np.uint8)
    text = text_height(size)
    faces = [_Face(face, scale, text) for face in emotion.faces]
    for face in faces:
        face.draw_box(image)
        face.draw_pose(image)
    taken = [Obstacle(rect, ON_A_PLATE) for rect in _draw_heading(image, emotion, heading, text)]
    _draw_plates(image, faces, taken, {} if places is None else places)
    return image


def text_height(size: tuple[int, int]) -> int:
    """Height of a line of text in pixels, for an image of this width and height."""
    return max(SMALLEST_TEXT, round(min(size[1] / LINES, size[0] / LETTERS)))


def _draw_plates(image: Image, faces: "list[_Face]", taken: list[Obstacle], places: Places) -> None:
    """Draw labels, which all faces have, then bars; larger faces first."""
    picture = image.shape[1], image.shape[0]
    by_size = sorted(faces, key=lambda face: (-face.bounds.height, face.track))
    for face in by_size:
        label = face.label()
        if label.width > picture[0] or label.height > picture[1]:
            continue
        spots = along(face.bounds, (label.width, label.height), max(MARGIN + 1, face.text // 4))
        obstacles = [*taken, *_faces_about(face, faces)]
        chosen = place(spots, obstacles, picture, places.get(("label", face.track)))
        places["label", face.track] = chosen.number
        label.draw(image, chosen.rect)
        taken.append(Obstacle(chosen.rect, ON_A_PLATE))
    for face in by_size:
        size = face.bars_size()
        if face.face.probabilities is None or size[0] > picture[0] or size[1] > picture[1]:
            continue
        spots = beside(face.bounds, size, face.text // 2)
        obstacles = [*taken, *_faces_about(face, faces)]
        chosen = place(spots, obstacles, picture, places.get(("bars", face.track)))
        on_face = chosen.rect.shared(face.bounds)
        others = chosen.cover - ON_ITS_FACE * on_face / (size[0] * size[1])
        whole = face.bounds.width * face.bounds.height
        if others > MOST_COVERED or on_face > MOST_OF_ITS_FACE * whole:
            continue
        places["bars", face.track] = chosen.number
        face.draw_bars(image, chosen.rect)
        taken.append(Obstacle(chosen.rect, ON_A_PLATE))


def _faces_about(face: "_Face", faces: "list[_Face]") -> list[Obstacle]:
    return [Obstacle(o.bounds, ON_ITS_FACE if o is face else ON_ANOTHER) for o in faces]


class _Label:
    """A face's label: a patch of its colour, its track and emotion, with doubts below.

    Args:
        lines: One or two lines of text.
        colour: Colour of the patch, BGR.
        text: Height of a line.
    """

    def __init__(self, lines: list[str], colour: Colour, text: int) -> None:
        self._lines, self._colour, self._text = lines, colour, text
        self._line = text_size("", text)[1]
        self._edge = max(2, text // 4)
        self._patch = max(4, round(text * 0.7))
        widths = [text_size(line, text)[0] for line in lines]
        widths[0] += self._patch + self._edge
        self.width = max(widths) + 2 * self._edge
        self.height = self._line * len(lines) + 2 * (self._edge // 2)

    def draw(self, image: Image, at: Rect) -> None:
        """Draw the label at its place."""
        darken(image, at)
        left, top = at.left + self._edge, at.top + self._edge // 2
        patch_top = top + (self._line - self._patch) // 2
        _fill(image, Rect(left, patch_top, self._patch, self._patch), self._colour)
        write(image, self._lines[0], (left + self._patch + self._edge, top), self._text)
        for number, line in enumerate(self._lines[1:], 1):
            write(image, line, (left, top + number * self._line), self._text)


class _Face:
    """A face on the image that is drawn.

    Args:
        face: What is known about the face.
        scale: Factor from pixels of the frame to those of the image.
        text: Height of a line of text.
    """

    def __init__(self, face: FaceEmotion, scale: float, text: int) -> None:
        self.face, self.track, self.text = face, face.track, text
        x, y, w, h = (value * scale for value in face.box)
        self._centre, self._size = (x + w / 2, y + h / 2), (w, h)
        self._corners = cv2.boxPoints((self._centre, self._size, -face.angle))
        self._colour = COLOURS[face.label] if face.label else PLAIN
        self._line = max(2, round(text / 7))
        self._band = max(6, round(text * 0.6)) if face.doubts else 0
        low, high = self._outline(self._band + self._line).min(0), self._outline(self._band).max(0)
        self.bounds = Rect(
            *(math.floor(v) for v in low),
            *(math.ceil(b - a) + self._line for a, b in zip(low, high, strict=True)),
        )

    def _outline(self, away: float) -> NDArray[Any]:
        """The box, ``away`` pixels larger on each side."""
        centre = np.asarray(self._centre)
        sides = np.linalg.norm(self._corners - np.roll(self._corners, 1, axis=0), axis=1)
        room = 1 + 2 * away / max(1.0, float(sides.min()))
        return np.asarray(centre + (self._corners - centre) * room)

    def label(self) -> _Label:
        """The face's label."""
        face = self.face
        if face.label and face.confidence is not None:
            said = f"#{face.track} {face.label} {face.confidence:.0%}"
        else:
            said = f"#{face.track} {face.missing or ''}".strip()
        lines = [said, describe_doubts(face.doubts)] if face.doubts else [said]
        return _Label(lines, self._colour, self.text)

    def draw_box(self, image: Image) -> None:
        """Draw the box with a dark edge, and in a striped band if there are doubts about the face.

        The pixels inside the box stay unchanged.
        """
        inner = self._outline(self._line / 2)
        if self._band:
            _hatch_around(image, inner, self._outline(self._band + self._line), self._band)
        shapes = [np.int32(inner)]
        edge = self._line + 2
        cv2.polylines(image, shapes, True, DARK, edge, cv2.LINE_AA)  # type: ignore[arg-type]
        cv2.polylines(image, shapes, True, self._colour, self._line, cv2.LINE_AA)  # type: ignore[arg-type]

    def draw_pose(self, image: Image) -> None:
        """Draw the head's axes from the nose: to the person's left, upwards, and along the nose."""
        face = self.face
        if face.yaw is None or face.pitch is None or face.roll is None:
            return
        axes = head_axes(face.yaw, face.pitch, face.roll)
        tilt = math.radians(face.angle)
        down = 0.06 * self._size[1]
        step = np.asarray((math.sin(tilt), math.cos(tilt)))
        nose = np.asarray(self._centre) + down * step
        lengths = np.asarray((0.14, 0.14, 0.3)) * self._size[0]
        ends = nose + axes * lengths[:, None]
        width = max(1, self._line - 1)
        for colour, thick in ((DARK, width + 2), (PLAIN, width)):
            for end in (ends[0], ends[1]):
                _draw_line(image, nose, end, colour, thick)
            _draw_line(image, nose, ends[2], colour, thick + width)
            _draw_dot(image, ends[2], width * 2 + (colour == DARK), colour)

    @property
    def _has_eyes(self) -> bool:
        face = self.face
        return face.eye_opening_left is not None or face.eye_opening_right is not None

    def bars_size(self) -> tuple[int, int]:
        """Width and height of the plate with the face's bars, in pixels."""
        rows = len(LABELS) + self._has_eyes
        edge = max(3, self.text // 3)
        row = round(ROW * self.text)
        return round((NAME_WIDTH + BAR_WIDTH) * self.text) + 2 * edge, rows * row + 2 * (edge // 2)

    def draw_bars(self, image: Image, at: Rect) -> None:
        """Draw the face's probabilities as bars, and its eyes, on a plate."""
        text, edge = self.text, max(3, self.text // 3)
        row, line = round(ROW * text), text_size("", text)[1]
        darken(image, at)
        left, top = at.left + edge, at.top + edge // 2
        start, width = left + round(NAME_WIDTH * text), round(BAR_WIDTH * text)
        thick = max(4, round(text * 0.75))
        for number, (label, part) in enumerate(
            zip(LABELS, self.face.probabilities or (), strict=True)
        ):
            begin = top + number * row
            write(image, label, (left, begin + (row - line) // 2), text)
            bar = Rect(start, begin + (row - thick) // 2, width, thick)
            _fill(image, bar.grown(1), EDGE)
            _fill(image, bar, DARK)
            filled = bar._replace(width=round(part * width))
            _fill(image, filled, COLOURS[label])
            if self.face.doubts:
                _hatch(image, filled, step=max(4, thick // 2))
        if self._has_eyes:
            begin = top + len(LABELS) * row
            write(image, "eyes", (left, begin + (row - line) // 2), text)
            self._draw_eyes(image, Rect(start, begin, width, row))

    def _draw_eyes(self, image: Image, at: Rect) -> None:
        """Draw the opening of both eyes as in the image: the person's right eye on the left."""
        radius = round(self.text * 0.75)
        openings = self.face.eye_opening_right, self.face.eye_opening_left
        for number, (opening, colour) in enumerate(zip(openings, EYES, strict=True)):
            if opening is None:
                continue
            x, y = at.left + radius + number * round(2.4 * radius), at.top + at.height // 2
            full = round(radius * 0.6)
            height = int(full * opening + 0.3)  # eyes that are nearly shut become a line
            cv2.ellipse(image, (x, y), (radius, full), 0, 0, 360, DARK, cv2.FILLED, cv2.LINE_AA)
            cv2.ellipse(image, (x, y), (radius, height), 0, 0, 360, colour, cv2.FILLED, cv2.LINE_AA)
            if height > radius * 0.2:
                iris = min(height, round(radius * 0.3))
                cv2.circle(image, (x, y), iris, DARK, cv2.FILLED, cv2.LINE_AA)


def head_axes(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Where a head's own axes point in an image.

    Args:
        yaw: Degrees, as `FaceSigns.yaw`.
        pitch: Degrees.
        roll: Degrees.

    Returns:
        ``(3, 2)``: for the axes to the person's left, upwards and along the nose, the steps to the
        right and down in the image, in lengths of the axis.
    """
    y, p, r = math.radians(yaw), math.radians(pitch), math.radians(roll)
    forward = np.array([math.sin(y) * math.cos(p), -math.sin(p)])
    level = np.array([math.cos(y), 0.0])
    upright = np.array([-math.sin(y) * math.sin(p), -math.cos(p)])
    left = level * math.cos(r) + upright * math.sin(r)
    up = upright * math.cos(r) - level * math.sin(r)
    return np.stack([left, up, forward])


def darken(image: Image, rect: Rect) -> None:
    """Draw a plate over a part of the image."""
    part = image[rect.top : rect.bottom, rect.left : rect.right]
    if part.size:
        plate = cv2.convertScaleAbs(part, alpha=1 - PLATE_COVER, beta=PLATE[0] * PLATE_COVER)
        part[:] = plate


def _fill(image: Image, rect: Rect, colour: Colour) -> None:
    image[max(0, rect.top) : rect.bottom, max(0, rect.left) : rect.right] = colour


def _hatch(image: Image, rect: Rect, step: int) -> None:
    """Draw dark stripes over a part of the image."""
    rows = np.arange(rect.height)[:, None] + np.arange(rect.width)[None]
    part = image[rect.top : rect.bottom, rect.left : rect.right]
    part[(rows % step < step // 2)[: part.shape[0], : part.shape[1]]] = DARK


def _hatch_around(image: Image, inner: NDArray[Any], outer: NDArray[Any], width: int) -> None:
    """Stripe a band around a box, dark and light, so that it shows without colours as well."""
    low = np.maximum(np.floor(outer.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(outer.max(axis=0)).astype(int) + 1, image.shape[1::-1])
    part = image[low[1] : high[1], low[0] : high[0]]
    if not part.size:
        return
    band = np.zeros(part.shape[:2], np.uint8)
    cv2.fillConvexPoly(band, (outer - low).astype(np.int32), (1,))
    cv2.fillConvexPoly(band, (inner - low).astype(np.int32), (0,))
    step = max(8, round(width * 1.25))
    cv2.copyTo(_stripes(part.shape[0], part.shape[1], step), band, part)


@lru_cache(maxsize=16)
def _stripe_tile(size: int, step: int) -> Image:
    """Dark and light stripes that fill a square."""
    sums = np.arange(size)[:, None] + np.arange(size)[None]
    return np.where((sums % step < step // 2)[:, :, None], PLAIN, DARK).astype(np.uint8)


def _stripes(height: int, width: int, step: int) -> Image:
    # Faces change size all the time, so only a few tile sizes are cached
    size = 1 << (max(height, width) - 1).bit_length()
    return _stripe_tile(size, step)[:height, :width]


def _draw_line(
    image: Image, begin: NDArray[Any], end: NDArray[Any], colour: Colour, width: int
) -> None:
    # In sixteenths of a pixel
    first, last = (tuple(round(16 * float(v)) for v in point) for point in (begin, end))
    cv2.line(image, first, last, colour, width, cv2.LINE_AA, shift=4)


def _draw_dot(image: Image, at: NDArray[Any], radius: int, colour: Colour) -> None:
    centre = tuple(round(16 * float(v)) for v in at)
    cv2.circle(image, centre, 16 * radius, colour, cv2.FILLED, cv2.LINE_AA, shift=4)


def _draw_heading(image: Image, emotion: Emotion, heading: Heading, text: int) -> list[Rect]:
    """Write the stream, the time and what is missing at the top; return the plates."""
    edge, line = max(4, text // 3), text_size("", text)[1]
    missing = f"no result: {emotion.missing}" if emotion.missing else ""
    words = [emotion.stream, heading.time, missing or ("" if emotion.faces else "no face")]
    height, room = line + 2 * (edge // 2), image.shape[1]
    plates: list[Rect] = []
    for told in ("   ".join(filter(None, words)), heading.stats):
        said = shorten(told, text, room - 2 * edge)
        width = text_size(said, text)[0] + 2 * edge
        left = room - width if plates else 0  # below the first one, if there is no room beside it
        top = height if plates and plates[0].right + edge > left else 0
        if not said or width > room or top + height > image.shape[0]:
            continue
        plates.append(Rect(left, top, width, height))
        darken(image, plates[-1])
        write(image, said, (left + edge, top + edge // 2), text)
    return plates
