"""Heads turned by their mesh."""

import numpy as np
import pytest
from numpy.typing import NDArray

from affectline.common.model.canonical_face import load_canonical_face
from affectline.services.detector.face_mesh import frame_by_landmarks
from affectline.services.detector.head_pose import HeadPose, HeadPoseEstimator
from affectline.training.robustness.turning import (
    MeshedFaces,
    MeshFinder,
    TurnableFaces,
    fit_canonical_face,
)
from tests.posed_faces import project


def canonical_mesh() -> MeshedFaces:
    """The canonical face, straight, as large in the picture as FER2013's faces."""
    seen = project(HeadPose(0, 0, 0), width=40, distance_cm=1000)[:, :2] + (24, 24)
    depth, angles = fit_canonical_face(seen, load_canonical_face())
    points = np.column_stack([seen, depth])[np.newaxis]
    return MeshedFaces(points, np.array([angles]))


def picture() -> NDArray[np.uint8]:
    """A gray face with bright spots at the eyes, the nose and the mouth's corners."""
    points = canonical_mesh().points[0]
    face = np.full((48, 48), 90, np.uint8)
    for landmark in (4, 33, 263, 61, 291):
        x, y = points[landmark, :2].astype(int)
        face[y - 1 : y + 2, x - 1 : x + 2] = 250
    return face


@pytest.mark.parametrize("pose", [(0, 0), (30, 0), (-30, 10), (0, 25), (20, -20)])
def test_angles_are_those_of_the_detector(pose: tuple[float, float]) -> None:
    seen = project(HeadPose(*pose, 0), distance_cm=100)
    depth, (yaw, pitch) = fit_canonical_face(seen[:, :2], load_canonical_face())
    told = HeadPoseEstimator().estimate(seen)
    assert told is not None
    assert yaw == pytest.approx(told.yaw, abs=3)
    assert pitch == pytest.approx(told.pitch, abs=3)
    assert np.corrcoef(depth, -seen[:, 2])[0, 1] > 0.99


def test_a_head_that_is_not_turned_stays_as_it_is() -> None:
    face = picture()
    heads = TurnableFaces(face[np.newaxis], canonical_mesh())
    for axis in ("yaw", "pitch"):
        turned = heads.turn(np.zeros(1), axis)[0].astype(int)
        assert np.abs(turned - face).mean() < 4


@pytest.mark.parametrize(("angle", "direction"), [(30, 1), (-30, -1)])
def test_the_nose_goes_where_the_head_turns(angle: float, direction: int) -> None:
    heads = TurnableFaces(picture()[np.newaxis], canonical_mesh())
    turned = heads.turn(np.array([float(angle)]), "yaw")[0]
    eyes = turned[8:22].astype(float).max(axis=0)
    nose = turned[24:31].astype(float).max(axis=0)
    across = np.arange(48)

    def middle(row: NDArray[np.float64]) -> float:
        bright = row > 170
        return float(across[bright].mean())

    assert direction * (middle(nose) - middle(eyes)) > 2


def test_a_lifted_head_brings_the_nose_up_and_a_lowered_one_down() -> None:
    heads = TurnableFaces(picture()[np.newaxis], canonical_mesh())
    heights = []
    for angle in (-25.0, 0.0, 25.0):
        turned = heads.turn(np.array([angle]), "pitch")[0]
        bright = np.nonzero(turned[:, 22:27] > 170)[0]
        heights.append(bright[bright < 34].mean())
    assert heights[0] > heights[1] > heights[2]


def test_a_turned_head_is_framed_as_the_detector_frames_it() -> None:
    mesh = canonical_mesh()
    wide = np.tile(np.arange(48, dtype=np.uint8) * 5, (1, 48, 1))
    straight = TurnableFaces(wide, mesh).turn(np.zeros(1), "yaw")
    assert np.abs(straight.astype(int) - wide).mean() < 3
    seen = project(HeadPose(35, 0, 0), width=40, distance_cm=1000)
    before = frame_by_landmarks(
        project(HeadPose(0, 0, 0), width=40, distance_cm=1000).astype(np.float32)
    )
    after = frame_by_landmarks(seen.astype(np.float32))
    assert after.side == pytest.approx(before.side, rel=0.02)


def test_a_picture_without_a_face_has_no_mesh() -> None:
    nothing = np.full((1, 48, 48), 128, np.uint8)
    found = MeshFinder().find(nothing)
    assert found.found.tolist() == [False]
    assert np.isnan(found.angles).all()
