"""The signs of a face: switches, doubts, and what is remembered of a track."""

import math

import numpy as np
import pytest

from affectline.common.wire.face_signs import FaceSigns
from affectline.common.wire.messages import Quality
from affectline.services.detector.face_mesh import Landmarks
from affectline.services.detector.head_pose import HeadPose
from affectline.services.detector.signs_reader import SignsReader
from tests.posed_faces import LOWER_LIP, UPPER_LIP, project, with_opening

GRAY = np.full((240, 320), 128, np.uint8)
GOOD = Quality(size=100, blur=900.0, brightness=0.5)


def landmarks(pose: HeadPose, *, mouth: float = 0.0, score: float = 1.0) -> Landmarks:
    """Of a canonical face in the middle of the picture."""
    vertices = with_opening((UPPER_LIP, LOWER_LIP), mouth)
    points = project(pose, vertices=vertices, distance_cm=100) + np.array((160, 120, 0))
    return Landmarks(points.astype(np.float32), score)


def read(
    pose: HeadPose = HeadPose(0, 0, 0),  # noqa: B008 - a tuple
    quality: Quality = GOOD,
    *,
    score: float = 1.0,
    tells_pose: bool = True,
) -> FaceSigns:
    reader = SignsReader(pose=tells_pose, eyes=False)
    return reader.read(GRAY, landmarks(pose, score=score), quality, track=1, at=0)


def test_a_good_face_has_no_doubts() -> None:
    signs = read(HeadPose(20, -10, 5))
    assert signs.doubts == ()
    assert (signs.yaw, signs.pitch, signs.roll) == pytest.approx((20, -10, 5), abs=0.5)
    assert signs.mouth_opening == pytest.approx(0, abs=0.02)
    assert (signs.eyes_unknown, signs.gaze, signs.perclos_known_s) == (None, None, None)


@pytest.mark.parametrize(
    ("pose", "quality", "doubts"),
    [
        (HeadPose(45, 0, 0), GOOD, ("turned_away",)),
        (HeadPose(-45, 0, 0), GOOD, ("turned_away",)),
        (HeadPose(0, -35, 0), GOOD, ("turned_away",)),
        (HeadPose(0, 30, 0), GOOD, ("turned_away",)),
        (HeadPose(0, 0, 35), GOOD, ()),
        (HeadPose(0, 0, 0), Quality(size=100, blur=40.0, brightness=0.5), ("blurred",)),
        (HeadPose(0, 0, 0), Quality(size=100, blur=300.0, brightness=0.1), ("dark",)),
        (HeadPose(0, 0, 0), Quality(size=18, blur=300.0, brightness=0.5), ("too_small",)),
        (
            HeadPose(60, 0, 0),
            Quality(size=18, blur=30.0, brightness=0.05),
            ("turned_away", "blurred", "dark", "too_small"),
        ),
    ],
)
def test_doubts(pose: HeadPose, quality: Quality, doubts: tuple[str, ...]) -> None:
    assert read(pose, quality).doubts == doubts


def test_a_face_that_is_hardly_one_is_covered_and_has_no_pose() -> None:
    signs = read(score=0.2)
    assert (signs.doubts, signs.yaw, signs.mesh_score) == (("covered",), None, 0.2)


def test_without_landmarks_only_the_picture_is_doubted() -> None:
    dark = Quality(size=100, blur=300.0, brightness=0.1)
    signs = SignsReader(eyes=False).read(GRAY, None, dark)
    assert signs == FaceSigns(doubts=("dark",))


def test_the_pose_can_be_left_out() -> None:
    signs = read(HeadPose(50, 0, 0), tells_pose=False)
    assert (signs.yaw, signs.doubts) == (None, ("turned_away",))


def speak(reader: SignsReader, track: int, begin: int, frames: int) -> list[FaceSigns]:
    return [
        reader.read(
            GRAY,
            landmarks(HeadPose(0, 0, 0), mouth=1.5 + 1.4 * math.sin(number * 0.7)),
            GOOD,
            track=track,
            at=(begin + number) * 33_000_000,
        )
        for number in range(frames)
    ]


def test_each_track_is_remembered_by_itself_until_it_ends() -> None:
    reader = SignsReader(eyes=False)
    assert speak(reader, 1, 0, 60)[-1].doubts == ("speaking",)
    assert speak(reader, 2, 60, 1)[-1].doubts == ()
    assert speak(reader, 1, 61, 1)[-1].doubts == ("speaking",)
    reader.forget({2})
    assert speak(reader, 1, 62, 1)[-1].doubts == ()


def test_a_film_that_begins_anew_is_not_taken_for_the_same_one() -> None:
    reader = SignsReader(eyes=False)
    speak(reader, 1, 100, 60)
    assert speak(reader, 1, 0, 1)[-1].doubts == ()


def test_the_eyes_of_a_head_seen_from_the_side_are_unknown() -> None:
    signs = SignsReader().read(GRAY, landmarks(HeadPose(65, 0, 0)), GOOD, track=1, at=0)
    assert (signs.eyes_unknown, signs.eye_opening_left, signs.gaze) == ("turned_away", None, None)


@pytest.mark.parametrize(
    ("quality", "width", "why"),
    [(Quality(size=100, blur=300.0, brightness=0.03), 1.0, "dark"), (GOOD, 0.3, "too_small")],
)
def test_eyes_that_cannot_be_seen_are_unknown(quality: Quality, width: float, why: str) -> None:
    found = landmarks(HeadPose(0, 0, 0))
    small = Landmarks(found.points * np.float32(width), 1.0)
    signs = SignsReader().read(GRAY, small, quality, track=1, at=0)
    assert (signs.eyes_unknown, signs.eye_opening_right) == (why, None)
    assert signs.perclos_known_s == 0
