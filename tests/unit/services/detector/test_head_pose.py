"""Angles of a head against projections of the canonical face, where they are known."""

from pathlib import Path

import numpy as np
import pytest

from affectline.services.cli.reference import write_parts
from affectline.services.detector.head_pose import HeadPose, HeadPoseEstimator, to_pose
from tests.head_pose import PAGE, PARTS, PICTURE, draw_convention, errors
from tests.posed_faces import project

DOCS = Path(__file__).parents[4] / "docs"


def estimate(pose: HeadPose) -> HeadPose:
    told = HeadPoseEstimator().estimate(project(pose, distance_cm=100.0))
    assert told is not None
    return told


def test_a_head_that_faces_the_camera_upright_is_zero() -> None:
    assert estimate(HeadPose(0, 0, 0)) == pytest.approx((0, 0, 0), abs=0.1)


def test_directions_are_those_of_the_picture() -> None:
    straight = project(HeadPose(0, 0, 0))
    tip, outer_right, outer_left = 4, 33, 263
    aside = project(HeadPose(20, 0, 0))
    assert aside[tip, 0] > straight[tip, 0] + 5, "yaw: the nose moves to the picture's right"
    up = project(HeadPose(0, 20, 0))
    assert up[tip, 1] < straight[tip, 1] - 5, "pitch: it moves up"
    rolled = project(HeadPose(0, 0, 20))
    assert rolled[outer_left, 1] < rolled[outer_right, 1] - 5, "roll: the eye on the right rises"
    for pose in (HeadPose(20, 0, 0), HeadPose(0, 20, 0), HeadPose(0, 0, 20)):
        assert estimate(pose) == pytest.approx(pose, abs=0.3)


@pytest.mark.parametrize("pose", [HeadPose(50, -30, 40), HeadPose(-60, 40, -40)])
def test_angles_and_rotations_are_the_same(pose: HeadPose) -> None:
    assert to_pose(pose.rotation()) == pytest.approx(pose)


@pytest.mark.parametrize(
    ("noise", "distance_cm", "most"),
    [(0.0, 100, 0.3), (0.0, 45, 1.5), (0.0, 400, 1.5), (0.01, 60, 3), (0.02, 60, 5)],
)
def test_errors_over_all_poses(noise: float, distance_cm: float, most: float) -> None:
    assert np.abs(errors(noise, distance_cm)).max() < most


def test_points_that_are_no_face_have_no_pose() -> None:
    assert HeadPoseEstimator().estimate(np.zeros((468, 3), np.float32)) is None
    assert HeadPoseEstimator().estimate(np.full((468, 3), np.nan, np.float32)) is None


def test_the_page_shows_these_errors_and_the_convention() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    assert write_parts(PAGE, text, PARTS) == text, "run: make docs"
    assert (DOCS / PICTURE).read_text(encoding="utf-8") == draw_convention(), "run: make docs"
