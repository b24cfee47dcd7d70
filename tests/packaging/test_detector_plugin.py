"""The detector that docs/extending.md shows, installed beside affectline and run for real."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from affectline.common.settings.detector import DetectorSettings
from tests.pipelines import up

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCK = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``sys.path`` into which the documented package is installed."""
    folder = tmp_path_factory.mktemp("plugins")
    for name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        file = folder / "source" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--target", folder / "site", folder / "source"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "site"


@pytest.fixture
def plugins(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is found by this process and by those that it starts."""
    monkeypatch.syspath_prepend(str(installed))
    paths = filter(None, (str(installed), os.environ.get("PYTHONPATH")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


def settings_file(tmp_path: Path, detector: str) -> str:
    path = tmp_path / "settings.yaml"
    path.write_text(f"detector: {detector}\n")
    return str(path)


@pytest.mark.usefixtures("plugins")
def test_a_detector_of_another_package_runs_in_a_pipeline(tmp_path: Path) -> None:
    config = settings_file(tmp_path, "{backend: alt2, min_side: 50}")
    out = tmp_path / "out"
    done = up("--config", config, "--source", "sample", "--out", str(out))
    assert done.returncode == 0, done.stderr
    session = json.loads((out / "session.json").read_text())
    assert session["settings"]["detector"] == {
        "backend": "alt2", "min_side": 50, "scan_interval": 8, "search_interval": 1,
        "max_faces": 8, "max_misses": 15, "margin": 0.01,
    }  # fmt: skip
    (stream,) = session["streams"].values()
    assert stream["frames_with_face"] > 0.5 * stream["frames"] > 50
    with (out / "emotions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= stream["frames_with_face"]
    assert all(row["angle"] == "0.0" for row in rows), "the detector does not measure it"


@pytest.mark.usefixtures("plugins")
def test_its_settings_are_validated(tmp_path: Path) -> None:
    for detector, reason in (
        ("{backend: alt2, min_side: 5}", "detector.min_side: Input should be greater than or"),
        ("{backend: alt2, scan_size: 320}", "the backend alt2 has no such setting"),
        ("{backend: alt3}", "there is no backend 'alt3': there are 'haar', 'yunet', 'alt2'"),
    ):
        done = up("--config", settings_file(tmp_path, detector), "--source", "sample")
        assert done.returncode == 1
        assert reason in " ".join(done.stderr.split()), done.stderr
    assert "alt2" not in DetectorSettings.registry.own_names()


def test_without_the_package_there_is_no_such_detector(tmp_path: Path) -> None:
    done = up("--config", settings_file(tmp_path, "{backend: alt2}"), "--source", "sample")
    assert done.returncode == 1
    assert "there is no backend 'alt2'" in " ".join(done.stderr.split())
