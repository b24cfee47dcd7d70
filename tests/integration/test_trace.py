"""Traces of real runs: every frame on its whole way, by one clock, whatever ends the run."""

import json
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from affectline.services.cli.run import EXIT_INTERRUPTED
from affectline.services.supervisor.slow_frames import find_slow_frames
from affectline.services.supervisor.trace_file import read_events
from tests.pipelines import Pipeline, up

FRAMES = 120
"""Frames of the sample clip."""
WAY = (
    ("capture/sample", "read"),
    ("capture/sample", "encode"),
    ("capture/sample", "send Frame"),
    ("hub", "forward frame/sample"),
    ("detector/sample", "receive Frame"),
    ("detector/sample", "handle Frame"),
    ("detector/sample", "decode image"),
    ("detector/sample", "track"),
    ("detector/sample", "crops"),
    ("detector/sample", "signs"),
    ("detector/sample", "send Faces"),
    ("hub", "pass on faces/sample"),
    ("classifier/1", "receive Faces"),
    ("classifier/1", "handle Faces"),
    ("classifier/1", "classify"),
    ("classifier/1", "send Scores"),
    ("hub", "forward scores/sample"),
    ("detector/sample", "receive Scores"),
    ("detector/sample", "handle Scores"),
    ("detector/sample", "send Emotion"),
    ("hub", "forward emotion/sample"),
    ("sink", "receive Emotion"),
    ("sink", "write"),
)
"""What happens to every frame with a face, in the order in which it begins."""

Event = dict[str, Any]


class Trace:
    """A trace file, read as a whole."""

    def __init__(self, path: Path) -> None:
        content = json.loads(path.read_text())
        assert content.keys() == {"traceEvents", "displayTimeUnit", "otherData"}
        self.events: list[Event] = content["traceEvents"]
        self.processes = {
            event["pid"]: event["args"]["name"]
            for event in self.events
            if event["name"] == "process_name"
        }
        self.spans = [event for event in self.events if event["ph"] == "X"]

    def name(self, event: Event) -> tuple[str, str]:
        """The process and name of a span."""
        return self.processes[event["pid"]], event["name"]

    def frames(self) -> dict[int, dict[tuple[str, str], Event]]:
        """The first span of each kind, by frame."""
        found: dict[int, dict[tuple[str, str], Event]] = defaultdict(dict)
        for event in sorted(self.spans, key=lambda one: one["ts"]):
            if "seq" in event["args"]:
                found[event["args"]["seq"]].setdefault(self.name(event), event)
        return found


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("traced")
    path = folder / "trace.json"
    done = up("--out", str(folder / "out"), "--record", "--trace", str(path))
    assert done.returncode == 0, done.stderr
    assert "slowest of" in done.stdout
    assert sorted(one.name for one in folder.iterdir()) == ["out", "trace.json"]
    return Trace(path)


def test_every_process_has_a_row(trace: Trace) -> None:
    assert {
        "supervisor", "hub", "capture/sample", "detector/sample", "classifier/1", "sink",
        "recorder", "fusion",
    } <= set(trace.processes.values())  # fmt: skip
    threads = {
        (trace.processes[event["pid"]], event["args"]["name"])
        for event in trace.events
        if event["name"] == "thread_name"
    }
    assert {
        ("capture/sample", "reader"), ("hub", "work-queue"), ("recorder", "fsync"),
        ("detector/sample", "MainThread"),
    } <= threads  # fmt: skip


def test_spans_have_times_that_are_possible(trace: Trace) -> None:
    for event in trace.spans:
        assert event["dur"] >= 0
        assert event["tdur"] >= 0
        assert event["tts"] >= 0
        assert event["ts"] >= 0
        assert event["pid"] in trace.processes
    by_thread: dict[int, list[Event]] = defaultdict(list)
    for event in trace.spans:
        by_thread[event["tid"]].append(event)
    for spans in by_thread.values():
        open_until: list[float] = []
        for event in sorted(spans, key=lambda one: (one["ts"], -one["dur"])):
            end = event["ts"] + event["dur"]
            while open_until and open_until[-1] <= event["ts"]:
                open_until.pop()
            assert not open_until or end <= open_until[-1] + 0.01, "spans stand inside each other"
            open_until.append(end)


