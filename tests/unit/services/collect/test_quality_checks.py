import cv2
import numpy as np
import pytest

from affectline.common.vision.crops import crop_face
from affectline.services.collect.quality_checks import MARGIN, FaceCrop, Rejection, check_face
from tests.unit.services.collect.faces import BOX, emotion, face, scene


def test_a_good_face_is_cut_at_the_size_that_it_has() -> None:
    large = (100, 20, 300, 300)  # the wire's crops end at 160 pixels
    found = check_face(emotion(face(large, track=4)), scene())
    assert isinstance(found, FaceCrop)
    assert found.native.shape == (306, 306, 3)
    assert found.gray_48.shape == (48, 48)
    assert found.gray_48.dtype == np.uint8
    assert (found.track, found.size) == (4, 300)


def test_it_is_cut_upright_and_framed_as_the_detector_does() -> None:
    picture = scene()
    rolled = face(angle=20)
    found = check_face(emotion(rolled), picture)
    assert isinstance(found, FaceCrop)
    assert np.array_equal(found.native, crop_face(picture, rolled, MARGIN))


def refused(*faces: object, picture: object = None, **more: object) -> Rejection:
    shown = scene() if picture is None else picture
    found = check_face(emotion(*faces, **more), shown)  # type: ignore[arg-type]
    assert isinstance(found, Rejection)
    return found


def test_a_small_face_is_rejected_in_words_and_figures() -> None:
    found = refused(face((10, 10, 60, 60)))
    assert found.reason == "too small: 60 pixels of at least 96: come closer"
    assert found.size == 60


def test_a_blurred_face_is_rejected() -> None:
    soft = cv2.GaussianBlur(scene(), (0, 0), 6)
    found = refused(face(), picture=soft)
    assert found.reason.startswith(f"blurred: sharpness {found.blur:.0f} of at least 150")


@pytest.mark.parametrize(
    ("brightness", "words"),
    [(0.1, "dark: brightness 0.1"), (0.95, "washed out: brightness 0.9")],
)
def test_bad_light_is_rejected(brightness: float, words: str) -> None:
    assert refused(face(), picture=scene(brightness)).reason.startswith(words)


def test_no_face_is_rejected() -> None:
    assert refused().reason.startswith("no face")


def test_more_than_one_face_is_rejected() -> None:
    found = refused(face(), face((400, 100, 135, 135), track=2))
    assert found.reason.startswith("2 faces: only one person at a time")


def test_a_face_that_is_cut_off_is_rejected() -> None:
    found = refused(face((-27, 100, 135, 135)))
    assert found.reason.startswith("cut off: 20% of the face")


@pytest.mark.parametrize("missing", ["behind", "invalid"])
def test_a_picture_that_nobody_looked_at_is_rejected(missing: str) -> None:
    assert "this frame was not analysed" in refused(missing=missing).reason


def test_a_face_without_an_answer_is_as_good_as_any() -> None:
    assert isinstance(check_face(emotion(face(BOX)), scene()), FaceCrop)
