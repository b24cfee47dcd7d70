"""The trace of a run: one valid file from the parts of its processes, whatever happened to them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.runtime.tracing import TRACE, PartSpan
from affectline.services.supervisor.trace_file import TraceFile, events_of, read_events

START = 5_000_000_000
"""When the run began, in ns of the monotonic clock."""


def span(name: str, at_us: int, wall_us: int, seq: int | None = None, **more: Any) -> PartSpan:
    about: dict[str, Any] = {} if seq is None else {"stream": "drive", "epoch": 9, "seq": seq}
    began, wall = START + 1000 * at_us, 1000 * wall_us
    return PartSpan(name, began, wall, 7000, wall // 2, 41, **about, **more)


def write_part(folder: Path, pid: int, name: str, *batches: list[PartSpan]) -> Path:
    part = folder / f"{pid}.jsonl"
    lines: list[Any] = [{"pid": pid, "name": name}, {"threads": {"41": "MainThread"}}, *batches]
    part.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return part


def trace(path: Path, *parts: tuple[int, str, list[PartSpan]]) -> dict[str, Any]:
    """Write a trace from parts of other processes; returns the whole file."""
    with TraceFile(path) as file:
        for pid, name, spans in parts:
            write_part(file.folder, pid, name, spans)
    data = path.read_bytes()
    content: dict[str, Any] = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    return content


def test_a_span_becomes_an_event_with_wall_and_cpu_time(tmp_path: Path) -> None:
    part = write_part(tmp_path, 12, "classifier/1", [span("classify", 250, 80, seq=3, amount=2)])
    process, thread, event = events_of(part, START)
    assert process == {
        "name": "process_name", "ph": "M", "pid": 12, "tid": 12, "args": {"name": "classifier/1"},
    }  # fmt: skip
    assert (thread["name"], thread["tid"], thread["args"]) == (
        "thread_name", 41, {"name": "MainThread"},
    )  # fmt: skip
    assert event == {
        "name": "classify", "cat": "classifier", "ph": "X", "pid": 12, "tid": 41,
        "ts": 250.0, "dur": 80.0, "tts": 7.0, "tdur": 40.0,
        "args": {"stream": "drive", "epoch": 9, "seq": 3, "count": 2},
    }  # fmt: skip


def test_waits_and_collections_have_categories_of_their_own(tmp_path: Path) -> None:
    names = ("poll", "wait for room", "gc 2", "track")
    part = write_part(tmp_path, 12, "detector/drive", [span(name, 0, 5) for name in names])
    spans = [event for event in events_of(part, START) if event["ph"] == "X"]
    assert [event["cat"] for event in spans] == ["wait", "wait", "gc", "detector"]


def test_the_use_of_cores_becomes_a_counter(tmp_path: Path) -> None:
    part = tmp_path / "12.jsonl"
    use = [START + 1_000_000, START + 3_000_000, 1.5, 0.25]
    part.write_text(
        json.dumps({"pid": 12, "name": "supervisor"}) + "\n" + json.dumps({"cores": use})
    )
    _, counter = events_of(part, START)
    assert counter == {
        "name": "cores", "ph": "C", "pid": 12, "tid": 12, "ts": 1000.0, "dur": 2000.0,
        "args": {"busy": 1.5, "stolen": 0.25},
    }  # fmt: skip


def test_the_file_is_one_object_and_arrows_follow_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    content = trace(
        path,
        (11, "capture/drive", [span("encode", 0, 500, 3), span("send Frame", 600, 50, 3)]),
        (12, "hub", [span("forward frame/drive", 700, 20, 3), span("forward kept/sink", 0, 9)]),
        (13, "detector/drive", [span("handle Frame", 800, 4000, 3), span("track", 900, 200, 3)]),
        (14, "sink", [span("write", 9000, 30, 3)]),
        (15, "fusion", [span("handle Emotion", 9000, 30, 3)]),
    )
    events = content["traceEvents"]
    assert content["displayTimeUnit"] == "ms"
    assert list(read_events(path)) == events, "one event is one line"
    arrows = [event for event in events if event["ph"] in "stf"]
    assert [(one["pid"], one["ph"]) for one in arrows] == [
        (11, "s"), (12, "t"), (13, "t"), (14, "f"),
    ]  # fmt: skip
    assert {one["id"] for one in arrows} == {"drive/9/3"}
    for arrow in arrows:  # it begins and ends inside the span that it belongs to
        assert any(
            event["ph"] == "X" and event["pid"] == arrow["pid"]
            and event["ts"] <= arrow["ts"] <= event["ts"] + event["dur"]
            for event in events
        )  # fmt: skip
    assert [one.get("bp") for one in arrows] == [None, None, None, "e"]


def test_the_launcher_has_a_part_and_no_part_is_left(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with TraceFile(path), TRACE.span("check"):
        pass
    assert "check" in {event["name"] for event in read_events(path)}
    assert list(tmp_path.iterdir()) == [path]
    assert not TRACE.on


def test_a_compressed_file_has_the_same_events(tmp_path: Path) -> None:
    path = tmp_path / "trace.json.gz"
    content = trace(path, (11, "sink", [span("write", 0, 30, 3)]))
    assert list(read_events(path)) == content["traceEvents"]


def test_a_killed_process_loses_only_its_unfinished_line(tmp_path: Path) -> None:
    part = write_part(tmp_path, 12, "sink", [span("write", 0, 5, 1)], [span("write", 9, 5, 2)])
    part.write_bytes(part.read_bytes()[:-9])
    assert [e["args"]["seq"] for e in events_of(part, START) if e["ph"] == "X"] == [1]


def test_a_process_killed_before_its_first_line_adds_nothing(tmp_path: Path) -> None:
    part = tmp_path / "12.jsonl"
    part.write_bytes(b'{"pid":')
    assert not list(events_of(part, START))


def test_a_failed_run_leaves_its_trace_and_its_own_error(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"

    def fail() -> None:
        with TraceFile(path) as file:
            write_part(file.folder, 11, "sink", [span("write", 0, 30, 3)])
            raise AffectlineError("camera 0 is gone", "")

    with pytest.raises(AffectlineError, match="camera"):
        fail()
    assert "write" in {event["name"] for event in read_events(path)}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_an_older_trace_is_replaced_and_nothing_else(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    trace(path)
    assert trace(path, (11, "sink", [span("write", 0, 30, 3)]))["traceEvents"]
    path.write_bytes(b"a film")
    with pytest.raises(AffectlineError, match="is there already, and is not a trace"):
        trace(path)
    assert path.read_bytes() == b"a film"
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_never_starts_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="port"), TraceFile(tmp_path / "trace.json"):
        raise AffectlineError("cannot listen on port 5555", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["missing/trace.json", "folder"])
def test_a_file_that_cannot_be_written_is_an_error_before_the_run(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(AffectlineError, match="--trace") as refused:
        TraceFile(tmp_path / name).__enter__()
    assert str(tmp_path / name) in str(refused.value)
    assert refused.value.fix
    assert not TRACE.on


def test_a_file_that_cannot_be_written_in_the_end_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with pytest.raises(AffectlineError, match="--trace"), TraceFile(path):
        path.mkdir()
    assert list(tmp_path.iterdir()) == [path]