def test_every_frame_is_followed_from_the_film_to_the_table(trace: Trace) -> None:
    frames = trace.frames()
    assert sorted(frames)[:FRAMES] == list(range(FRAMES))
    with_face = 0
    for seq in range(FRAMES):
        spans = frames[seq]
        way = [spans[step]["ts"] for step in WAY if step in spans]
        assert way == sorted(way), f"frame {seq}"
        with_face += len(way) == len(WAY)
        assert ("detector/sample", "send Emotion") in spans
        assert ("recorder", "write Frame") in spans
    assert with_face >= 0.95 * FRAMES


def test_arrows_connect_the_processes_of_every_frame(trace: Trace) -> None:
    arrows: dict[str, list[Event]] = defaultdict(list)
    for event in trace.events:
        if event["ph"] in "stf":
            arrows[event["id"]].append(event)
    assert len(arrows) == FRAMES
    for of_frame in arrows.values():
        of_frame.sort(key=lambda one: one["ts"])
        assert [one["ph"] for one in of_frame].count("s") == 1
        assert (of_frame[0]["ph"], of_frame[-1]["ph"]) == ("s", "f")
        kinds = {trace.processes[one["pid"]].split("/")[0] for one in of_frame}
        assert kinds == {"capture", "hub", "detector", "classifier", "sink"}


def test_waits_collections_and_disks_are_seen(trace: Trace) -> None:
    found = {trace.name(event) for event in trace.spans}
    for process in set(trace.processes.values()):
        assert (process, "poll") in found
    assert {"gc 0"} <= {name for _, name in found}
    assert {("sink", "checkpoint"), ("recorder", "flush")} <= found


def test_a_live_run_names_its_slowest_frames(tmp_path: Path) -> None:
    path = tmp_path / "trace.json.gz"
    done = up(
        "--out", str(tmp_path / "out"), "--delivery", "live", "--pace", "realtime",
        "--trace", str(path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    slow = find_slow_frames(lambda: read_events(path), count=10)
    assert len(slow.frames) == 10
    # Some may have been skipped because the machine was busy
    assert {step.name for frame in slow.frames for step in frame.steps} >= {"track", "classify"}
    for frame in slow.frames:
        assert sum(step.wall_us for step in frame.steps) == pytest.approx(frame.latency_us)
        assert f"sample frame {frame.seq}," in done.stdout


def test_json_output_stays_as_it_is(tmp_path: Path) -> None:
    done = up("--out", str(tmp_path / "out"), "--json", "--trace", str(tmp_path / "t.json"))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["frames"] == FRAMES
    assert (tmp_path / "t.json").exists()


def test_an_interrupted_run_has_a_trace_with_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with Pipeline(
        tmp_path / "out", "--source", "sample", "--delivery", "live", "--pace", "realtime",
        "--trace", str(path), prefixes=("emotion/",),
    ) as pipeline:  # fmt: skip
        pipeline.wait_for_frame(20)
        killed = pipeline.kill("classifier", signal.SIGKILL)
        pipeline.wait_for_frame(50)
        assert pipeline.interrupt() == EXIT_INTERRUPTED
    trace = Trace(path)
    of_killed = [event for event in trace.spans if event["pid"] == killed]
    assert trace.processes[killed] == "classifier/1"
    assert "classify" in {event["name"] for event in of_killed}
    assert list(trace.processes.values()).count("classifier/1") == 2, "it was replaced"
    assert {one.name for one in tmp_path.iterdir() if one.is_dir()} == {"out"}


def test_a_trace_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    done = up("--out", str(tmp_path / "out"), "--trace", str(tmp_path / "missing" / "t.json"))
    assert done.returncode == 1
    assert "--trace" in done.stderr
    assert not list(tmp_path.iterdir())
