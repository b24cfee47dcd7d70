import itertools
from typing import get_args

import numpy as np
import pytest

from affectline.services.detector.detection import Detection, ScanScope, SearchEffort
from affectline.services.detector.detector_settings import HaarNetSettings, NetSettings
from affectline.services.detector.detectors.haar_plus_net import HaarNetDetector
from affectline.services.detector.detectors.net import NetDetector, tiles
from tests.unit.services.detector.people import Picture, man, scene

NET = NetDetector(NetSettings())
BOTH = HaarNetDetector(HaarNetSettings())


def turned(number: int) -> Picture:
    """A man whose head is rolled farther than the cascade knows."""
    return man(number, roll=40)


@pytest.mark.parametrize(
    ("width", "height"),
    [(640, 360), (360, 640), (176, 144), (1, 1), (1, 500), (960, 960), (2, 60_000)],
)
@pytest.mark.parametrize("side", [1.0, 0.5])
def test_tiles_cover_the_image_and_overlap(width: int, height: int, side: float) -> None:
    covered = np.zeros((height, width), int)
    parts = tiles(width, height, side)
    assert len(parts) <= 24
    for x, y, w, h in parts:
        assert 0 <= x <= width - w
        assert 0 <= y <= height - h
        covered[y : y + h, x : x + w] += 1
    assert covered.min() >= 1
    columns = sorted({x for x, *_ in parts})
    for left, right in itertools.pairwise(columns):
        assert right - left <= 2 / 3 * parts[0][2] + 1


def test_a_strip_has_no_thousands_of_tiles() -> None:
    assert len(tiles(5000, 1, 1.0)) < 100
    assert tiles(48, 48, 0.5) == [(0, 0, 48, 48)]


@pytest.mark.parametrize("scope", ["first", "lost", "searching", "steady"])
@pytest.mark.parametrize("detector", [NET, BOTH])
def test_every_scope_finds_what_only_a_network_sees(
    detector: NetDetector | HaarNetDetector, scope: ScanScope
) -> None:
    picture = scene((turned(0), 120, 20))
    turns = range(1) if scope in ("first", "lost") else range(2)
    found = [face for turn in turns for face in detector.scan(picture, (), scope, turn)]
    assert found
    assert found[0].distance_to(Detection(192, 92, 58)) < 12


@pytest.mark.parametrize("detector", [NET, BOTH])
def test_a_known_face_is_not_found_again(detector: NetDetector | HaarNetDetector) -> None:
    picture = scene((man(0), 20, 20), (man(9), 220, 20))
    known = Detection(92, 92, 58)
    for turn in range(8):
        found = detector.scan(picture, [known], "searching", turn)
        assert all(face.x > 200 for face in found)


@pytest.mark.parametrize("detector", [NET, BOTH])
def test_an_idle_scene_is_searched_less_often(detector: NetDetector | HaarNetDetector) -> None:
    picture = scene((man(0), 120, 20))
    hits = [bool(detector.scan(picture, (), "idle", turn)) for turn in range(8)]
    assert 2 <= sum(hits) <= 4
    assert any(hits[:4])


def test_the_network_follows_a_face_that_the_cascade_loses() -> None:
    picture = scene((turned(0), 120, 20))
    upright = Detection(190, 94, 58, 0.0)
    followed = BOTH.redetect(picture, upright, "fast")
    assert followed
    assert followed.view == "any"
    assert followed.distance_to(Detection(192, 92, 58)) < 12
    frontal = BOTH.redetect(scene((man(0), 120, 20)), upright, "fast")
    assert frontal
    assert frontal.view == "frontal"


def test_a_search_finds_nothing_where_nothing_is() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 400), dtype=np.uint8)
    for picture in (scene(), noise):
        for effort in get_args(SearchEffort):
            assert NET.redetect(picture, Detection(192, 92, 58), effort) is None
        assert NET.detect(picture) == []


def test_small_faces_are_left_out() -> None:
    picture = scene((man(0), 120, 20))
    assert NetDetector(NetSettings(min_face=0.2)).detect(picture)
    assert not NetDetector(NetSettings(min_face=0.4)).detect(picture)
