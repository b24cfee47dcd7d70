from collections.abc import Callable, Iterable
from functools import cache

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from affectline.common.settings.detector import DetectorSettings
from affectline.services.detector.detection import Detection
from affectline.services.detector.detector_settings import HaarSettings
from affectline.services.detector.detectors.haar import HaarDetector
from affectline.services.detector.face_mesh import FaceMesh
from affectline.services.detector.stage import make_detector
from affectline.services.detector.tracking import FaceTracker, TrackedFace
from tests.unit.services.detector.people import Picture, carphone, man, scene

face_mesh = cache(FaceMesh)
Runner = Callable[..., list[list[TrackedFace]]]


@pytest.fixture(params=["haar", "haar+net", "haar+net, landmarks", "net", "net, landmarks"])
def run(request: pytest.FixtureRequest) -> Runner:
    """Tracks the faces of pictures, by each detector."""
    backend, _, landmarks = request.param.partition(", ")

    def track(pictures: Iterable[Picture], **settings: int) -> list[list[TrackedFace]]:
        chosen = DetectorSettings.model_validate({"backend": backend, **settings})
        mesh = None if backend == "haar" else face_mesh()
        tracker = FaceTracker(make_detector(chosen), chosen, mesh, every_frame=bool(landmarks))
        return [tracker.track(picture) for picture in pictures]

    return track


class ListedFaces:
    """A detector that can do no more than it must, and knows the faces beforehand."""

    def __init__(self, frames: Iterable[list[Detection]]) -> None:
        self._frames = iter(frames)

    def detect(self, gray: Picture) -> list[Detection]:
        return next(self._frames)


def run_plain(
    frames: list[list[Detection]], settings: DetectorSettings | None = None
) -> list[list[TrackedFace]]:
    tracker = FaceTracker(ListedFaces(frames), settings or HaarSettings())
    return [tracker.track(np.zeros((200, 400), np.uint8)) for _ in frames]


def tracks(found: list[list[TrackedFace]]) -> set[int]:
    return {face.track for faces in found for face in faces}


def places(found: list[list[TrackedFace]]) -> list[list[tuple[object, ...]]]:
    return [[(face.track, face.box, face.angle, face.face) for face in faces] for faces in found]


def middle(face: TrackedFace) -> float:
    return face.box[0] + face.box[2] / 2


def test_one_man_has_one_track_from_the_start(run: Runner) -> None:
    found = run(carphone())
    assert tracks(found) == {1}
    assert sum(map(bool, found)) >= 57


def test_the_same_pictures_give_the_same_faces(run: Runner) -> None:
    first, second = (places(run(carphone()[:30])) for _ in range(2))
    assert first == second


def test_boxes_are_square_steady_and_within_the_picture(run: Runner) -> None:
    boxes = [face.box for faces in run([man(0)] * 20) for face in faces]
    assert len(boxes) >= 19
    assert all(w == h and x >= 0 and y >= 0 and x + w <= 144 for x, y, w, h in boxes)
    assert np.ptp(np.array(boxes[8:]), axis=0).max() <= 2


def test_a_moving_face_is_followed_closely(run: Runner) -> None:
    places = [20 + 9 * i for i in range(25)]
    found = run([scene((man(i), x, 20)) for i, x in enumerate(places)])
    assert tracks(found) == {1}
    errors = [middle(f[0]) - (x + 72) for f, x in zip(found[5:], places[5:], strict=True)]
    assert max(map(abs, errors)) < 9


def test_a_growing_face_is_followed(run: Runner) -> None:
    pictures = []
    for i in range(40):
        size = round(144 * (1 + i / 40))
        grown = np.asarray(cv2.resize(man(0), (size, size)), np.uint8)
        pictures.append(scene((grown, 100, 10), size=(500, 320)))
    found = run(pictures)
    assert tracks(found) == {1}
    assert found[-1][0].box[2] / found[3][0].box[2] == pytest.approx(119 / 64, rel=0.12)


