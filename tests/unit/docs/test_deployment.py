"""Compose files, the Helm chart and pages about installing agree with the code."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.recording import PRIVACIES

ROOT: Final = Path(__file__).parents[3]
CHART: Final = ROOT / "configs/kubernetes/affectline"
ENUMS: Final = {
    "recorder.privacy": PRIVACIES,
    # Kubernetes' own
    "image.pullPolicy": ("Always", "IfNotPresent", "Never"),
    "sessions.accessMode": ("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"),
}
"""What may be chosen in the chart's values."""
UNRELEASED: Final = "has not been released yet"


def find_schemas(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas of all values, by their paths."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from find_schemas(below, f"{path}.{name}".lstrip("."))


def test_the_schema_allows_what_the_programs_allow() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    found = {path: tuple(one["enum"]) for path, one in find_schemas(schema) if "enum" in one}
    assert found == ENUMS


def test_the_schema_has_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    named = {path for path, one in find_schemas(schema) if path and one.get("type") == "object"}
    for path, one in find_schemas(schema):
        if not one.get("properties"):
            continue
        value = values
        for name in filter(None, path.split(".")):
            value = value[name]
        assert set(value) == set(one["properties"]) - {"global"}, path
    assert {"recorder", "networkPolicy"} <= named
    PipelineSettings.model_validate(values["settings"] | {"sources": values["streams"]})


@pytest.mark.parametrize("file", sorted(ROOT.glob("docker-compose*.yml")), ids=lambda p: p.name)
def test_compose_makes_no_folder_of_root_where_keys_are_missing(file: Path) -> None:
    for service in yaml.safe_load(file.read_text())["services"].values():
        for volume in service.get("volumes", ()):
            if isinstance(volume, str):
                assert volume.split(":")[0].isidentifier(), f"{volume}: only a named volume"
            else:
                assert volume["bind"] == {"create_host_path": False}


def test_pages_install_from_the_checkout_until_there_is_a_release() -> None:
    if UNRELEASED not in (ROOT / "CHANGELOG.md").read_text("utf-8"):
        pytest.skip("released: pages may name the package")
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb")]
    wrong = {
        page.name: found
        for page in pages
        if (
            found := re.findall(
                r"pip install .?affectline.*|pypi\.org/project/affectline", page.read_text("utf-8")
            )
        )
    }
    assert not wrong
