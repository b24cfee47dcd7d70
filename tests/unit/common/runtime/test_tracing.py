"""Spans of a process: recorded when asked, written in the background, and free otherwise."""

import gc
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from affectline.common.runtime import tracing
from affectline.common.runtime.stage import StageContext
from affectline.common.runtime.tracing import NO_SPAN, TRACE, CoreUse, PartSpan, Tracer
from affectline.common.wire import codec
from affectline.common.wire.health import Health
from tests.samples import FRAME, PACKETS


@pytest.fixture
def tracer(tmp_path: Path) -> Iterator[Tracer]:
    made = Tracer()
    made.start(tmp_path, "detector/drive")
    yield made
    made.stop()


def read_part(folder: Path) -> list[Any]:
    """The lines of this process's part file."""
    (part,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in part.read_text().splitlines()]


def read_spans(folder: Path) -> list[PartSpan]:
    batches = [line for line in read_part(folder) if isinstance(line, list)]
    return [PartSpan(*fields) for batch in batches for fields in batch]


def span_named(folder: Path, name: str) -> PartSpan:
    (found,) = [one for one in read_spans(folder) if one.name == name]
    return found


def test_an_idle_tracer_makes_no_objects_and_no_thread() -> None:
    assert not TRACE.on, "tests run without a trace"
    context, threads = StageContext("detector/drive"), threading.active_count()
    for span in (TRACE.span("track", FRAME, "steady", 1), context.span("track", FRAME)):
        assert span is NO_SPAN
        with span as entered:
            entered.describe(FRAME, "Frame", 3)
            entered.drop()
    assert not vars(TRACE)["_waiting"]
    assert not hasattr(NO_SPAN, "_about")
    assert threading.active_count() == threads


def test_spans_have_wall_and_cpu_time_and_stand_inside_each_other(
    tracer: Tracer, tmp_path: Path
) -> None:
    with tracer.span("track", FRAME), tracer.span("scan", kind="steady", count=4):
        sum(range(10_000))
    threading.Event().wait(0)
    with tracer.span("poll"):
        threading.Event().wait(0.02)
    tracer.stop()
    assert read_part(tmp_path)[0] == {"pid": os.getpid(), "name": "detector/drive"}
    outer, inner = span_named(tmp_path, "track"), span_named(tmp_path, "scan steady")
    assert outer.began <= inner.began
    assert inner.began + inner.wall <= outer.began + outer.wall
    assert 0 < inner.cpu <= outer.cpu
    assert (outer.stream, outer.epoch, outer.seq) == (FRAME.stream, FRAME.epoch, FRAME.seq)
    assert (inner.stream, inner.seq, inner.amount) == (None, None, 4)
    waited = span_named(tmp_path, "poll")
    assert waited.wall >= 20_000_000 > 2 * waited.cpu, "it waited, and did not run"


@pytest.mark.parametrize(
    "about",
    [
        FRAME,
        (FRAME.stream, FRAME.epoch, FRAME.seq),
        bytes(codec.encode(PACKETS["Frame"])[1]),
    ],
)
def test_a_frame_is_named_by_a_message_a_header_or_its_numbers(
    tracer: Tracer, tmp_path: Path, about: object
) -> None:
    with tracer.span("send", about, "Frame"):
        pass
    tracer.stop()
    span = span_named(tmp_path, "send Frame")
    wanted = PACKETS["Frame"].message if isinstance(about, bytes) else FRAME
    assert (span.stream, span.epoch, span.seq) == tuple(
        getattr(wanted, name) for name in ("stream", "epoch", "seq")
    )


def test_messages_about_no_frame_and_headers_that_are_none_name_none(
    tracer: Tracer, tmp_path: Path
) -> None:
    with tracer.span("send", Health.example()), tracer.span("forward", b"\xc1"):
        pass
    tracer.stop()
    for name in ("send", "forward"):
        assert span_named(tmp_path, name).seq is None


def test_what_is_told_later_counts_and_what_is_dropped_does_not(
    tracer: Tracer, tmp_path: Path
) -> None:
    with tracer.span("receive") as span:
        span.describe(FRAME, "Frame", 2)
    with tracer.span("forward") as span:
        span.drop()
    tracer.stop()
    assert span_named(tmp_path, "receive Frame").seq == FRAME.seq
    assert "forward" not in {one.name for one in read_spans(tmp_path)}


def test_a_forced_garbage_collection_is_a_span(tracer: Tracer, tmp_path: Path) -> None:
    circle: list[Any] = []
    circle.append(circle)
    del circle
    gc.collect()
    tracer.stop()
    spans = [one for one in read_spans(tmp_path) if one.name == "gc 2"]
    assert spans
    assert all(one.wall > 0 and one.amount is not None for one in spans)
    assert not [one for one in gc.callbacks if getattr(one, "__self__", None) is tracer]


def test_threads_have_numbers_and_names(tracer: Tracer, tmp_path: Path) -> None:
    numbers: list[int] = []

    def work() -> None:
        numbers.append(threading.get_native_id())
        with tracer.span("read"):
            pass

    reader = threading.Thread(target=work, name="reader")
    reader.start()
    reader.join()
    tracer.stop()
    assert span_named(tmp_path, "read").thread == numbers[0]
    names: dict[str, str] = {}
    for line in read_part(tmp_path):
        names |= line.get("threads", {}) if isinstance(line, dict) else {}
    assert names[str(numbers[0])] == "reader"


def test_spans_are_written_while_the_process_runs(
    tracer: Tracer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "WRITE_S", 0.001)
    written = threading.Event()
    write = vars(Tracer)["_write"]

    def observe(self: Tracer) -> None:
        write(self)
        if any(one.name == "track" for one in read_spans(tmp_path)):
            written.set()

    monkeypatch.setattr(Tracer, "_write", observe)
    with tracer.span("track", FRAME):
        pass
    assert written.wait(10), "a killed process leaves what it did before"


def test_memory_is_bounded_if_the_disk_does_not_answer(
    tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tracer, "_write", lambda _: None)
    for number in range(tracing.MOST_WAITING + 10):
        tracer.add("read", number, 1, 0, 1)
    waiting = vars(tracer)["_waiting"]
    assert len(waiting) == tracing.MOST_WAITING
    assert waiting[-1][1] == tracing.MOST_WAITING + 9, "the oldest are dropped"


def test_a_full_disk_does_not_stop_the_process(tmp_path: Path) -> None:
    (tmp_path / f"{os.getpid()}.jsonl").symlink_to("/dev/full")
    tracer = Tracer()
    tracer.start(tmp_path, "sink")
    with tracer.span("write", FRAME) as span:
        pass
    assert span is not NO_SPAN
    tracer.stop()
    assert not tracer.on


@pytest.mark.skipif(not tracing.STAT.exists(), reason="the kernel has no such counters")
def test_the_use_of_the_machines_cores_is_measured() -> None:
    use = CoreUse()
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        pass
    since, to, busy, stolen = use.measure()
    assert to - since >= 50_000_000
    assert 0 < busy <= 1.5 * (os.cpu_count() or 1)
    assert stolen >= 0
    assert use.measure()[0] == to


@pytest.mark.skipif(not tracing.STAT.exists(), reason="the kernel has no such counters")
def test_the_launcher_writes_the_use_of_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "WRITE_S", 0.001)
    tracer, written = Tracer(), threading.Event()
    tracer.start(tmp_path, "supervisor", with_cores=True)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not written.wait(0.001):
        if any("cores" in line for line in read_part(tmp_path)):
            written.set()
    tracer.stop()
    assert written.is_set()
