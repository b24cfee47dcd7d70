"""Runs that set their own markers and end by themselves."""

import csv
import os
import time
from pathlib import Path

import yaml

from tests.pipelines import free_port, run, up
from tests.recordings import write_recording


def test_a_run_keeps_to_its_plan_and_reports(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump({
        "pace": "realtime",
        "duration": 6,
        "sources": [{"name": "sample", "source": "sample", "loop": True}],
        "biometrics": [{"driver": "synthetic", "subject": "anna"}],
        "markers": [
            {"at_s": 3, "label": "hard braking", "extra": {"speed": 63.5}},
            {"at_s": 0, "label": "calibrate", "extra": {"seconds": 2}},
        ],
        "recording": {"record": True, "report": True},
    }))  # fmt: skip
    out = tmp_path / "out"
    done = run("up", "--config", str(settings), "--out", str(out), "--port", str(free_port()))
    assert done.returncode == 0, done.stderr
    with (out / "markers.csv").open(newline="") as stream:
        markers = list(csv.DictReader(stream))
    assert [marker["label"] for marker in markers] == ["calibrate", "hard braking"]
    assert [marker["source"] for marker in markers] == ["plan", "plan"]
    assert int(markers[0]["at"]) < int(markers[1]["at"])
    page = (out / "report.html").read_text()
    assert "hard braking" in page
    assert "Nervousness of anna" in page
    assert "The signals were simulated: no person was measured." in page
    assert "anna" in done.stdout

    exported = run("export", str(out), "--to", "csv")
    assert exported.returncode == 0, exported.stderr
    names = {Path(line).name for line in exported.stdout.splitlines()}
    assert names == {
        *("emotions.csv", "samples.csv", "states.csv"),
        *("markers.csv", "responses.csv"),
    }


def test_a_file_that_is_no_recording_is_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "x.mcap"
    wrong.write_text("no")
    for arguments in (("report", str(wrong)), ("export", str(wrong), "--to", "xdf")):
        done = run(*arguments)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "x.mcap" in done.stderr


def test_sessions_that_are_older_than_is_wanted_are_removed_at_the_start(tmp_path: Path) -> None:
    sessions = tmp_path / "sessions"
    then = time.time() - 40 * 86_400
    for name in ("old", "young"):
        write_recording(sessions / name)
    os.utime(sessions / "old" / "session.mcap", (then, then))
    settings = tmp_path / "settings.yaml"
    settings.write_text("retention: {days: 30}\nduration: 1\n")
    done = up("--config", str(settings), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "retention: sessions older than 30 days that were removed: 1 (" in done.stderr
    found = sorted(path.name for path in sessions.iterdir() if path.is_dir())
    assert len(found) == 2, "and the new one is there"
    assert found[1] == "young"
