"""What is drawn onto a picture."""

from typing import Any

import numpy as np
import pytest

from affectline.common.vision.sign_words import DOUBT_WORDS, EYES_UNKNOWN_WORDS, GAZE_WORDS
from affectline.common.wire.face_signs import DOUBTS, FaceSigns
from affectline.common.wire.messages import Emotion
from affectline.services.detector.head_pose import HeadPose
from affectline.services.overlay import drawing
from affectline.services.overlay.drawing import (
    COLOURS,
    DARK,
    EYES,
    PLAIN,
    Heading,
    Image,
    draw,
    head_axes,
    text_height,
)
from affectline.services.overlay.lettering import text_page, text_size
from affectline.services.overlay.placement import Rect
from tests.samples import EMOTION

HEADING = Heading("00:00:01.250")
BOX = (200, 120, 120, 120)
INSIDE = np.s_[125:235, 205:315]
"""Rows and columns of the box without its line."""
FRONTAL: dict[str, Any] = {"yaw": None, "pitch": None, "roll": None}


def picture(width: int = 640, height: int = 360) -> Image:
    random = np.random.default_rng(1)
    return random.integers(60, 200, (height, width, 3), np.uint8).astype(np.uint8)


def said(*faces: dict[str, Any], width: int = 640, height: int = 360, **more: Any) -> Emotion:
    plain = {"box": BOX, "angle": 0.0, "doubts": (), **FRONTAL}
    made = tuple(
        EMOTION.faces[0].model_copy(update={**plain, "track": number, **changes})
        for number, changes in enumerate(faces, 1)
    )
    return EMOTION.model_copy(update={"faces": made, "width": width, "height": height, **more})


def drawn(**changes: Any) -> Image:
    return draw(picture(), said(changes), HEADING)


@pytest.fixture
def plates(monkeypatch: pytest.MonkeyPatch) -> list[Rect]:
    """Where plates were laid."""
    found: list[Rect] = []
    lay = drawing.darken

    def note(image: Image, at: Rect) -> None:
        found.append(at)
        lay(image, at)

    monkeypatch.setattr(drawing, "darken", note)
    return found


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, int], int]]:
    """What would have been written, where, and how large; nothing is."""
    found: list[tuple[str, tuple[int, int], int]] = []
    monkeypatch.setattr(drawing, "write", lambda _, text, at, size: found.append((text, at, size)))
    return found


def luminance(bgr: Any) -> np.ndarray:
    """Relative luminance as in WCAG 2.2."""
    share = np.asarray(bgr, float) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ (0.0722, 0.7152, 0.2126))


def contrast(one: Any, other: Any) -> np.ndarray:
    low, high = np.minimum(a := luminance(one), b := luminance(other)), np.maximum(a, b)
    return np.asarray((high + 0.05) / (low + 0.05))


BACKGROUNDS = {
    "white": np.full((360, 640, 3), 255, np.uint8),
    "black": np.zeros((360, 640, 3), np.uint8),
    "noise": np.random.default_rng(2).integers(0, 256, (360, 640, 3), np.uint8),
    "yellow": np.full((360, 640, 3), (60, 240, 255), np.uint8),
}


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_text_is_readable_on_whatever_is_behind_it(
    texts: list[tuple[str, tuple[int, int], int]], background: str
) -> None:
    faces = {"doubts": ("dark",)}, {"box": (480, 100, 90, 90), "label": "sad"}
    heading = Heading("00:00:01.250", "25 frames/s   8 ms   0 skipped")
    image = draw(BACKGROUNDS[background], said(*faces), heading)
    assert len(texts) == 2 + 3 + 2 * (7 + 1), "headings, labels, emotions and eyes"
    for text, (left, top), size in texts:
        width, height = text_size(text, size)
        behind = image[top : top + height, left : left + width]
        assert behind.shape[:2] == (height, width), f"{text!r} lies in the picture"
        assert contrast(behind, PLAIN).min() >= 4.5, text


@pytest.mark.parametrize("label", COLOURS)
def test_bars_and_boxes_stand_out_from_what_is_beside_them(label: str) -> None:
    """By 3, as WCAG asks of graphics: bars from their ground, boxes from their edge."""
    assert contrast(COLOURS[label], DARK) >= 3


