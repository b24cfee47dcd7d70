"""The small networks: those of others are the originals, and all run as their manifests say."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.model import network as networks
from affectline.common.model.artifact import MANIFEST, checksum, load
from affectline.common.model.canonical_face import load_canonical_face
from affectline.common.model.network import load_network
from affectline.common.model.network_manifest import (
    NETWORKS,
    NetworkManifest,
    NetworkName,
    PackageFile,
    TrainingOrigin,
    load_manifest,
)

NAMES: tuple[NetworkName, ...] = get_args(NetworkName)
OWN: tuple[NetworkName, ...] = ("covered-face",)
OTHERS = tuple(name for name in NAMES if name not in OWN)
ORIGINALS = {
    "face-detection-full-range": "99bf9494",
    "face-detection-short-range": "3bc182eb",
    "face-mesh": "2efcb4f4",
    "iris": "d1744d2a",
}
Gray = NDArray[np.uint8]
APACHE = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""SHA-256 of https://www.apache.org/licenses/LICENSE-2.0.txt"""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(NETWORKS / "face-mesh", tmp_path / "face-mesh")
    return tmp_path


def package_of(manifest: NetworkManifest) -> PackageFile:
    assert isinstance(manifest.source, PackageFile)
    return manifest.source


def noise(*shape: int) -> Gray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("name", OTHERS)
def test_the_files_are_the_originals(name: NetworkName) -> None:
    manifest = load_manifest(name)
    assert manifest.file.sha256.startswith(ORIGINALS[name])
    assert manifest.file.sha256 == package_of(manifest).file_sha256


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_as_described(name: NetworkName) -> None:
    manifest = load_manifest(name)
    assert manifest.name == name
    for file in (manifest.file, *manifest.extracted.values()):
        assert checksum(NETWORKS / name / file.path) == file.sha256


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_folder_is_accounted_for(name: NetworkName) -> None:
    manifest = load_manifest(name)
    described = {file.path for file in (manifest.file, *manifest.extracted.values())}
    papers = {MANIFEST, "MODEL_CARD.md"} | (set() if name in OWN else {"LICENSE", "NOTICE"})
    assert {path.name for path in (NETWORKS / name).iterdir()} == described | papers


@pytest.mark.parametrize("name", OTHERS)
def test_licence_and_origin_come_with_a_network(name: NetworkName) -> None:
    manifest, folder = load_manifest(name), NETWORKS / name
    package = package_of(manifest)
    assert manifest.licence == "Apache-2.0"
    assert hashlib.sha256((folder / "LICENSE").read_bytes()).hexdigest() == APACHE
    notice = (folder / "NOTICE").read_text()
    assert "Copyright The MediaPipe Authors" in notice
    assert "Apache License, Version 2.0" in notice
    assert f"{package.package} {package.version}" in notice
    assert "unchanged" in notice


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_it_must(name: NetworkName) -> None:
    card, manifest = (NETWORKS / name / "MODEL_CARD.md").read_text(), load_manifest(name)
    for heading in ("Who it is worse for", "What it must not be"):
        assert f"\n## {heading}" in card
    assert f"{manifest.input_height}x{manifest.input_width} pixels in" in card


@pytest.mark.parametrize("name", OTHERS)
def test_a_card_says_what_its_authors_measured(name: NetworkName) -> None:
    card, manifest = (NETWORKS / name / "MODEL_CARD.md").read_text(), load_manifest(name)
    assert "\n## What its authors measured" in card
    assert "**Not found:**" in card
    assert package_of(manifest).version in card
    figures = {
        figure
        for entry in manifest.measured
        for figure in re.findall(r"\d+\.\d+(?= %)", entry.result)
    }
    assert all(figure in card for figure in figures)
    assert all(entry.source for entry in manifest.measured)


def test_a_network_of_our_own_says_how_it_came_to_be() -> None:
    manifest = load_manifest("covered-face")
    card = (NETWORKS / "covered-face" / "MODEL_CARD.md").read_text()
    origin, emotion_model = manifest.source, load().manifest
    assert isinstance(origin, TrainingOrigin)
    assert origin.data_sha256 == emotion_model.training["data"]["sha256"]
    for said in (origin.program, f"{origin.learnt_faces:,}", f"{origin.held_out_faces:,}"):
        assert said in card
    assert f"{origin.epochs} epochs, seed {origin.seed}" in card
    for figure in re.findall(r"[\d.]+", manifest.measured[0].result):
        assert figure in card
    assert "FER2013: research use, which extends to models that learnt from it" in card
    assert manifest.licence in card


