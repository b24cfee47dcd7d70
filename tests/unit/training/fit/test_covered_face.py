"""Hands drawn over faces, and the network that learns to see them."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.errors import AffectlineError
from affectline.common.model.artifact import MANIFEST, checksum
from affectline.common.model.network import load_network
from affectline.common.model.network_manifest import NETWORKS, TrainingOrigin, load_manifest
from affectline.training.data.faces import LabelledFaces
from affectline.training.fit.covered_face import (
    build_network,
    cover,
    describe,
    fit,
    measure,
    photograph,
    train,
    write,
)


def made_faces(count: int) -> NDArray[np.uint8]:
    """Smooth ovals with two dark eyes and a mouth, each a little different."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:48, 0:48]
    faces = np.empty((count, 48, 48), np.uint8)
    for face in faces:
        x, y, light = 24 + random.normal(0, 1), 24 + random.normal(0, 1), random.uniform(110, 190)
        face[:] = np.where(((columns - x) / 17) ** 2 + ((rows - y) / 22) ** 2 < 1, light, 40)
        for dx, dy, width in ((-8, -6, 4), (8, -6, 4), (0, 11, 8)):
            spot = ((columns - x - dx) / width) ** 2 + ((rows - y - dy) / 2) ** 2 < 1
            face[spot] = light * random.uniform(0.3, 0.6)
    return faces


def test_a_hand_covers_a_part_of_the_face_and_no_more() -> None:
    face = made_faces(1)[0]
    shares = []
    for seed in range(40):
        covered = cover(face, np.random.default_rng(seed))
        assert covered.shape == face.shape
        assert 0 <= covered.min() <= covered.max() <= 255
        shares.append(np.mean(np.abs(covered - face) > 1))
    assert min(shares) > 0.03
    assert max(shares) < 0.9
    assert np.array_equal(
        cover(face, np.random.default_rng(3)), cover(face, np.random.default_rng(3))
    )


def test_pictures_stay_in_the_range_of_gray_values() -> None:
    pictures = photograph(made_faces(20).astype(np.float32), np.random.default_rng(0))
    assert pictures.shape == (20, 48, 48, 1)
    assert 0 <= pictures.min() <= pictures.max() <= 255


def test_the_folder_that_comes_with_affectline_is_one_that_is_written() -> None:
    shipped = load_manifest("covered-face")
    assert isinstance(shipped.source, TrainingOrigin)
    file = NETWORKS / "covered-face" / shipped.file.path
    assert describe(file, shipped.source, limit=1.54, found=0.728) == shipped


@pytest.mark.slow
def test_a_network_runs_from_the_folder_that_is_written(tmp_path: Path) -> None:
    network, folder = build_network(), tmp_path / "covered-face"
    origin = load_manifest("covered-face").source
    assert isinstance(origin, TrainingOrigin)
    folder.mkdir()
    write(folder, network, origin, made_faces(20))
    manifest = load_manifest("covered-face", tmp_path)
    assert manifest.file.sha256 == checksum(folder / manifest.file.path)
    assert {path.name for path in folder.iterdir()} == {MANIFEST, manifest.file.path}
    face = made_faces(1)[0]
    (logit,) = load_network("covered-face", tmp_path).run(face)
    expected = network(tf.constant(face[np.newaxis, ..., np.newaxis], tf.float32))
    assert logit == pytest.approx(np.asarray(expected)[0], abs=1e-4)


def test_too_few_faces_are_refused() -> None:
    few = LabelledFaces(made_faces(149), np.zeros(149, np.int64), np.array(["Training"] * 149))
    with pytest.raises(AffectlineError, match="the data has 149 Training rows, and 150 are"):
        train(few, Progress(disable=True))


@pytest.mark.slow
def test_the_network_learns_to_tell_covered_faces() -> None:
    _, found = measure(fit(made_faces(240), epochs=3), made_faces(300)[240:], share=0.05)
    assert found > 0.1, "twice what guessing finds"