def test_two_faces_side_by_side_keep_their_tracks(run: Runner) -> None:
    pictures = [scene((man(i), 20 + 2 * i, 20), (man(i + 25), 240 - i, 20)) for i in range(30)]
    found = run(pictures)
    assert all(len(faces) == 2 for faces in found[4:])
    assert tracks(found) == {1, 2}
    left = [min(faces, key=middle).track for faces in found[4:]]
    assert len(set(left)) == 1


def test_faces_that_swap_places_take_their_tracks_along(run: Runner) -> None:
    pictures = [
        scene((man(i), 20 + 4 * i, 0), (man(i + 25), 240 - 4 * i, 160), size=(400, 320))
        for i in range(56)
    ]
    found = run(pictures)
    upper = [min(faces, key=lambda f: f.box[1]).track for faces in found if len(faces) == 2]
    assert len(upper) >= 54
    assert len(set(upper)) == 1


def test_who_passes_in_front_takes_no_track(run: Runner) -> None:
    walk = [(man(i)[20:, 30:120], 10 + 6 * i, 48) for i in range(70)]
    found = run([scene((man(5), 128, 28), place, size=(600, 200)) for place in walk])
    walker = min(found[4], key=middle).track
    there = [middle(face) for faces in found[4:] for face in faces if face.track == walker]
    assert len(there) >= 60
    assert there[-1] - there[0] > 350
    assert len(found[-1]) == 2


@pytest.mark.parametrize(("away", "expected"), [(6, {1}), (30, {1, 2})])
def test_only_short_absences_keep_the_track(run: Runner, away: int, expected: set[int]) -> None:
    there, gone = scene((man(0), 100, 20)), scene()
    found = run([there] * 10 + [gone] * away + [there] * 10)
    assert not any(found[10 : 10 + away])
    assert tracks(found) == expected
    assert all(found[12 + away :])


def test_a_face_that_comes_in_is_found_within_five_pictures(run: Runner) -> None:
    for empty in range(1, 7):
        found = run([scene()] * empty + [scene((man(0), 100, 20))] * 5)
        assert any(found[empty:]), empty


def test_a_second_face_is_found_beside_a_steady_one(run: Runner) -> None:
    alone, both = scene((man(0), 20, 20)), scene((man(0), 20, 20), (man(9), 220, 20))
    found = run([alone] * 5 + [both] * 18)
    assert len(found[-1]) == 2


def test_a_head_that_rolls_keeps_its_track_and_its_roll_is_told(run: Runner) -> None:
    rolls = [30 * np.sin(i / 15) for i in range(90)]
    found = run([scene((man(0, roll), 120, 20)) for roll in rolls])
    assert tracks(found) == {1}
    assert sum(map(bool, found)) >= 88
    told = [faces[0].angle - roll for faces, roll in zip(found, rolls, strict=True) if faces]
    assert np.sqrt(np.mean(np.square(told))) < 8


def test_no_more_faces_than_asked_for(run: Runner) -> None:
    both = scene((man(0), 20, 20), (man(9), 220, 20))
    found = run([both] * 12, max_faces=1)
    assert {len(faces) for faces in found[4:]} == {1}
    assert tracks(found) == {1}


def test_a_change_of_size_keeps_the_track(run: Runner) -> None:
    picture = scene((man(0), 100, 20))
    large = np.asarray(cv2.resize(picture, (800, 400)), np.uint8)
    found = run([picture] * 8 + [large] * 8 + [picture] * 8)
    assert all(found)
    assert tracks(found) == {1}
    assert found[12][0].box[2] == pytest.approx(2 * found[5][0].box[2], rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (640, 1), (23, 23), (24, 24), (144, 176)])
def test_pictures_without_a_face_have_none(run: Runner, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    pictures = [np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), noise] * 4
    assert not any(run(pictures))


def test_any_size_may_follow_any_other(run: Runner) -> None:
    face = scene((man(0), 100, 20))
    pictures = [face, face, np.zeros((1, 1), np.uint8), face, np.zeros((2000, 3), np.uint8), face]
    for faces, picture in zip(run(pictures), pictures, strict=True):
        for face_found in faces:
            x, y, w, h = face_found.box
            assert min(x, y) >= 0
            assert x + w <= picture.shape[1]
            assert y + h <= picture.shape[0]


