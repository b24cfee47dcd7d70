"""An artifact is verified before it is used."""

import json
import shutil
from pathlib import Path

import pytest

from common import artifact
from common.artifact import DEFAULT_MODEL, MANIFEST
from common.errors import AffectlineError


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(DEFAULT_MODEL, tmp_path / "m")
    return tmp_path / "m"


def test_the_default_artifact_is_sound() -> None:
    loaded = artifact.load()
    assert loaded.verified("litert-int8").exists()
    assert loaded.manifest.name == "vgg16-48"
    assert loaded.model_id.startswith("vgg16-48@")
    assert loaded.manifest.metrics
    assert loaded.manifest.training
    assert "/" not in json.dumps(loaded.manifest.training).replace("\\/", "").replace("://", "")


def test_a_changed_byte_is_noticed(copied: Path) -> None:
    path = copied / "model.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(AffectlineError, match=r"model file .* has SHA-256"):
        artifact.load(copied).verified("litert-int8")


def test_a_missing_file_is_named(copied: Path) -> None:
    (copied / "model.tflite").unlink()
    with pytest.raises(AffectlineError, match=r"model\.tflite is missing"):
        artifact.load(copied).verified("litert-int8")


def test_a_format_that_it_lacks_is_named(copied: Path) -> None:
    with pytest.raises(AffectlineError, match="has no keras file"):
        artifact.load(copied).verified("keras")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": ["happy"]}, "labels happy are not"),
        ({"temperature": 0}, "temperature: "),
        ({"input_height": "big"}, "input_height: "),
        ({"unknown": 1}, "unknown: "),
    ],
)
def test_a_wrong_manifest_is_one_clear_line(
    copied: Path, change: dict[str, object], says: str
) -> None:
    manifest = json.loads((copied / MANIFEST).read_text()) | change
    (copied / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(AffectlineError, match=says) as error:
        artifact.load(copied)
    assert "\n" not in str(error.value)


def test_a_folder_counts_by_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    before = artifact.checksum(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert artifact.checksum(tmp_path) != before
