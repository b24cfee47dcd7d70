import cv2
import numpy as np

from affectline.services.report.sections.thumbnails import crop_thumbnails
from affectline.services.sessions.timeseries import read_series
from tests.recordings import recording


def test_thumbnails_show_the_face_nearest_to_the_marker() -> None:
    session = read_series(recording())
    (picture,) = crop_thumbnails(session, recording())
    assert picture is not None
    seen = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert seen is not None
    assert seen.shape == (160, 160, 3)
    assert seen[80, 80, 2] > 200  # the red face in its middle
    assert seen[2, 2].max() < 80  # and something around it
