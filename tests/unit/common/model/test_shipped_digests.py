"""The models that come with Affectline are pinned in code."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.model import artifact, shipped_digests
from affectline.common.model.artifact import MANIFEST, checksum
from affectline.common.model.network import load_network
from affectline.common.model.shipped_digests import MODELS, SHIPPED_DIGESTS, shipped_digest


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose models can be exchanged."""
    folder = tmp_path / "installed" / "models"
    shutil.copytree(MODELS, folder)
    monkeypatch.setattr(shipped_digests, "MODELS", folder)
    return folder


def exchange(folder: Path, entry: str) -> None:
    """Another model, and a manifest that says it is right."""
    model = folder / "model.tflite"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    manifest = json.loads((folder / MANIFEST).read_text())
    described = manifest["files"][entry] if entry else manifest["file"]
    described["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_what_is_shipped_is_what_is_pinned() -> None:
    there: dict[str, dict[str, str]] = {}
    for path in sorted(MODELS.glob("*/*")):
        if path.suffix in {".json", ".tflite"}:
            there.setdefault(path.parent.name, {})[path.name] = checksum(path)
    assert there == SHIPPED_DIGESTS


def test_a_model_that_was_exchanged_with_its_manifest_is_refused(installed: Path) -> None:
    exchange(installed / "vgg16-48", "litert-int8")
    with pytest.raises(AffectlineError, match="this version of Affectline ships 43e469e4163a"):
        artifact.load(installed / "vgg16-48")
    exchange(installed / "iris", "")
    with pytest.raises(AffectlineError, match="this version of Affectline ships 68b972a53526"):
        load_network("iris", installed)


def test_settings_of_a_shipped_model_are_pinned_too(installed: Path) -> None:
    path = installed / "vgg16-48" / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"temperature": 40.0}))
    with pytest.raises(AffectlineError, match="reinstall Affectline"):
        artifact.load(installed / "vgg16-48")


def test_no_other_path_leads_around_it(installed: Path, tmp_path: Path) -> None:
    """Neither a link to the folder, nor dots, nor a folder that became a link."""
    pinned = SHIPPED_DIGESTS["vgg16-48"][MANIFEST]
    link = tmp_path / "link"
    link.symlink_to(installed / "vgg16-48")
    assert shipped_digest(link / MANIFEST) == pinned
    assert shipped_digest(installed / "iris" / ".." / "vgg16-48" / MANIFEST) == pinned
    own = tmp_path / "own"
    shutil.move(installed / "vgg16-48", own)
    (installed / "vgg16-48").symlink_to(own)
    assert shipped_digest(installed / "vgg16-48" / MANIFEST) == pinned


def test_a_model_of_ones_own_is_one_s_own(installed: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(installed / "vgg16-48", own)
    exchange(own, "litert-int8")
    assert artifact.load(own).verified("litert-int8").exists()
    assert shipped_digest(own / MANIFEST) is None
