"""The command line: help, one line for every error, and live messages."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from affectline.common.recording.reader import SessionReader
from affectline.common.runtime.hub_delivery import ask_for_delivery
from affectline.common.runtime.sockets import Publisher
from affectline.common.runtime.supervision import HEARTBEAT_FILE
from affectline.common.settings.hub import HubSettings
from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.cli.processes import choose_delivery
from affectline.services.recorder.spec import recorder_name
from tests.pipelines import Pipeline, free_port, process, run, up

LOOPING = """
delivery: live
pace: realtime
sources:
  - {name: sample, source: sample, loop: true}
"""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline that runs until the tests that look at it are over."""
    folder = tmp_path_factory.mktemp("looping")
    config = folder / "config.yaml"
    config.write_text(LOOPING)
    with Pipeline(folder / "out", "--config", str(config), prefixes=("emotion/",)) as started:
        started.wait_for_frame(1, timeout_s=60)
        yield started
        started.interrupt()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--source", "gone.mp4"], "--source gone.mp4: no such file or directory"),
        (["--model", "gone"], "no model at "),
        (["--classifiers", "0"], "'--classifiers'"),
        (["--delivery", "fast"], "'fast' is not one of"),
        (["--config", "gone.yaml"], "--config gone.yaml: No such file"),
        (["--display", "window"], "--display window: "),
        (["--backend", "tensorflow"], "has no saved_model file"),
        (["--source", "x" * 5000], "--source "),
        (["--source", "x="], "--source x=: not a source"),
        (
            ["--source", "rtsp://me:s3cr3t@127.0.0.1:9/x", "--display", "none"],
            "--source rtsp://127.0.0.1:9/***: no answer",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    done = up(*arguments, "--out", "out", cwd=tmp_path)
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cr3t" not in done.stderr
    assert not (tmp_path / "out").exists(), "a run that never began leaves nothing"


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with Pipeline(tmp_path / "a", "--rate", "0.3") as first:
        first.wait_for_frame(1)
        second = run("up", "--port", str(first.hub.port), "--out", str(tmp_path / "b"))
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert f"cannot listen on port {first.hub.port} (publishers)" in second.stderr
        typed = run("up", "--port", str(first.hub.port), "--source", "nofile.mp4", cwd=tmp_path)
        assert "--source nofile.mp4: no such file or directory" in typed.stderr
        traced = run("up", "--port", str(first.hub.port), "--trace", "t.json", cwd=tmp_path)
        assert "cannot listen on port" in traced.stderr
        summary = first.finish()
    assert {path.name for path in tmp_path.iterdir()} == {"a", "a.log"}
    assert (summary["frames"], summary["lost"]) == (120, 0), "the first one is not disturbed"


def test_of_runs_that_start_at_the_same_moment_one_has_the_ports_and_is_not_disturbed(
    tmp_path: Path,
) -> None:
    """Each finds the ports free: the processes of the others took part in the run of the first."""
    port = str(free_port())
    with ExitStack() as stack:
        runs = [
            stack.enter_context(process(
                "up", "--port", port, "--out", str(tmp_path / name), "--json",
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            ))
            for name in ("a", "b", "c")
        ]  # fmt: skip
        ended = [(one.communicate(timeout=100), one.returncode) for one in runs]
    (won,) = (output for output, code in ended if not code)
    summary = json.loads(won[0])
    assert (summary["frames"], summary["lost"]) == (120, 0)
    assert sum(summary["restarts"].values()) == 0
    for _, problem in (output for output, code in ended if code):
        assert f"cannot listen on port {port}" in problem
        assert problem.count("\n") == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_read_only_place_is_one_clear_line(tmp_path: Path) -> None:
    done = up("--out", "/proc/affectline/out")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "--out /proc/affectline/out: cannot write" in done.stderr


@pytest.mark.parametrize("small_disk", ["16k"], indirect=True)
def test_a_full_disk_is_one_clear_line(small_disk: Path) -> None:
    done = up("--out", str(small_disk / "out"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "cannot write (No space left on device)" in done.stderr


def test_help_has_an_example_for_every_command() -> None:
    listing = run("--help").stdout
    for command in (
        "up", "hub", "capture", "detector", "classifier", "sink", "subscribe", "schema", "doctor",
    ):  # fmt: skip
        assert command in listing
        shown = run(command, "--help")
        assert shown.returncode == 0
        assert f"Example: affectline {command}" in shown.stdout


def test_subscribe_prints_one_object_a_line(pipeline: Pipeline) -> None:
    done = run(
        "subscribe", "emotion/", "--format", "json", "--count", "20",
        "--address", pipeline.hub.outlet,
    )  # fmt: skip
    table = run("subscribe", "--count", "8", "--address", pipeline.hub.outlet)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 20
    assert {line["topic"] for line in lines} == {"emotion/sample"}
    faces = [face for line in lines for face in line["faces"]]
    assert set(faces[0]["probabilities"]) >= {"happy", "neutral"}
    assert len(table.stdout.splitlines()) == 8


def test_schema_prints_json_schema() -> None:
    assert "probabilities" in run("schema", "Emotion").stdout
    assert len(json.loads(run("schema").stdout)) >= 10
    wrong = run("schema", "Feeling")
    assert wrong.returncode == 1
    assert "MESSAGE Feeling: there is no such message" in wrong.stderr


def test_the_doctor_suggests_fixes(pipeline: Pipeline) -> None:
    healthy = run("doctor", "--port", str(free_port()))
    assert healthy.returncode == 0, healthy.stdout
    ill = run("doctor", "--port", str(pipeline.hub.port), env={"COLUMNS": "300", "PATH": "/bin"})
    assert ill.returncode == 1
    assert "--bind" in ill.stdout


@pytest.mark.parametrize("delivery", ["lossless", "live"])
def test_a_process_that_was_started_by_hand_delivers_as_the_hub(
    delivery: str, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    hub = HubSettings.model_validate({"port": address.split(":")[1]})
    with (
        process("hub", "--bind", address, "--delivery", delivery),
        process("record", "--hub", address, "--out", str(tmp_path / "out")) as recorder,
    ):
        publisher = Publisher(zmq.Context.instance(), hub.ingress)
        while recorder_name(tmp_path / "out") not in publisher.ready:
            assert publisher.socket.poll(20_000), "it does not come"
            publisher.update_consumers()
        publisher.socket.close(linger=0)
        assert ask_for_delivery(hub) == delivery
        assert choose_delivery(None, PipelineSettings(hub=hub), "worker") == delivery
        assert choose_delivery(None, PipelineSettings(hub=hub), "source") == "live"
        assert choose_delivery("live", PipelineSettings(hub=hub), "sink") == "live"
        recorder.send_signal(signal.SIGINT)
        recorder.wait(timeout=30)
    with SessionReader(tmp_path / "out") as reader:
        assert reader.about["delivery"] == delivery


def test_a_process_that_was_started_by_hand_says_where_it_finds_no_hub(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    words = ("record", "--hub", address, "--out", str(tmp_path / "out"))
    heartbeat = tmp_path / "heartbeat"
    environment = os.environ | {HEARTBEAT_FILE: str(heartbeat)}
    with process(*words, stderr=subprocess.PIPE, env=environment) as recorder:
        assert recorder.stderr
        said = recorder.stderr.readline()
        assert f"no hub on {address} yet: is affectline up running?" in said
        assert heartbeat.exists(), "who waits for a hub is well"
        with process("hub", "--bind", address):
            assert f"connected to the hub on {address}" in recorder.stderr.readline()
            recorder.send_signal(signal.SIGINT)
            recorder.wait(timeout=30)