def test_text_is_what_is_written() -> None:
    image = drawn(label="happy", confidence=0.9)
    size = text_height((640, 360))
    ink = (text_page("#1 happy 90%", size) == PLAIN).all(axis=2)
    light = (image == PLAIN).all(axis=2)
    rows, columns = np.nonzero(ink)
    fits = [
        (top, left)
        for top in range(90, 125)
        for left in range(195, 240)
        if light[rows + top, columns + left].all()
    ]
    assert len(fits) == 1, "the label is above the box"


@pytest.mark.parametrize(("height", "lines"), [(360, 12), (720, 24), (1080, 36), (2160, 72)])
def test_the_size_of_texts_goes_by_the_height(height: int, lines: int) -> None:
    assert text_height((height * 16 // 9, height)) == lines


def test_the_band_about_a_doubted_face_is_striped_dark_and_light() -> None:
    image = drawn(doubts=("speaking",))
    band = image[180, 191:196]  # left of the box, outside of its line
    colours = {tuple(int(value) for value in pixel) for pixel in band}
    assert colours == {DARK, PLAIN}
    column = image[140:220, 194]
    changes = np.flatnonzero(np.any(np.diff(column.astype(int), axis=0), axis=1))
    assert len(changes) >= 10, "stripes, not a plain line"


def test_the_bars_of_a_doubted_face_are_striped(plates: list[Rect]) -> None:
    def bar(image: Image) -> Image:
        at = plates[-1]
        part = image[at.top : at.bottom, at.left : at.right]
        row = np.argmax((part == COLOURS["happy"]).all(axis=2).sum(axis=1))
        return np.asarray(part[row])

    plain, striped = bar(drawn()), bar(drawn(doubts=("dark",)))
    filled = int((plain == COLOURS["happy"]).all(axis=1).sum())
    left = int((striped == COLOURS["happy"]).all(axis=1).sum())
    assert filled >= 50
    assert 0.3 * filled < left < 0.7 * filled


def test_a_face_without_doubts_has_no_band() -> None:
    image = drawn()
    assert (image[180, 185:196] == picture()[180, 185:196]).all()


@pytest.mark.parametrize("doubts", [(), ("dark", "blurred")])
@pytest.mark.parametrize("angle", [0.0, -20.0])
def test_the_face_itself_stays_as_it_is(doubts: tuple[str, ...], angle: float) -> None:
    image, plain = drawn(doubts=doubts, angle=angle), drawn(angle=angle)
    core = np.s_[160:200, 240:280]
    assert (image[core] == picture()[core]).all()
    if not angle:
        assert (image[INSIDE] == plain[INSIDE]).all()
        assert (image[INSIDE] == picture()[INSIDE]).all()


def test_the_reason_is_told_in_words(texts: list[tuple[str, tuple[int, int], int]]) -> None:
    drawn(doubts=("turned_away", "too_small"))
    assert "doubt: turned away, too small" in [text for text, *_ in texts]


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (-20, 15, 10), (50, -30, -25)])
def test_the_axes_are_those_of_the_head(angles: tuple[float, float, float]) -> None:
    rotation = HeadPose(*angles).rotation()
    assert head_axes(*angles) == pytest.approx(np.stack([rotation[0], -rotation[1]], axis=1))


@pytest.mark.parametrize(("yaw", "side"), [(40, 1), (-40, -1)])
def test_the_nose_points_to_where_the_head_is_turned(yaw: float, side: int) -> None:
    image, plain = drawn(yaw=yaw, pitch=0.0, roll=0.0), drawn()
    changed = np.nonzero((image != plain).any(axis=2))
    beside = int((changed[1] - 260)[np.abs(changed[1] - 260) > 18].mean() > 0)
    low = changed[1][changed[0] > 190]
    assert (low.max() - 260 > 260 - low.min()) == (side > 0), "a dot at the end of the nose"
    assert beside in (0, 1)


def test_the_opening_of_the_eyes_is_seen() -> None:
    def seen(image: Image) -> list[int]:
        return [int((image == colour).all(axis=2).sum()) for colour in EYES]

    shut = seen(drawn(eye_opening_left=0.1, eye_opening_right=1.0))
    wide = seen(drawn(eye_opening_left=1.0, eye_opening_right=1.0))
    assert shut[0] == wide[0] > 30, "the person's own right one"
    assert shut[1] < wide[1] / 2
    unknown = drawn(eye_opening_left=None, eye_opening_right=None, eyes_unknown="learning")
    assert seen(unknown) == [0, 0]


