"""The packages of docs/extending.md, installed, add an exporter and a report section."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.messages import Emotion, FaceEmotion, Packet
from tests.recordings import QUALITY, frame, recording

ROOT = Path(__file__).parents[2]
SECTIONS = '\n[project.entry-points."affectline.report_sections"]\nweather = "weather:Weather"\n'


def code_block(text: str, name: str, language: str) -> str:
    """The first block of a language behind a name."""
    block = re.search(rf"{name}.*?```{language}\n(.*?)```", text, re.DOTALL)
    assert block
    return block[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``PYTHONPATH`` into which pip has installed the package of the example."""
    text = (ROOT / "docs" / "extending.md").read_text()
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    project = code_block(text, "An exporter.*?`pyproject.toml`", "toml")
    include = '\n[tool.hatch.build.targets.wheel]\ninclude = ["*.py"]\n'
    (source / "pyproject.toml").write_text(project + SECTIONS + include)
    (source / "affectline_labels.py").write_text(
        code_block(text, "`affectline_labels.py`", "python")
    )
    (source / "weather.py").write_text(code_block(text, "A report section", "python"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", "--target", target, source], check=True)
    return target


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drive")
    writer = SessionWriter(folder / "session.mcap", {})
    happy = FaceEmotion(track=1, box=(0, 0, 9, 9), quality=QUALITY, label="happy")
    for index in range(60, 63):
        message = frame(index)[1].message
        assert isinstance(message, Emotion)
        faces = message.model_copy(update={"faces": (happy, happy)})
        writer.add("Emotion", codec.encode(Packet(faces)), index, index)
    for packet in recording():
        writer.add(type(packet.message).__name__, codec.encode(packet), 99, 99)
    writer.finish()
    return folder


def affectline(installed: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "affectline.services.cli.main", *arguments],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "160"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_exporter_of_another_package_is_listed_and_runs(
    installed: Path, session: Path, tmp_path: Path
) -> None:
    listed = affectline(installed, "export", "--list")
    assert "how often each emotion was recognised" in listed.stdout
    done = affectline(installed, "export", session, "--to", "labels", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'labels.txt'}\n"
    assert (tmp_path / "labels.txt").read_text() == "happy 6\n"
    none = affectline(
        installed, "export", session, "--to", "labels", "--set", "least=7", "--out", tmp_path
    )
    assert none.returncode == 1
    assert "holds nothing for --to labels" in none.stderr
    wrong = affectline(installed, "export", session, "--to", "labels", "--set", "most=7")
    assert wrong.returncode == 2
    assert "the exporter labels has no such setting" in wrong.stderr


def test_a_report_section_of_another_package_is_in_the_page(
    installed: Path, session: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    done = affectline(installed, "report", session, "--out", page, "--set", "weather.text=<rain>")
    assert done.returncode == 0, done.stderr
    body = page.read_text()
    place = body.rindex("<h2>Weather</h2>\n<p>&lt;rain&gt;</p>")
    assert body.rindex("<th>recovery") < place < body.rindex("<h2>What it does not say</h2>")
