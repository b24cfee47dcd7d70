import numpy as np
import pytest

from affectline.training.data.near_duplicates import describe_near_duplicates, has_near_duplicates


def test_a_face_that_was_shifted_mirrored_or_relit_is_found_again() -> None:
    random = np.random.default_rng(0)
    coarse = random.integers(40, 200, (20, 6, 6)).astype(np.uint8)
    known = coarse.repeat(8, axis=1).repeat(8, axis=2)
    near = known[0] // 2 + 60
    faces = np.stack([known[3], known[4][:, ::-1], near, np.roll(known[5], 20, axis=1)])
    strangers = random.integers(0, 256, (600, 48, 48)).astype(np.uint8)
    found = has_near_duplicates(np.concatenate([faces, strangers]), known)
    assert found[:4].tolist() == [True, True, True, False]
    assert not found[4:].any()


def test_a_picture_of_one_gray_has_no_twin() -> None:
    flat = np.full((1, 48, 48), 90, np.uint8)
    assert not has_near_duplicates(flat, flat).any()


def test_it_is_told_where_it_was_looked_for() -> None:
    assert describe_near_duplicates({"rows": 10}) == ""
    found = {"rows": 8, "accuracy": 0.5, "interval": [0.2, 0.8]}
    told = describe_near_duplicates({"rows": 10, "without_twins": found})
    assert told.startswith("2 of these faces have a near duplicate")
    assert "Accuracy on the other 8 is 50.0%" in told
    assert describe_near_duplicates({"rows": 9, "without_twins": found}).startswith(
        "1 of these faces has a near"
    )
    told = describe_near_duplicates({"rows": 8, "without_twins": found})
    assert told == "None of these faces has a near duplicate among the training rows."


@pytest.mark.parametrize("side", [24, 96])
def test_any_size_will_do(side: int) -> None:
    faces = np.random.default_rng(1).integers(0, 256, (2, side, side)).astype(np.uint8)
    assert has_near_duplicates(faces, faces).all()
