"""The signs of a face: switches, doubts, and what is remembered of a track."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from affectline.common.wire.face_signs import FaceSigns
from affectline.common.wire.messages import Quality
from affectline.services.detector.eyes import Eye, EyePlace, EyeReader
from affectline.services.detector.face_mesh import Landmarks
from affectline.services.detector.head_pose import HeadPose
from affectline.services.detector.signs_reader import SignsReader
from tests.posed_faces import LOWER_LIP, UPPER_LIP, project, with_opening

GRAY = np.full((240, 320), 128, np.uint8)
SECOND = 1_000_000_000
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


class OpenEyes(EyeReader):
    """Finds all eyes open."""

    def read_one(self, gray: NDArray[np.uint8], place: EyePlace) -> Eye:
        return Eye(0.33, 0.0, 0.07, place.width, is_visible=True)


@pytest.mark.parametrize("is_found", [False, True])
def test_the_time_in_which_a_face_or_its_landmarks_are_missing_is_not_known(is_found: bool) -> None:
    reader = SignsReader(eye_reader=OpenEyes())
    known: float | None = None
    for number in range(30 * 60):
        at = number * SECOND // 30
        if number < 30 * 10 or number % 12 == 0:
            signs = reader.read(GRAY, landmarks(HeadPose(0, 0, 0)), GOOD, track=1, at=at)
            known = signs.perclos_known_s
        elif is_found:
            reader.read(GRAY, None, GOOD, track=1, at=at)
        reader.end_frame(at)
    assert known == pytest.approx(10 - 3 + 50 / 12, abs=0.2)


def test_nothing_is_known_of_lids_that_begin_to_fall_before_a_face_is_lost() -> None:
    told = []

    class Lids(OpenEyes):
        gap = 0.33

        def read_one(self, gray: NDArray[np.uint8], place: EyePlace) -> Eye:
            return super().read_one(gray, place)._replace(gap=self.gap)

    lids = Lids()
    reader = SignsReader(eye_reader=lids)
    for number in range(30 * 6):
        at, second = number * SECOND // 30, number / 30
        lids.gap = 0.05 if 4 < second < 4.2 or 5 < second < 5.2 else 0.33
        if not 5.05 < second < 5.15:
            signs = reader.read(GRAY, landmarks(HeadPose(0, 0, 0)), GOOD, track=1, at=at)
            told += [signs.blink] if signs.blink else []
        reader.end_frame(at)
    assert [round(blink.at / SECOND) for blink in told] == [4]