CROWDS = [
    [(40, 100, 100, 100), (250, 100, 100, 100), (460, 100, 100, 100)],
    [(100, 60, 200, 200), (330, 60, 200, 200)],
    [(0, 0, 150, 150), (490, 210, 150, 150)],
    [(500, 20, 130, 130), (10, 220, 130, 130), (280, 120, 90, 90)],
    [(60 + 150 * (i % 4), 40 + 160 * (i // 4), 60, 60) for i in range(8)],
    [(20 * i, 12 * i, 80, 80) for i in range(25)],
]


@pytest.mark.parametrize("boxes", CROWDS)
def test_plates_lie_in_the_picture_and_not_over_one_another(
    plates: list[Rect], monkeypatch: pytest.MonkeyPatch, boxes: list[tuple[int, int, int, int]]
) -> None:
    bars: dict[int, Rect] = {}
    draw_bars = drawing._Face.draw_bars
    monkeypatch.setattr(
        drawing._Face,
        "draw_bars",
        lambda face, image, at: (bars.update({face.track: at}), draw_bars(face, image, at)),
    )
    draw(picture(), said(*({"box": box} for box in boxes)), HEADING)
    assert len(plates) >= 1 + len(boxes), "every face has its label"
    whole = Rect(0, 0, 640, 360)
    assert all(plate.shared(whole) == plate.width * plate.height for plate in plates)
    if len(boxes) > 8:  # it cannot be avoided
        return
    faces = {number: Rect(*box) for number, box in enumerate(boxes, 1)}
    for number, plate in enumerate(plates):
        assert not any(plate.shared(other) for other in plates[number + 1 :])
    for label in plates[1 : 1 + len(boxes)]:
        assert not any(label.shared(face) for face in faces.values())
    for track, plate in bars.items():  # its own face, where there is no other room
        assert not any(plate.shared(face) for other, face in faces.items() if other != track)


def test_bars_stay_where_they_are_while_a_face_trembles(plates: list[Rect]) -> None:
    places: dict[tuple[str, int], int] = {}
    sides = set()
    for step in range(20):
        plates.clear()
        x = 384 + step % 2 * 3  # at its right there is room for bars in every other frame
        draw(picture(), said({"box": (x, 120, 120, 120)}), HEADING, places)
        sides.add(plates[-1].left > x)
    assert len(sides) == 1


def test_a_face_that_fills_the_picture_keeps_its_bars(plates: list[Rect]) -> None:
    draw(picture(), said({"box": (10, 0, 620, 360)}), HEADING)
    assert len(plates) == 3


def test_bars_that_would_hide_their_face_are_left_out(plates: list[Rect]) -> None:
    small = {"box": (80, 20, 160, 150)}
    draw(picture(320, 180), said(small), HEADING, size=(320, 180))
    assert len(plates) == 2, "heading and label"
    draw(picture(), said({"box": (200, 20, 240, 320)}), HEADING)
    assert len(plates) == 5, "there is room beside the face"


@pytest.mark.parametrize(("width", "rows"), [(1280, {0}), (640, {0}), (280, {0, 1})])
def test_stats_go_below_the_time_where_there_is_no_room(
    texts: list[tuple[str, tuple[int, int], int]], width: int, rows: set[int]
) -> None:
    heading = Heading("00:00:01.250", "25 frames/s   8 ms   0 skipped")
    draw(picture(width, 180), said(), heading, size=(width, 180))
    (time, at, size), (stats, stats_at, _) = texts
    assert time.startswith(("drive   00:00:01.250", "…"))
    assert stats == heading.stats
    assert at[1] < 10
    assert ({0} if stats_at[1] == at[1] else {0, 1}) == rows
    assert stats_at[0] + text_size(stats, size)[0] <= width


@pytest.mark.parametrize("size", [(640, 20), (640, 60), (20, 640), (1, 1), (4000, 8)])
def test_a_picture_of_any_form_is_drawn(size: tuple[int, int]) -> None:
    image = draw(picture(*size), said({"box": (0, 0, *size)}), HEADING)
    assert image.shape[1] >= 640


def test_a_picture_is_drawn_as_large_as_it_is_shown() -> None:
    image = draw(picture(), said({}), HEADING, size=(1280, 720))
    assert image.shape == (720, 1280, 3)


def test_everything_has_words() -> None:
    assert tuple(DOUBT_WORDS) == DOUBTS
    for name in EYES_UNKNOWN_WORDS:
        FaceSigns(eyes_unknown=name)
    for gaze in GAZE_WORDS:
        FaceSigns(gaze=gaze)
