"""Commands to a running pipeline, given as a tool or the command line gives them."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from affectline.common.recording.reader import SessionReader
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from tests.pipelines import Pipeline, process, run, up
from tests.recordings import write_recording

CONSENT = "Anna, in writing, today"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings by which recordings go below the test's own folder."""
    path = tmp_path / "settings.yaml"
    path.write_text(
        "sources: [{name: sample, source: sample, loop: true}]\n"
        f"delivery: live\ndashboard: {{sessions: {json.dumps(str(tmp_path / 'sessions'))}}}\n"
    )
    return path


def to(pipeline: Pipeline) -> tuple[str, str]:
    return "--hub", f"127.0.0.1:{pipeline.hub.port}"


def control(pipeline: Pipeline, *arguments: str) -> None:
    done = run("control", *arguments, *to(pipeline))
    assert done.returncode == 0, done.stderr


def test_a_pipeline_is_recorded_and_ended_by_command(config: Path, tmp_path: Path) -> None:
    def counts_of_recorder(message: Message) -> bool:
        if not isinstance(message, Health) or message.service != "recorder/drive":
            return False
        return message.counters.get("recorded", 0) > 50

    with Pipeline(tmp_path / "s", "--config", str(config)) as pipeline:
        pipeline.wait_for_frame(5)
        control(pipeline, "record", "drive", "--consent", CONSENT, "--privacy", "features")
        pipeline.wait_for(counts_of_recorder)
        again = run("control", "record", "drive", "--consent", CONSENT, *to(pipeline))
        assert again.returncode == 1
        assert again.stderr == "affectline: drive is being recorded: stop it first\n"
        control(pipeline, "stop-recording")
        more = run("control", "record", "drive", "--consent", CONSENT, *to(pipeline))
        assert more.stdout == "recording drive into the folder drive-2\n", "that name is taken"
        control(pipeline, "stop-recording")
        typed = run(
            "control", "record", "Anna's 2nd drive / Zürich", "--consent", CONSENT, *to(pipeline)
        )
        assert "into the folder Annas-2nd-drive-Zurich" in typed.stdout
        done = run("control", "stop-recording", *to(pipeline))
        assert done.stdout == "recorded Annas-2nd-drive-Zurich\n"
        control(pipeline, "quit")
        summary = pipeline.finish()
    assert summary["frames"] > 5
    with SessionReader(tmp_path / "sessions" / "drive") as reader:
        kinds = {recorded.kind for recorded in reader.messages()}
        about = reader.about
    with SessionReader(tmp_path / "sessions" / "Annas-2nd-drive-Zurich") as reader:
        assert reader.about["title"] == "Anna's 2nd drive / Zürich"
    listed = run("sessions", str(tmp_path / "sessions"), env=os.environ | {"COLUMNS": "240"})
    assert "Anna's 2nd drive / Zürich" in listed.stdout
    assert about["consent"] == CONSENT
    assert about["privacy"] == "features"
    assert {"Emotion", "Health"} <= kinds
    assert not {"Frame", "Faces", "Control"} & kinds


def test_a_recording_waits_for_what_it_requires(config: Path, tmp_path: Path) -> None:
    """``up --record`` records from when all is there; a command is refused until then."""
    config.write_text(config.read_text() + "require: [sample, anna/heart_rate]\n")
    with Pipeline(tmp_path / "s", "--config", str(config), "--record") as pipeline:
        pipeline.wait_for_frame(5)
        early = run("control", "record", "drive", "--consent", CONSENT, *to(pipeline))
        assert early.returncode == 1
        assert "anna/heart_rate is required but missing" in early.stderr
        assert len(early.stderr.splitlines()) == 1
        assert not (tmp_path / "s/session.mcap").exists()
        strap = ("--driver", "synthetic", "--subject", "anna")
        with process("biometrics", *strap, *to(pipeline)):
            wait_for((tmp_path / "s/session.mcap").exists)
            control(pipeline, "record", "drive", "--consent", CONSENT, "--condition", "rain")
            control(pipeline, "stop-recording")
        control(pipeline, "quit")
        pipeline.finish()
        log = pipeline.log()
    assert "not recording yet: waiting for" in log
    assert "all required streams are present: recording" in log
    with SessionReader(tmp_path / "sessions" / "drive") as reader:
        assert reader.about["study"] == {"condition": "rain"}
    with SessionReader(tmp_path / "s") as reader:
        assert {"Emotion", "Samples"} <= {recorded.kind for recorded in reader.messages()}


def wait_for(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_what_is_required_and_never_comes_is_said_at_the_end(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text() + "require: [anna/heart_rate]\n")
    done = up("--config", str(config), "--record", "--duration", "1", "--out", str(tmp_path / "s"))
    assert done.returncode == 1
    assert "nothing was recorded: anna/heart_rate never appeared" in done.stderr


def test_without_a_pipeline_a_command_says_so() -> None:
    done = run("control", "quit", "--hub", "127.0.0.1:9")
    assert done.returncode == 1
    assert "no hub on tcp://127.0.0.1:9: start affectline up first" in done.stderr


def test_a_calibration_names_who_is_there_and_a_replay_is_required_to_pause(
    config: Path, tmp_path: Path
) -> None:
    config.write_text(config.read_text() + "biometrics: [{driver: synthetic, subject: anna}]\n")
    with Pipeline(tmp_path / "s", "--config", str(config)) as pipeline:
        pipeline.wait_for(lambda message: message.topic == "state/anna")
        done = run("control", "calibrate", "--seconds", "30", *to(pipeline))
        assert (done.returncode, done.stdout) == (0, "calibrating everybody for 30 s\n")
        done = run("control", "calibrate", "--subject", "anna", *to(pipeline))
        assert (done.returncode, done.stdout) == (0, "calibrating anna for 60 s\n")
        other = run("control", "calibrate", "--subject", "Anna", *to(pipeline))
        assert other.returncode == 1
        assert "calibrate: no state of Anna within 3 s: there are anna" in other.stderr
        wrong = run("control", "calibrate", "--subject", "Anna B", *to(pipeline))
        assert "--subject Anna B: not the ID of a subject" in wrong.stderr
        for command in (("pause",), ("step",), ("seek", "3s")):
            none = run("control", *command, *to(pipeline))
            assert none.returncode == 1
            assert f"{command[0]}: nothing is replayed on tcp://127.0.0.1:" in none.stderr
        control(pipeline, "quit")
        pipeline.finish()
        assert "nobody called Anna is measured or seen; there are: anna" in pipeline.log()
    wrong = run("control", "seek", "abc", *to(pipeline))
    assert "TIME abc: not a time" in wrong.stderr


def test_a_replay_is_paused_by_command(tmp_path: Path) -> None:
    session = write_recording(tmp_path / "drive")
    replay = ("replay", str(session), "--loop")
    with Pipeline(tmp_path / "s", command=replay, prefixes=("health/",)) as pipeline:
        control(pipeline, "pause")
        pipeline.wait_for(lambda m: isinstance(m, Health) and m.detail.startswith("paused at"))
        control(pipeline, "quit")
        pipeline.finish()
