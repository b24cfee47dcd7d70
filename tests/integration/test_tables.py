"""The tables of a session are the same ones wherever they are written."""

import csv
from pathlib import Path

import pytest

from tests.pipelines import run, up
from tests.studies import RATE, write_study

NAMES = ("emotions", "samples", "states", "markers")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded run over a film, a table of its sensors and two markers."""
    folder = tmp_path_factory.mktemp("tables")
    markers = [{"at_s": 4, "label": "later"}, {"at_s": 1, "label": "sooner", "extra": {"n": 1}}]
    settings, _ = write_study(folder, seconds=6, markers=markers)
    done = up("--config", str(settings), "--out", str(folder / "out"))
    assert done.returncode == 0, done.stderr
    return folder / "out"


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_an_export_of_the_recording_has_the_session_s_own_tables(
    session: Path, tmp_path: Path
) -> None:
    done = run("export", str(session), "--to", "csv", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len(read(session / "emotions.csv")) == 6 * RATE + 1
    for name in NAMES:
        ours, theirs = read(session / f"{name}.csv"), read(tmp_path / f"{name}.csv")
        assert len(ours) > 1
        assert ours == theirs


def test_without_its_recording_a_session_has_the_same_exports_and_a_report(
    session: Path, tmp_path: Path
) -> None:
    for name in (*(f"{name}.csv" for name in NAMES), "session.json"):
        (tmp_path / name).write_bytes((session / name).read_bytes())
    for to in ("csv", "parquet", "xdf"):
        done = run("export", str(tmp_path / "emotions.csv"), "--to", to)
        assert done.returncode == 0, done.stderr
    for name in NAMES:
        assert read(session / f"{name}.csv") == read(tmp_path / "export" / f"{name}.csv")
    done = run("report", str(tmp_path))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert "sooner" in page
    assert "up --record" in page, "there are no pictures of the faces at markers"
    done = run("replay", str(tmp_path))
    assert done.returncode == 1
    assert "needs a session recorded with --record" in done.stderr
