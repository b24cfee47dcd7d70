"""The detector on real clips: how often a face is found, and how often it changes its track."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from common.config import DetectorSettings
from services.detector.tracking import FaceTracker


@pytest.mark.parametrize(
    ("clip", "least"),
    [("expressive_woman.mp4", 0.99), ("smiling_man.mp4", 0.99), ("carphone.mp4", 0.95)],
)
def test_a_face_is_found_and_keeps_one_track(clips: Path, clip: str, least: float) -> None:
    pictures, seen, tracks = follow(clips / clip)
    assert seen / pictures >= least
    assert tracks == {1}


def test_no_face_is_found_where_there_is_none(clips: Path) -> None:
    pictures, seen, _ = follow(clips / "no_face.mp4")
    assert pictures == 95
    assert seen == 0


def follow(path: Path) -> tuple[int, int, set[int]]:
    """Number of pictures, of pictures with a face, and the tracks of these faces."""
    video = cv2.VideoCapture(str(path))
    tracker = FaceTracker(DetectorSettings())
    pictures, seen, tracks = 0, 0, set()
    while True:
        more, picture = video.read()
        if not more:
            break
        gray = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
        faces = tracker.find(gray)
        pictures += 1
        seen += bool(faces)
        tracks |= {face.track for face in faces}
    video.release()
    return pictures, seen, tracks
