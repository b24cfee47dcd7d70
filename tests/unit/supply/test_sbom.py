"""The bill of materials is valid, complete, and tells what is in it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from affectline.common.model.shipped_digests import SHIPPED_DIGESTS
from tests.supply.sbom import main, pins


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sbom") / "build" / "affectline.cdx.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sbom", str(path)])
        main()
    return path


@pytest.fixture(scope="module")
def content(written: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(written.read_text())
    return found


def test_it_is_valid(written: Path) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written.read_text()) is None


def test_every_locked_package_is_in_it_with_its_hashes_and_licence(content: dict[str, Any]) -> None:
    there = {one["purl"]: one for one in content["components"] if one["type"] == "library"}
    assert set(there) == {f"pkg:pypi/{pin.name}@{pin.version}" for pin in pins()}
    for pin in pins():
        component = there[f"pkg:pypi/{pin.name}@{pin.version}"]
        (files,) = component["externalReferences"]
        assert {f"sha256:{one['content']}" for one in files["hashes"]} == set(pin.hashes)
        assert component["licenses"]


def test_every_shipped_model_is_in_it(content: dict[str, Any]) -> None:
    models = [one for one in content["components"] if one["type"] == "machine-learning-model"]
    digests = {
        digest
        for files in SHIPPED_DIGESTS.values()
        for file, digest in files.items()
        if file != "manifest.json"
    }
    assert {one["hashes"][0]["content"] for one in models} == digests
    assert {one["name"] for one in models} >= {"vgg16-48", "iris", "face-mesh"}


def test_everything_in_it_is_there_for_a_reason(content: dict[str, Any]) -> None:
    """From the project, through what needs what, every component is reached."""
    needs = {one["ref"]: one.get("dependsOn", []) for one in content["dependencies"]}
    reached, waiting = set(), ["affectline"]
    while waiting:
        if (one := waiting.pop()) not in reached:
            reached.add(one)
            waiting += needs[one]
    assert reached == {"affectline", *(one["bom-ref"] for one in content["components"])}


def test_it_names_no_index(written: Path) -> None:
    assert "://" not in written.read_text().replace("http://cyclonedx.org/", "")
