from pathlib import Path

import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import DetectorSettings
from affectline.services.detector.detectors.haar import Detection, HaarDetector, ScanPass
from affectline.services.detector.tracking import FaceTracker
from affectline.services.detector.detectors.yunet import place
from tests.unit.services.detector.people import man, scene

FINDER = HaarDetector(scan_size=320, scale_factor=1.2, min_neighbours=2, min_face=0.15)


def close(sighting: Detection, x: float, y: float, by: float = 6) -> bool:
    return abs(sighting.x - x) < by and abs(sighting.y - y) < by


def test_a_sweep_finds_a_face_and_where_it_is() -> None:
    found = FINDER.scan(scene((man(0), 200, 20)), ScanPass("large", 0), ())
    assert [close(one, 272, 92) for one in found] == [True]


def test_a_known_face_is_not_found_again() -> None:
    picture = scene((man(0), 20, 20), (man(9), 220, 20))
    both = FINDER.scan(picture, ScanPass("large", 0), ())
    assert len(both) == 2
    left = min(both)
    before = picture.copy()
    others = FINDER.scan(picture, ScanPass("large", 0), [left])
    assert [close(one, 292, 92) for one in others] == [True]
    assert np.array_equal(picture, before), "the picture of a caller was painted"


def test_a_rolled_face_needs_a_rolled_sweep() -> None:
    picture = scene((man(0, roll=35), 120, 20))
    assert FINDER.scan(picture, ScanPass("large", 0), ()) == []
    found = FINDER.scan(picture, ScanPass("large", 28), ())
    assert [close(one, 192, 92) for one in found] == [True]


@pytest.mark.parametrize("roll", [-24, -12, 0, 12, 24])
def test_near_searches_approach_the_roll(roll: float) -> None:
    picture = scene((man(0, roll), 120, 20))
    seen: Detection | None = Detection(192, 92, 58, 0, 0)
    for _ in range(8):
        assert seen
        seen = FINDER.follow(picture, seen, "measure")
    assert seen
    assert abs(seen.angle - roll) < 4


def test_a_near_search_measures_how_large_a_face_is() -> None:
    picture = scene((man(0), 120, 20))
    sides = []
    for guess in (50, 58, 66):
        seen = FINDER.follow(picture, Detection(192, 92, guess, 0, 0), "measure")
        assert seen
        sides.append(seen.side)
    assert max(sides) / min(sides) < 1.1


def test_a_near_search_finds_nothing_where_nothing_is() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 400), dtype=np.uint8)
    for picture in (scene(), noise):
        assert FINDER.follow(picture, Detection(192, 92, 58, 0, 0), "measure") is None
        assert FINDER.regain(picture, Detection(192, 92, 58, 0, 0)) is None


def test_yunet_needs_a_model_file(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="yunet_model is not set"):
        FaceTracker(DetectorSettings(backend="yunet"))
    broken = tmp_path / "yunet.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(AffectlineError, match="cannot be read"):
        FaceTracker(DetectorSettings(backend="yunet", yunet_model=broken))


def test_yunet_faces_are_framed_like_the_cascades() -> None:
    upright = np.array([0, 0, 0, 0, 80, 80, 120, 80, 100, 100, 85, 120, 115, 120, 0.9], float)
    x, y, side, angle, evidence = place(upright)
    assert (x, angle) == (100, 0)
    assert side == pytest.approx(103, abs=1)
    assert y == pytest.approx(80 + 0.113 * side, abs=0.5)
    assert evidence > 20
    leaning = upright.copy()  # the eye on the right is the higher one: counter-clockwise
    leaning[6:8] = (115, 60)
    assert place(leaning).angle == pytest.approx(29.7, abs=0.1)
