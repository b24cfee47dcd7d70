import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.model.canonical_face import load_canonical_face
from affectline.services.detector.detection import Detection
from affectline.services.detector.face_mesh import POINTS, SURE, FaceMesh, frame_by_landmarks
from tests.unit.services.detector.people import man, scene

MESH = FaceMesh()


def canonical_points() -> np.ndarray:
    """The canonical face as landmarks: y downwards, less z is nearer."""
    return (load_canonical_face().vertices * (1, -1, -1)).astype(np.float32)


@pytest.mark.parametrize("roll", [-30, 0, 30])
def test_landmarks_lie_on_the_face_however_it_is_rolled(roll: float) -> None:
    picture = scene((man(0, roll), 120, 20))
    face = Detection(192, 92, 58, roll)
    found = MESH.find(picture, face)
    assert found.points.shape == (POINTS, 3)
    assert found.score > 0.9
    assert frame_by_landmarks(found.points).distance_to(face) < 8
    assert frame_by_landmarks(found.points).angle == pytest.approx(roll, abs=8)
    eyes, mouth = (
        found.points[[33, 133, 362, 263]].mean(axis=0),
        found.points[[61, 291]].mean(axis=0),
    )
    down = math.degrees(math.atan2(mouth[0] - eyes[0], mouth[1] - eyes[1]))
    assert down == pytest.approx(roll, abs=12)


def test_nothing_has_no_landmarks() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 400), dtype=np.uint8)
    for picture in (scene(), noise):
        assert MESH.find(picture, Detection(192, 92, 58)).score < SURE


def test_a_face_at_the_border_has_landmarks_beyond_it() -> None:
    picture = scene((man(0), 120, 20))[:, 175:]
    found = MESH.find(np.ascontiguousarray(picture), Detection(17, 92, 58))
    assert found.points[:, 0].min() < 0


@given(st.floats(0.5, 20), st.floats(-60, 60), st.floats(-500, 500), st.floats(-500, 500))
def test_a_face_is_framed_alike_wherever_and_however_large_it_is(
    size: float, roll: float, x: float, y: float
) -> None:
    points = canonical_points()
    still = frame_by_landmarks(points)
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    turned = points * np.float32(size)
    across, down = turned[:, 0].copy(), turned[:, 1].copy()
    turned[:, 0], turned[:, 1] = x + across * cos + down * sin, y - across * sin + down * cos
    framed = frame_by_landmarks(turned)
    assert framed.side == pytest.approx(size * still.side, rel=1e-3)
    assert framed.angle - still.angle == pytest.approx(roll, abs=0.1)
    assert framed.x == pytest.approx(
        x + size * (still.x * cos + still.y * sin), abs=0.02 * framed.side
    )
    assert framed.y == pytest.approx(
        y + size * (still.y * cos - still.x * sin), abs=0.02 * framed.side
    )