def test_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValidationError):
        DetectorSettings.model_validate({"scan_widht": 3})


def test_a_plain_detector_is_asked_in_every_frame_and_its_faces_are_tracked() -> None:
    frames = [[Detection(50 + 5 * i, 80, 60), Detection(300 - 5 * i, 80, 50)] for i in range(20)]
    found = run_plain(frames)
    assert all(len(faces) == 2 for faces in found)
    assert tracks(found) == {1, 2}
    for i, faces in enumerate(found[5:], start=5):
        assert middle(faces[0]) == pytest.approx(50 + 5 * i, abs=3)
        assert faces[0].box[2] == 60


def test_a_plain_detector_with_weak_evidence_needs_three_detections() -> None:
    weak = Detection(100, 100, 60, 0, 10)
    assert [len(faces) for faces in run_plain([[weak]] * 4)] == [0, 0, 1, 1]
    assert not any(run_plain([[weak._replace(evidence=5.0)]] * 20))
    assert not any(run_plain([[weak], []] * 5))


def test_a_face_that_a_plain_detector_misses_for_a_while_keeps_its_track() -> None:
    face = [Detection(100, 100, 60)]
    found = run_plain([face] * 3 + [[]] * 5 + [face] * 3 + [[]] * 20 + [face])
    assert [len(faces) for faces in found] == [1] * 3 + [0] * 5 + [1] * 3 + [0] * 20 + [1]
    assert [faces[0].track for faces in found if faces] == [1] * 6 + [2]


def test_a_plain_detector_finds_no_more_faces_than_wanted() -> None:
    faces = [Detection(60, 100, 40), Detection(160, 100, 60), Detection(300, 100, 50)]
    found = run_plain([faces] * 4, HaarSettings(max_faces=2))
    assert {face.box[2] for face in found[-1]} == {60, 50}
    assert tracks(found) == {1, 2}


def test_two_detections_of_one_face_are_one_face() -> None:
    found = run_plain([[Detection(100, 100, 60), Detection(105, 102, 58)]] * 4)
    assert tracks(found) == {1}


def test_a_picture_is_searched_by_itself_and_numbered_from_one() -> None:
    haar = HaarSettings()
    tracker = FaceTracker(HaarDetector(haar), haar)
    two = scene((man(0), 20, 30), (man(5), 240, 30))
    for _ in range(2):  # the second time as if there had been no first
        faces = tracker.search(two)
        assert [face.track for face in faces] == [1, 2]
        assert sorted(face.box[0] > 200 for face in faces) == [False, True]
    (face,) = tracker.search(man(3, roll=25))
    assert face.angle == pytest.approx(25, abs=8)
    assert tracker.search(np.full((200, 400), 110, np.uint8)) == []


def test_a_picture_needs_no_more_evidence_than_a_still_film_of_it() -> None:
    weak, fair = (Detection(x, 100, 60, 0.0, evidence) for x, evidence in ((50, 8.0), (200, 10.0)))
    larger = Detection(320, 100, 90)
    tracker = FaceTracker(ListedFaces([[weak, fair, larger]]), HaarSettings())
    faces = tracker.search(np.zeros((200, 400), np.uint8))
    assert [(face.track, face.box[2]) for face in faces] == [(1, 90), (2, 60)]


def test_what_a_network_alone_sees_is_no_face_without_landmarks() -> None:
    blob = Detection(100, 100, 60, 0.0, 40.0, "any")
    mesh, settings = face_mesh(), HaarSettings()
    plain = np.full((200, 400), 110, np.uint8)
    for landmarks in (mesh, None):
        tracker = FaceTracker(ListedFaces([[blob]] * 6), settings, landmarks)
        assert not any(tracker.track(plain) for _ in range(5))
        assert tracker.search(plain) == []
