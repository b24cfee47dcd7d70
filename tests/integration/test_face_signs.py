"""Signs of faces in real films, against frames labelled by eye (``tests/labels``)."""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from affectline.common.vision.crops import crop_face, measure_quality
from affectline.common.wire.face_signs import FaceSigns
from affectline.common.wire.messages import Quality
from affectline.services.detector.detector_settings import HaarSettings
from affectline.services.detector.detectors.haar import HaarDetector
from affectline.services.detector.face_mesh import FaceMesh
from affectline.services.detector.signs_reader import SignsReader
from affectline.services.detector.tracking import FaceTracker
from tests.integration.test_detection_clips import EYE_LINES

LABELS = Path(__file__).parents[1] / "labels"
CLIPS = {"expressive_woman": 24.0, "smiling_man": 30.0, "carphone": 30.0}
"""The films and their frames a second."""


class Told(NamedTuple):
    """What was told of a frame."""

    seconds: float
    signs: FaceSigns


def labels(table: str, clip: str) -> list[dict[str, str]]:
    with (LABELS / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["clip"] == clip]


@cache
def read(path: Path, rate: float, step: int = 1, *, scale: float = 1.0) -> tuple[Told | None, ...]:
    """The signs of the face in each frame of a film, or of every n-th."""
    film, mesh, reader = cv2.VideoCapture(str(path)), FaceMesh(), SignsReader()
    tracker = FaceTracker(HaarDetector(HaarSettings()), HaarSettings(), mesh)
    told: list[Told | None] = []
    while True:
        more, frame = film.read()
        if not more:
            break
        if len(told) % step:
            told.append(None)
            continue
        gray = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8)
        if scale != 1:
            gray = np.asarray(
                cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
            )
        told.append(read_frame(gray, len(told) / rate, tracker, reader))
    film.release()
    return tuple(told)


def read_frame(
    gray: NDArray[np.uint8], seconds: float, tracker: FaceTracker, reader: SignsReader
) -> Told | None:
    faces = tracker.track(gray)
    if not faces:
        return None
    measured = measure_quality(crop_face(gray, faces[0]))
    quality = Quality(
        size=max(faces[0].box[2:]), blur=measured.blur, brightness=measured.brightness
    )
    at = round(seconds * 1e9)
    return Told(
        seconds, reader.read(gray, faces[0].landmarks, quality, track=faces[0].track, at=at)
    )


def score_blinks(clips: Path, clip: str, step: int = 1, scale: float = 1.0) -> tuple[int, int, int]:
    """Labelled blinks, those found, and others that were found; doubtful ones count neither way."""
    rate = CLIPS[clip]
    told = read(clips / f"{clip}.mp4", rate, step, scale=scale)
    at = [one.signs.blink.at / 1e9 * rate for one in told if one and one.signs.blink]
    spans = [
        (row["remark"].split()[0], int(row["first"]), int(row["last"]))
        for row in labels("blinks", clip)
    ]
    blinks = [span[1:] for span in spans if span[0].startswith("blink")]
    hits = sum(any(first - 3 <= one <= last + 3 for one in at) for first, last in blinks)
    false = sum(not any(first - 3 <= one <= last + 3 for _, first, last in spans) for one in at)
    return len(blinks), hits, false


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("step", [1, 2])
def test_every_labelled_blink_is_found_and_no_other(clips: Path, clip: str, step: int) -> None:
    there, hits, false = score_blinks(clips, clip, step)
    assert (hits, false) == (there, 0)


def test_landmarks_follow_a_head_that_rolls_slowly(clips: Path) -> None:
    told = read(clips / "expressive_woman.mp4", CLIPS["expressive_woman"])
    rolls = [one.signs.roll for one in (told[frame] for frame in (240, 420, 460)) if one]
    # Read off the line of the eyes' corners by hand, to about 2 degrees
    assert rolls == pytest.approx([-1, 24, -25], abs=4)


def test_blinks_are_found_in_small_faces(clips: Path) -> None:
    there, hits, false = score_blinks(clips, "expressive_woman", scale=0.25)
    assert hits >= there - 1
    assert false == 0