def test_an_origin_is_a_package_or_a_training_and_nothing_of_both(copied: Path) -> None:
    path = copied / "face-mesh" / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["source"]["epochs"] = 12
    path.write_text(json.dumps(manifest))
    with pytest.raises(AffectlineError, match=r"source\.PackageFile\.epochs: Extra inputs"):
        load_manifest("face-mesh", copied)


def test_nothing_else_lies_among_the_models() -> None:
    folders = {path.name for path in NETWORKS.iterdir() if path.is_dir()}
    assert folders == {*NAMES, "vgg16-48"}


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_as_declared(name: NetworkName) -> None:
    network = load_network(name)
    outputs = network.run(noise(*network.input_size))
    assert [output.shape for output in outputs] == [o.shape for o in network.manifest.outputs]
    assert all(output.dtype == np.float32 for output in outputs)
    assert all(np.isfinite(output).all() for output in outputs)


@pytest.mark.parametrize("name", OTHERS)
def test_gray_is_three_equal_channels(name: NetworkName) -> None:
    network = load_network(name)
    gray = noise(*network.input_size)
    for one, three in zip(network.run(gray), network.run(np.dstack([gray] * 3)), strict=True):
        assert np.array_equal(one, three)


@pytest.mark.parametrize("name", OTHERS)
def test_pixels_are_scaled_to_the_range_of_the_input(name: NetworkName) -> None:
    network = load_network(name)
    low, high = network.manifest.input_range
    assert (low, high) == ((-1, 1) if "detection" in name else (0, 1))
    image = noise(*network.input_size, 3)
    network._write_input(image)
    written = network._input_view()[0]
    assert np.allclose(written, image / 255 * (high - low) + low, atol=1e-6)


def test_one_channel_is_gray_as_it_is() -> None:
    network = load_network("covered-face")
    gray = noise(48, 48)
    network._write_input(gray)
    assert np.array_equal(network._input_view()[0], gray[..., np.newaxis].astype(np.float32))


@pytest.mark.parametrize("name", ["iris", "covered-face"])
def test_part_of_a_larger_image_is_read_right(name: NetworkName) -> None:
    network = load_network(name)
    height, width = network.input_size
    part = noise(100, 100)[10 : 10 + height, 20 : 20 + width]
    for one, other in zip(network.run(part), network.run(part.copy()), strict=True):
        assert np.array_equal(one, other)


def test_results_are_the_caller_s_to_keep() -> None:
    network = load_network("iris")
    first = network.run(noise(64, 64))
    before = [output.copy() for output in first]
    network.run(np.zeros((64, 64), np.uint8))
    assert all(np.array_equal(a, b) for a, b in zip(first, before, strict=True))


@pytest.mark.parametrize("shape", [(192, 192), (64, 64, 1), (64, 64, 4), (1, 64, 64, 3)])
def test_an_image_of_another_size_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"input \(64, 64\)"):
        load_network("iris").run(noise(*shape))


@pytest.mark.parametrize("shape", [(64, 64), (48, 48, 3), (48, 48, 1)])
def test_a_network_for_gray_takes_gray_alone(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"input \(48, 48\)"):
        load_network("covered-face").run(noise(*shape))


def crop(image: Gray, center: tuple[float, float], side: float, size: int) -> Gray:
    """An upright square of an image, scaled to a network's input."""
    scale = size / side
    left, top = center[0] - side / 2, center[1] - side / 2
    turn = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    return np.asarray(cv2.warpAffine(image, turn, (size, size)), dtype=np.uint8)


def test_they_see_the_face_of_a_film(clips: Path) -> None:
    """What comes out has the order and the units that manifests give."""
    film = cv2.VideoCapture(str(clips / "expressive_woman.mp4"))
    frame = [film.read()[1] for _ in range(20)][-1]
    gray = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    _, scores = load_network("face-detection-full-range").run(crop(gray, (320, 180), 640, 192))
    row, column = divmod(int(scores.argmax()), 48)  # anchors every 4 pixels, row by row
    assert scores.max() > 0
    x, y = (column + 0.5) * 4 / 192 * 640, (row + 0.5) * 4 / 192 * 640 - 140
    assert abs(x - 430) < 80
    assert abs(y - 210) < 80
    points, presence = load_network("face-mesh").run(crop(gray, (449, 220), 338, 192))
    assert presence[0] > 3
    nose, right_eye, left_eye, chin = points[[4, 33, 263, 152]]
    assert right_eye[0] < nose[0] < left_eye[0], "the person's right is at the picture's left"
    assert right_eye[1] < nose[1] < chin[1]
    assert nose[2] < min(right_eye[2], left_eye[2]), "smaller is nearer"
    corners = points[[33, 133], :2] / 192 * 338 + (449 - 169, 220 - 169)
    width = float(np.linalg.norm(corners[1] - corners[0]))
    center = corners.mean(axis=0)
    eye, iris = load_network("iris").run(crop(gray, (center[0], center[1]), 2.3 * width, 64))
    assert np.abs(eye[[0, 8], 0] - (32 - 32 / 2.3, 32 + 32 / 2.3)).max() < 4, "corners of the eye"
    middle, right, top, left, bottom = iris[:, :2]
    assert eye[0, 0] < left[0] < middle[0] < right[0] < eye[8, 0]
    assert top[1] < middle[1] < bottom[1]


