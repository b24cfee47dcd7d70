"""What is drawn onto a picture."""

from typing import Any

import numpy as np
import pytest

from affectline.common.vision.sign_words import DOUBT_WORDS, EYES_UNKNOWN_WORDS, GAZE_WORDS
from affectline.common.wire.face_signs import DOUBTS, FaceSigns
from affectline.common.wire.messages import Emotion
from affectline.services.overlay import drawing
from affectline.services.overlay.drawing import DARK, PLAIN, Image, Status, draw
from tests.samples import EMOTION

STATUS = Status(25.0, 8.0, 0)
BOX = (200, 120, 120, 120)
INSIDE = np.s_[125:235, 205:315]
"""Rows and columns of the box without its line."""


def picture() -> Image:
    return np.random.default_rng(1).integers(60, 200, (360, 640, 3), np.uint8).astype(np.uint8)


def drawn(**changes: Any) -> Image:
    face = EMOTION.faces[0].model_copy(update={"box": BOX, "angle": 0.0, "doubts": (), **changes})
    said: Emotion = EMOTION.model_copy(update={"faces": (face,), "width": 640, "height": 360})
    return draw(picture(), said, STATUS)


def test_the_band_about_a_doubted_face_is_striped_dark_and_light() -> None:
    image = drawn(doubts=("speaking",))
    band = image[180, 190:198]  # left of the box, outside of its line
    colours = {tuple(int(value) for value in pixel) for pixel in band}
    assert colours == {DARK, PLAIN}
    column = image[140:220, 194]
    changes = np.flatnonzero(np.any(np.diff(column.astype(int), axis=0), axis=1))
    assert len(changes) >= 10, "stripes, not a plain line"


def test_a_face_without_doubts_has_no_band() -> None:
    image = drawn()
    assert (image[180, 190:198] == picture()[180, 190:198]).all()


@pytest.mark.parametrize("doubts", [(), ("dark", "blurred")])
@pytest.mark.parametrize("angle", [0.0, -20.0])
def test_the_face_itself_stays_as_it_is(doubts: tuple[str, ...], angle: float) -> None:
    image, plain = drawn(doubts=doubts, angle=angle), drawn(angle=angle)
    core = np.s_[160:200, 240:280]
    assert (image[core] == picture()[core]).all()
    if not angle:
        assert (image[INSIDE] == plain[INSIDE]).all()
        assert (image[INSIDE] == picture()[INSIDE]).all()


def test_the_reason_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(drawing, "_draw_text", lambda _image, text, *_: told.append(text))
    drawn(doubts=("turned_away", "too_small"))
    assert "doubt: turned away, too small" in told
    told.clear()
    drawn(doubts=("dark",), box=(200, 220, 120, 140))
    assert "#1 happy 90%  doubt: dark" in told, "there is no room below"


def test_everything_has_words() -> None:
    assert tuple(DOUBT_WORDS) == DOUBTS
    for name in EYES_UNKNOWN_WORDS:
        FaceSigns(eyes_unknown=name)
    for gaze in GAZE_WORDS:
        FaceSigns(gaze=gaze)