def test_openings_tell_shut_eyes_from_open_ones(clips: Path) -> None:
    told = read(clips / "expressive_woman.mp4", 24.0)
    known: dict[str, list[float]] = {"open": [], "shut": [], "down": []}
    for row in labels("eyes", "expressive_woman"):
        if row["state"] in known:
            for one in told[int(row["first"]) + 1 : int(row["last"])]:
                if one and one.signs.eye_opening_left is not None:
                    known[row["state"]].append(one.signs.eye_opening_left)
    assert len(known["open"]) > 200
    assert np.quantile(known["open"], 0.02) > 0.4
    assert np.median(known["shut"]) < 0.2
    assert known["down"] == [], "lids that are lowered with the head are unknown"


def test_rolls_are_those_of_the_eye_lines(clips: Path) -> None:
    told = read(clips / "carphone.mp4", 30.0)
    off = [
        one.signs.roll - EYE_LINES[number]
        for number, one in enumerate(told)
        if one and one.signs.roll is not None and number in EYE_LINES
    ]
    assert len(off) >= 17
    assert abs(np.mean(off)) < 1.5
    assert np.sqrt(np.mean(np.square(off))) < 2.5


def test_a_film_that_is_mirrored_turns_its_signs_around(clips: Path) -> None:
    """Yaw and roll change their sign, left and right their places; the rest stays."""
    film = cv2.VideoCapture(str(clips / "expressive_woman.mp4"))
    film.set(cv2.CAP_PROP_POS_FRAMES, 180)
    _, frame = film.read()
    film.release()
    gray = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8)
    there, mirrored = (still(picture) for picture in (gray, gray[:, ::-1].copy()))
    assert there.yaw == pytest.approx(-(mirrored.yaw or 0), abs=4)
    assert there.pitch == pytest.approx(mirrored.pitch, abs=4)
    assert there.roll == pytest.approx(-(mirrored.roll or 0), abs=2)
    assert there.gaze_x == pytest.approx(-(mirrored.gaze_x or 0), abs=0.25)


def still(gray: NDArray[np.uint8]) -> FaceSigns:
    tracker = FaceTracker(HaarDetector(HaarSettings()), HaarSettings(), FaceMesh())
    (face,) = tracker.search(gray)
    quality = Quality(size=200, blur=500.0, brightness=0.5)
    return SignsReader().read(gray, face.landmarks, quality)


def test_pictures_by_themselves_have_no_openings(clips: Path) -> None:
    film = cv2.VideoCapture(str(clips / "smiling_man.mp4"))
    _, frame = film.read()
    film.release()
    signs = still(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8))
    assert (signs.eyes_unknown, signs.eye_opening_left, signs.perclos) == ("learning", None, None)
    assert signs.gaze == "ahead"
    assert signs.doubts == ()


def test_speech_is_told_from_smiles(clips: Path) -> None:
    speaks = [
        one is not None and "speaking" in one.signs.doubts
        for one in read(clips / "carphone.mp4", 30.0)
    ]
    assert np.mean(speaks[80:]) > 0.7
    for clip in ("expressive_woman", "smiling_man"):
        smiles = read(clips / f"{clip}.mp4", CLIPS[clip])
        assert not any(one and "speaking" in one.signs.doubts for one in smiles)


def test_the_same_film_gives_the_same_signs(clips: Path) -> None:
    path = clips / "smiling_man.mp4"
    assert read.__wrapped__(path, 30.0) == read(path, 30.0)


def test_a_hand_before_the_face_is_told_and_nothing_else_is(clips: Path) -> None:
    told = read(clips / "expressive_woman.mp4", 24.0)
    covered = [one is not None and "covered" in one.signs.doubts for one in told]
    assert np.mean(covered[95:130]) > 0.5, "a hand lies over an eye and the nose"
    assert not any(covered[230:])
    for clip in ("smiling_man", "carphone"):
        others = read(clips / f"{clip}.mp4", CLIPS[clip])
        assert not any(one and "covered" in one.signs.doubts for one in others)
