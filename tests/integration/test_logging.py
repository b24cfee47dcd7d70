"""What a pipeline logs, from all of its processes, in one place."""

import json
import re
from pathlib import Path

import pytest

from tests.pipelines import Pipeline, run, up


def test_a_wrong_level_is_one_line(tmp_path: Path) -> None:
    done = up("--log-level", "loud", "--out", str(tmp_path / "s"))
    assert done.returncode == 2
    assert "loud" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_records_of_all_processes_are_one_stream_of_json(tmp_path: Path) -> None:
    options = ("--log-format", "json", "--log-level", "warning", "--source", "sample")
    with Pipeline(tmp_path / "s", *options) as pipeline:
        pipeline.wait_for_frame(5)
        pipeline.kill("detector")
        pipeline.finish()
        records = [json.loads(line) for line in pipeline.log().splitlines()]
    restarts = [record for record in records if "is restarted" in record["message"]]
    assert restarts[0]["service"] == "supervisor"
    assert restarts[0]["level"] == "warning"
    assert "detector/sample died (killed by SIGKILL)" in restarts[0]["message"]


def test_processes_log_what_they_do_with_stream_and_seq(tmp_path: Path) -> None:
    done = up("--log-level", "info", "--log-format", "json", "--json", "--out", str(tmp_path / "s"))
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stderr.splitlines()]
    ready = {record["service"] for record in records if record["message"] == "ready"}
    assert {"sink", "capture/sample", "detector/sample", "classifier/1"} <= ready
    (ended,) = (r for r in records if r["message"] == "the source has ended: end")
    assert (ended["service"], ended["stream"], ended["seq"]) == ("capture/sample", "sample", 119)


@pytest.mark.slow
def test_the_last_lines_of_a_process_that_keeps_dying_are_shown(tmp_path: Path) -> None:
    model = tmp_path / "model"
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "ai_edge_litert").mkdir()
    (broken / "ai_edge_litert" / "__init__.py").write_text("")
    (broken / "ai_edge_litert" / "interpreter.py").write_text("import os\nos.abort()\n")
    done = run("up", "--port", "16310", "--out", str(model), env=_with_path(broken), timeout=110)
    assert done.returncode == 1
    *details, error = done.stderr.splitlines()
    # Both run networks; which of them is given up first is a race
    given_up = (
        r"affectline: (classifier/1|detector/sample) died 6 times within seconds \(killed by "
    )
    assert re.match(given_up + "SIG", error)
    assert "above" not in error
    assert any("died (killed by SIGABRT) and is restarted" in line for line in details)


def _with_path(folder: Path) -> dict[str, str]:
    import os

    paths = filter(None, (str(folder), os.environ.get("PYTHONPATH")))
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONFAULTHANDLER": "1"}
