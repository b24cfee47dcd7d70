import numpy as np
import pytest

from affectline.services.detector.detection import Detection
from affectline.services.detector.detector_settings import HaarSettings
from affectline.services.detector.detectors.haar import HaarDetector, ScanPass
from tests.unit.services.detector.people import man, scene

DETECTOR = HaarDetector(HaarSettings())


def close(detection: Detection, x: float, y: float, by: float = 6) -> bool:
    return abs(detection.x - x) < by and abs(detection.y - y) < by


def test_a_scan_pass_finds_a_face_and_where_it_is() -> None:
    found = DETECTOR.detect_pass(scene((man(0), 200, 20)), ScanPass("large", 0), ())
    assert [close(one, 272, 92) for one in found] == [True]


def test_a_known_face_is_not_found_again() -> None:
    picture = scene((man(0), 20, 20), (man(9), 220, 20))
    both = DETECTOR.detect_pass(picture, ScanPass("large", 0), ())
    assert len(both) == 2
    left = min(both)
    before = picture.copy()
    others = DETECTOR.detect_pass(picture, ScanPass("large", 0), [left])
    assert [close(one, 292, 92) for one in others] == [True]
    assert np.array_equal(picture, before), "the picture of a caller was painted"


def test_a_rolled_face_needs_a_rolled_scan_pass() -> None:
    picture = scene((man(0, roll=35), 120, 20))
    assert DETECTOR.detect_pass(picture, ScanPass("large", 0), ()) == []
    found = DETECTOR.detect_pass(picture, ScanPass("large", 28), ())
    assert [close(one, 192, 92) for one in found] == [True]


@pytest.mark.parametrize("roll", [-24, -12, 0, 12, 24])
def test_searches_near_a_face_approach_the_roll(roll: float) -> None:
    picture = scene((man(0, roll), 120, 20))
    seen: Detection | None = Detection(192, 92, 58, 0, 0)
    for _ in range(8):
        assert seen
        seen = DETECTOR.redetect(picture, seen, "measure")
    assert seen
    assert abs(seen.angle - roll) < 4


def test_a_search_near_a_face_measures_how_large_a_face_is() -> None:
    picture = scene((man(0), 120, 20))
    sides = []
    for guess in (50, 58, 66):
        seen = DETECTOR.redetect(picture, Detection(192, 92, guess, 0, 0), "measure")
        assert seen
        sides.append(seen.side)
    assert max(sides) / min(sides) < 1.1


def test_a_search_near_a_face_finds_nothing_where_nothing_is() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 400), dtype=np.uint8)
    for picture in (scene(), noise):
        assert DETECTOR.redetect(picture, Detection(192, 92, 58, 0, 0), "measure") is None
        assert DETECTOR.redetect(picture, Detection(192, 92, 58, 0, 0), "recover") is None


def test_a_full_scan_finds_every_face_once_rolled_ones_too() -> None:
    picture = scene((man(0), 20, 20), (man(0, roll=35), 220, 20))
    left, right = sorted(DETECTOR.detect(picture))
    assert close(left, 92, 92)
    assert close(right, 292, 92, by=10)
    assert right.angle - left.angle == pytest.approx(35, abs=8)
    assert DETECTOR.detect(scene()) == []
