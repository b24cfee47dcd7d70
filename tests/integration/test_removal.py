"""Sessions are removed by real processes, one of which is killed."""

import json
import os
import time
from pathlib import Path

from affectline.services.sessions.removal import HIDDEN, LOG
from tests.pipelines import Pipeline, process, run
from tests.recordings import write_recording


def test_a_removal_that_is_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    session = write_recording(tmp_path / "drive")
    for index in range(20_000):  # enough to be killed on the way
        (session / f"{index}.jpg").touch()
    then = time.time() - 60
    for path in session.iterdir():
        os.utime(path, (then, then))
    with process("sessions", "delete", "drive", "--folder", str(tmp_path), "--yes") as removal:
        deadline = time.monotonic() + 60
        while session.exists():
            assert time.monotonic() < deadline, "it never began"
        removal.kill()
        removal.wait()
    (left,) = (path for path in tmp_path.iterdir() if path.name.startswith(HIDDEN))
    assert json.loads(run("sessions", str(tmp_path), "--json").stdout) == [], "it is gone at once"
    write_recording(tmp_path / "other")
    os.utime(tmp_path / "other" / "session.mcap", (then, then))
    done = run("sessions", "delete", "other", "--folder", str(tmp_path), "--yes")
    assert done.returncode == 0, done.stderr
    assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == [LOG]
    whys = [json.loads(line)["why"] for line in (tmp_path / LOG).read_text().splitlines()]
    assert whys[-2:] == ["left over", "command"]


def test_a_session_that_is_being_recorded_stays(tmp_path: Path) -> None:
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    with Pipeline(sessions / "out", "--record", "--pace", "realtime") as pipeline:
        pipeline.wait_for_frame(10)
        deleted = run("sessions", "delete", "out", "--yes", cwd=tmp_path)
        pruned = run("sessions", "prune", "--older-than", "12h", cwd=tmp_path)
        assert pipeline.finish()["frames"] == 120
    assert (deleted.returncode, pruned.returncode) == (1, 0)
    assert "session out is " in deleted.stdout
    assert run("check", str(sessions / "out")).returncode == 0
    assert not (sessions / LOG).exists()
