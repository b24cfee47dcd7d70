"""Commands to a running pipeline, given as a tool or the command line gives them."""

import json
from pathlib import Path

import pytest

from affectline.common.recording.reader import SessionReader
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from tests.pipelines import Pipeline, run

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


def control(pipeline: Pipeline, *arguments: str) -> None:
    done = run("control", *arguments, "--hub", f"127.0.0.1:{pipeline.hub.port}")
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
        control(pipeline, "record", "drive", "--consent", CONSENT)  # one at a time
        control(pipeline, "stop-recording")
        control(pipeline, "quit")
        summary = pipeline.finish()
        log = pipeline.log()
    assert summary["frames"] > 5
    assert "record drive: drive is being recorded: stop it first" in log
    with SessionReader(tmp_path / "sessions" / "drive") as reader:
        kinds = {recorded.kind for recorded in reader.messages()}
        about = reader.about
    assert about["consent"] == CONSENT
    assert about["privacy"] == "features"
    assert {"Emotion", "Health"} <= kinds
    assert not {"Frame", "Faces", "Control"} & kinds


def test_without_a_pipeline_a_command_says_so() -> None:
    done = run("control", "quit", "--hub", "127.0.0.1:9")
    assert done.returncode == 1
    assert "no hub on tcp://127.0.0.1:9: start affectline up first" in done.stderr