def test_a_gray_wall_is_no_face() -> None:
    _, presence = load_network("face-mesh").run(np.full((192, 192), 128, np.uint8))
    assert presence[0] < 0


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def exchange_tensor(path: Path) -> None:
    manifest = json.loads(path.read_text())
    manifest["outputs"][0]["tensor"] = "other"
    path.write_text(json.dumps(manifest))


def change_shape(path: Path) -> None:
    manifest = json.loads(path.read_text())
    manifest["outputs"][0]["shape"] = [478, 3]
    path.write_text(json.dumps(manifest))


def change_input(path: Path) -> None:
    manifest = json.loads(path.read_text())
    manifest["input_height"] = 128
    path.write_text(json.dumps(manifest))


def change_channels(path: Path) -> None:
    manifest = json.loads(path.read_text())
    manifest["input_channels"] = 1
    path.write_text(json.dumps(manifest))


def replace_model(path: Path) -> None:
    path.write_bytes(b"no model" * 100)
    manifest = json.loads((path.parent / MANIFEST).read_text())
    manifest["file"]["sha256"] = checksum(path)
    (path.parent / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("model.tflite", damage, r"model file .* has SHA-256 .* the file is damaged or was repl"),
        ("model.tflite", Path.unlink, r"model\.tflite is missing: reinstall Affectline"),
        ("model.tflite", replace_model, r"is not a readable LiteRT model"),
        (MANIFEST, Path.unlink, r"no model at .*face-mesh \(No such file"),
        (MANIFEST, lambda path: path.write_text("{}"), r"manifest\.json: name: Field required"),
        (MANIFEST, exchange_tensor, r"its manifest describes: it has no output other"),
        (MANIFEST, change_shape, r"its output conv2d_20 is \[1, 1, 1, 1404\]"),
        (MANIFEST, change_input, r"its input is \[1, 192, 192, 3\]"),
        (MANIFEST, change_channels, r"its input is \[1, 192, 192, 3\]"),
    ],
)
def test_another_file_is_refused(
    copied: Path, file: str, change: Callable[[Path], object], reason: str
) -> None:
    change(copied / "face-mesh" / file)
    with pytest.raises(AffectlineError) as caught:
        load_network("face-mesh", copied)
    assert re.search(reason, str(caught.value)), str(caught.value)


def test_the_canonical_face_is_a_face_in_centimetres() -> None:
    face = load_canonical_face()
    assert face.vertices.shape == (468, 3)
    x, y, z = face.vertices.T
    nose, right_eye, left_eye, forehead, chin = 4, 33, 263, 10, 152
    assert np.argmax(z) == nose, "towards the viewer"
    assert x[right_eye] < 0 < x[left_eye], "the person's right is at the picture's left"
    assert y[forehead] == y.max()
    assert y[chin] < y[nose] < y[right_eye] < y[forehead]
    assert 8 < x[left_eye] - x[right_eye] < 10, "outer corners of the eyes"
    assert 15 < np.ptp(x) < 16
    assert 17 < np.ptp(y) < 18
    assert np.allclose(np.sort(x), np.sort(-x), atol=1e-5), "symmetric"


def test_the_basis_is_symmetric() -> None:
    face = load_canonical_face()
    assert face.basis.shape == face.weights.shape == (33,)
    assert len(set(face.basis)) == 33
    points = face.vertices[face.basis]
    assert abs((face.weights * points[:, 0]).sum()) < 1e-6
    assert np.all(face.weights > 0)


def test_a_damaged_canonical_face_is_refused(copied: Path) -> None:
    path = copied / "face-mesh" / "canonical_face.json"
    path.write_text(path.read_text().replace("7.58658", "7.58659"))
    with pytest.raises(AffectlineError, match=r"canonical_face\.json has SHA-256"):
        load_canonical_face(copied)


def test_prepared_networks_are_used_once_and_give_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(networks, "_prepared", {})
    expected = load_network("iris")
    networks.prepare_networks()
    prepared = dict(networks._prepared)
    assert load_network("iris") is prepared["iris"]
    assert load_network("iris") is not prepared["iris"]
    image = noise(*expected.input_size)
    for one, other in zip(expected.run(image), prepared["iris"].run(image), strict=True):
        assert np.array_equal(one, other)
