import cv2
import numpy as np

from affectline.common.wire.messages import Marker
from affectline.services.report.face_crops import crop_faces, find_nearest
from affectline.services.sessions.timeseries import read_series
from tests.recordings import SECOND, START, recording


def test_the_face_nearest_to_the_marker_is_shown() -> None:
    session = read_series(recording())
    (picture,) = crop_faces(session.markers, session, recording())
    assert picture is not None
    seen = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert seen is not None
    assert seen.shape == (160, 160, 3)
    assert seen[80, 80, 2] > 200  # the red face in its middle
    assert seen[2, 2].max() < 80  # and something around it


def test_a_face_far_from_a_marker_is_not_its() -> None:
    session = read_series(recording())
    seconds = (-3, -2, 0, 30.4, 61, 62)  # faces from second 1 to 59, but for every fourth
    markers = [Marker(session="s", at=START + round(s * SECOND), label="x") for s in seconds]
    found = find_nearest(markers, session)
    assert [None if face is None else face.seq for face in found] == [
        None, None, 1, 30, 59, None,
    ]  # fmt: skip


def test_frames_are_read_as_far_as_need_be() -> None:
    session = read_series(recording())
    packets = iter(recording())
    crop_faces(session.markers, session, packets)
    assert len(list(packets)) > 50
