import math

import cv2
import numpy as np
import pytest

from affectline.services.detector.detection import Detection
from affectline.services.detector.face_networks import (
    FaceFinder,
    Range,
    find_in_frame,
    find_near,
)
from tests.unit.services.detector.people import man, scene


@pytest.mark.parametrize("reach", ["full", "short"])
def test_a_face_is_found_where_it_is(reach: Range) -> None:
    picture = scene((man(0), 200, 20))
    (face,) = find_in_frame(FaceFinder(reach), picture, (128, 0, 272, 200))
    assert (face.x, face.y) == pytest.approx((272, 92), abs=6)
    assert face.side == pytest.approx(58, rel=0.15)
    assert abs(face.angle) < 8
    assert face.view == "any"
    assert 4 <= face.evidence <= 8  # too little to be a face without its landmarks


def test_every_face_is_found_once() -> None:
    picture = scene((man(0), 20, 20), (man(9), 220, 20))
    found = find_in_frame(FaceFinder("full"), picture, (0, 0, 400, 200))
    assert sorted(round(face.x / 100) for face in found) == [1, 3]


@pytest.mark.parametrize("roll", [-60, -30, 30, 60])
def test_a_rolled_patch_finds_a_rolled_face(roll: float) -> None:
    picture = scene((man(0, roll), 120, 20))
    (face,) = find_near(FaceFinder("short"), picture, Detection(186, 97, 62, roll), 2.2)
    assert (face.x, face.y) == pytest.approx((192, 92), abs=8)
    assert face.angle == pytest.approx(roll, abs=10)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_nothing_is_found_where_nothing_is(value: int) -> None:
    picture = np.full((1, 640), value, np.uint8)
    assert find_in_frame(FaceFinder("full"), picture, (0, 0, 640, 1)) == []
    assert find_near(FaceFinder("short"), picture, Detection(320, 0, 50), 2.2) == []


def test_an_area_larger_and_smaller_than_the_network_gives_the_same_place() -> None:
    picture = scene((man(0), 120, 20))
    finder = FaceFinder("full")
    (small,) = find_in_frame(finder, picture, (0, 0, 400, 200))
    large_picture = np.asarray(cv2.resize(picture, None, fx=3, fy=3), np.uint8)
    (large,) = find_in_frame(finder, large_picture, (0, 0, 1200, 600))
    assert math.hypot(large.x / 3 - small.x, large.y / 3 - small.y) < 4
    assert large.side / 3 == pytest.approx(small.side, rel=0.06)
