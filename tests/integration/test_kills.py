"""Processes die: frames flow again, nothing is lost, nobody else notices."""

import csv
import signal
import time
from pathlib import Path

import psutil
import pytest

from affectline.common.wire.base import Message
from affectline.common.wire.messages import Emotion, StreamDone
from affectline.services.cli.run import EXIT_INTERRUPTED
from tests.films import film
from tests.pipelines import Pipeline

KINDS = ("hub", "capture", "detector", "classifier", "fusion", "sink")
ENDLESS = """
sources: [{name: sample, source: sample, loop: true}]
delivery: live
pace: realtime
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_process_costs_no_frame_of_a_file(kind: str, tmp_path: Path) -> None:
    with Pipeline(tmp_path / "out", "--source", "sample", "--pace", "realtime") as pipeline:
        pipeline.wait_for_frame(30)
        others = {name: pid for name, pid in pipeline.pids().items() if name != kind}
        pipeline.kill(kind)
        pipeline.wait_for_frame(60)
        now = pipeline.pids()
        assert {name: now[name] for name in others} == others, "only the killed one is replaced"
        summary = pipeline.finish()
    assert (summary["frames"], summary["lost"], summary["skipped"]) == (120, 0, 0)
    assert list(summary["restarts"].values()) == [1]
    with (tmp_path / "out" / "emotions.csv").open() as file:
        seqs = [int(row["seq"]) for row in csv.DictReader(file)]
    assert seqs == list(range(120)), "each frame once, in order"


def shows_a_face(message: Message, later_than: int) -> bool:
    return isinstance(message, Emotion) and message.captured_at > later_than and bool(message.faces)


def test_each_process_killed_in_turn_while_live(tmp_path: Path) -> None:
    (tmp_path / "endless.yaml").write_text(ENDLESS)
    with Pipeline(tmp_path / "out", "--config", str(tmp_path / "endless.yaml")) as pipeline:
        pipeline.wait_for_frame(10)
        for kind in KINDS:
            before = pipeline.kill(kind)
            killed_at = time.time_ns()
            pipeline.wait_for(lambda m, at=killed_at: shows_a_face(m, at))  # type: ignore[misc]
            pipeline.wait_for(lambda m, k=kind: m.topic.startswith(f"health/{k}"))  # type: ignore[misc]
            assert pipeline.pids()[kind] != before
        everybody = pipeline.pids()
        assert set(everybody) == set(KINDS)
        assert pipeline.interrupt() == EXIT_INTERRUPTED
    assert not [pid for pid in everybody.values() if psutil.pid_exists(pid)]
    epochs: dict[str, set[str]] = {}
    with (tmp_path / "out" / "emotions.csv").open() as file:
        for row in csv.DictReader(file):
            if row["track"]:
                epochs.setdefault(row["track"], set()).add(row["epoch"])
    assert len(set().union(*epochs.values())) > 1, "the source was replaced"
    assert all(len(those) == 1 for those in epochs.values()), "no number is used for another face"


def test_a_process_that_hangs_is_replaced(tmp_path: Path) -> None:
    with Pipeline(tmp_path / "out", "--source", "sample", "--pace", "realtime") as pipeline:
        pipeline.wait_for_frame(30)
        pid = pipeline.kill("classifier", signal.SIGSTOP)
        summary = pipeline.finish()
        assert not psutil.pid_exists(pid)
    assert (summary["frames"], summary["lost"]) == (120, 0)


def test_a_writer_that_hangs_at_the_end_does_not_end_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "endless.yaml").write_text(ENDLESS)
    with Pipeline(tmp_path / "out", "--config", str(tmp_path / "endless.yaml")) as pipeline:
        pipeline.wait_for_frame(10)
        pipeline.kill("sink", signal.SIGSTOP)
        assert pipeline.interrupt() == 1
        assert "sink did not finish within" in pipeline.log()


def test_children_do_not_outlive_the_launcher(tmp_path: Path) -> None:
    (tmp_path / "endless.yaml").write_text(ENDLESS)
    with Pipeline(tmp_path / "out", "--config", str(tmp_path / "endless.yaml")) as pipeline:
        pipeline.wait_for_frame(10)
        children = [psutil.Process(pid) for pid in pipeline.pids().values()]
        pipeline.process.kill()
        _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


def test_a_process_that_keeps_dying_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "endless.yaml").write_text(ENDLESS)
    with Pipeline(tmp_path / "out", "--config", str(tmp_path / "endless.yaml")) as pipeline:
        pipeline.wait_for_frame(1)
        while pipeline.process.poll() is None:
            try:
                pipeline.kill("detector")
                pipeline.wait_for(lambda m: m.topic.startswith("health/detector"), timeout_s=5)
            except (KeyError, ProcessLookupError, psutil.Error, AssertionError):
                continue
        assert pipeline.process.wait() == 1
        assert "detector/sample died 6 times" in pipeline.log()


def test_a_sink_killed_after_one_of_two_streams_has_ended(tmp_path: Path) -> None:
    short = film(tmp_path / "short.mp4", 20)
    sources = ["--source", "sample", "--source", str(short), "--pace", "realtime"]
    with Pipeline(tmp_path / "out", *sources) as pipeline:
        pipeline.wait_for(lambda m: isinstance(m, StreamDone) and m.stream == "short")
        pipeline.kill("sink")
        summary = pipeline.finish()
    assert {name: s["frames"] for name, s in summary["streams"].items()} == {
        "sample": 120, "short": 20,
    }  # fmt: skip
    assert summary["lost"] == 0
