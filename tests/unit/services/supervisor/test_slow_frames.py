"""Where slow frames spent their time, by a small trace."""

import math
from collections.abc import Iterable
from typing import Any

import pytest

from affectline.services.supervisor.slow_frames import (
    SETTLING_US,
    FrameStep,
    FrameTrace,
    find_slow_frames,
    slow_frame_lines,
)

PIDS = {"capture/drive": 1, "hub": 2, "detector/drive": 3, "classifier/1": 4, "sink": 5}
LATER = SETTLING_US + 5000
"""When frame 1 is received, in µs: after the first second."""

Event = dict[str, Any]


def name_processes() -> list[Event]:
    return [
        {"name": "process_name", "ph": "M", "pid": pid, "tid": pid, "args": {"name": name}}
        for name, pid in PIDS.items()
    ]


def span(
    process: str, name: str, at: float, wall: float, cpu: float, seq: int | None = None,
    thread: int = 0, **more: int,
) -> Event:  # fmt: skip
    """An event; times in µs after the reception of frame 1."""
    args = {} if seq is None else {"stream": "drive", "epoch": 9, "seq": seq}
    pid = PIDS[process]
    return {
        "name": name, "cat": "", "ph": "X", "ts": LATER + at, "dur": wall, "tts": 0.0, "tdur": cpu,
        "pid": pid, "tid": thread or pid, "args": args | more,
    }  # fmt: skip


def first_frame() -> list[Event]:
    """A frame at the beginning of the stream, which does not count."""
    return [
        span("capture/drive", "encode", -SETTLING_US - 4000, 900, 900, 0),
        span("detector/drive", "send Emotion", -4000, 50, 50, 0),
    ]


def slow_frame() -> list[Event]:
    """A frame of 30 ms: 3 encoding, 12 waiting for the detector, 11 there, 4 without traces."""
    return [
        span("capture/drive", "encode", 0, 3000, 3000, 1, thread=11),
        span("hub", "poll", -500, 3600, 0),
        span("hub", "forward frame/drive", 3100, 400, 100, 1),
        span("detector/drive", "handle Frame", -9000, 23_500, 9000, 0),
        span("detector/drive", "gc 2", -8000, 22_000, 8000),
        span("detector/drive", "poll", 14_600, 300, 0),
        span("detector/drive", "handle Frame", 15_000, 11_000, 6000, 1),
        span("detector/drive", "track", 15_500, 10_000, 5500, 1),
        span("detector/drive", "scan steady", 16_000, 8000, 4000),
        span("classifier/1", "classify", 15_500, 10_000, 4500, 0),
        span("detector/drive", "send Emotion", 30_000, 60, 60, 1),
        span("sink", "write", 40_000, 60, 60, 1),
    ]


def find(*groups: Iterable[Event], count: int = 10) -> tuple[FrameTrace, ...]:
    events = [*name_processes(), *(event for group in groups for event in group)]
    return find_slow_frames(lambda: iter(events), count).frames


def of(step: FrameStep) -> tuple[str, str, float, float]:
    return step.process, step.name, round(step.wall_us), round(step.cpu_us)


def test_a_frame_is_divided_into_work_and_waits_that_add_up() -> None:
    (frame,) = find(first_frame(), slow_frame())
    assert (frame.stream, frame.epoch, frame.seq) == ("drive", 9, 1)
    assert frame.latency_us == 30_000
    assert sum(step.wall_us for step in frame.steps) == pytest.approx(30_000)
    assert [of(step) for step in frame.steps] == [
        ("capture/drive", "encode", 3000, 3000),
        ("hub", "", 100, 0),
        ("hub", "forward frame/drive", 400, 100),
        ("detector/drive", "", 11_500, 0),
        ("detector/drive", "handle Frame", 500, 250),
        ("detector/drive", "track", 500, 375),
        ("detector/drive", "scan steady", 8000, 4000),
        ("detector/drive", "track", 1500, 1125),
        ("detector/drive", "handle Frame", 500, 250),
        ("detector/drive", "", 4000, 0),
    ]


def test_during_a_wait_it_is_said_what_the_thread_did() -> None:
    (frame,) = find(first_frame(), slow_frame())
    wait = frame.steps[3]
    assert [(one.name, round(one.wall_us)) for one in wait.meanwhile] == [
        ("gc 2", 10_500), ("handle Frame", 500), ("poll", 300),
    ]  # fmt: skip
    assert wait.meanwhile[0].cpu_us == pytest.approx(8000 * 10_500 / 22_000)
    assert [(one.name, one.wall_us) for one in frame.steps[-1].meanwhile] == [("untraced", 4000)]


def test_what_ran_beside_a_frame_is_added_up_without_waits() -> None:
    (frame,) = find(first_frame(), slow_frame())
    assert [(one.process, one.name, round(one.cpu_us)) for one in frame.others] == [
        ("detector/drive", "gc 2", 5091), ("classifier/1", "classify", 4500),
        ("detector/drive", "handle Frame", 333),
    ]  # fmt: skip


def frame_of(seq: int, latency: float) -> list[Event]:
    return [
        span("capture/drive", "encode", 100_000 * seq, 10, 10, seq),
        span("detector/drive", "send Emotion", 100_000 * seq + latency, 10, 10, seq),
    ]


def test_the_slowest_come_first_and_are_compared_with_all() -> None:
    events = [*name_processes(), *first_frame()]
    for seq in range(1, 101):
        events += frame_of(seq, 1000 * seq)
    slow = find_slow_frames(lambda: iter(events), count=3)
    assert [frame.seq for frame in slow.frames] == [100, 99, 98]
    assert (slow.total, slow.p50_us, slow.p99_us, slow.largest_us) == (
        100, 51_000, 100_000, 100_000,
    )  # fmt: skip


def test_a_film_waits_for_its_time_not_for_us() -> None:
    due = span("capture/drive", "wait until due", -20_000, 21_500, 10, 1, count=20_000)
    (frame,) = find(first_frame(), [due], slow_frame())
    assert frame.latency_us == 30_000
    late = span("capture/drive", "wait until due", -100, 10, 10, 1, count=-3000)
    (frame,) = find(first_frame(), [late], slow_frame())
    assert frame.latency_us == 33_100, "it was read when it should have been there already"


def test_frames_of_the_first_second_and_without_a_result_do_not_count() -> None:
    unfinished = [span("capture/drive", "encode", 0, 10, 10, 1)]
    slow = find_slow_frames(lambda: iter([*name_processes(), *first_frame(), *unfinished]))
    assert (slow.frames, slow.total) == ((), 0)
    assert math.isnan(slow.p50_us)
    assert slow_frame_lines(slow) == ["The trace has no frame with a result."]


@pytest.mark.parametrize(("length_us", "left_out"), [(800_000, 25), (10_000_000, 10)])
def test_of_a_short_film_the_first_quarter_is_left_out(length_us: float, left_out: int) -> None:
    events = name_processes()
    for seq in range(101):
        begin = seq * length_us / 100
        events += [
            span("capture/drive", "encode", begin, 10, 10, seq),
            span("detector/drive", "send Emotion", begin + 5000, 10, 10, seq),
        ]
    slow = find_slow_frames(lambda: iter(events), count=101)
    assert sorted(frame.seq for frame in slow.frames) == list(range(left_out, 101))


def test_the_text_names_what_took_long() -> None:
    events = [*name_processes(), *first_frame(), *slow_frame()]
    lines = slow_frame_lines(find_slow_frames(lambda: iter(events)))
    assert "p50 30.0" in lines[0]
    assert "30.0 ms  drive frame 1" in lines[1]
    text = "\n".join(lines)
    assert "8.0  detector/drive scan steady (CPU 4.0)" in text
    assert "11.5  wait for detector/drive, which did: gc 2 10.5 (CPU 3.8), handle Frame 0.5" in text
    assert "classifier/1 classify 4.5" in lines[-1]


def test_other_programs_are_seen_in_the_use_of_cores() -> None:
    def cores(at: float, busy: float, stolen: float) -> Event:
        place = {"pid": 1, "tid": 1, "ts": LATER + at, "dur": 20_000.0}
        return {"name": "cores", "ph": "C", "args": {"busy": busy, "stolen": stolen}, **place}

    figures = [cores(-25_000, 0.1, 0.0), cores(-5000, 1.5, 0.0), cores(15_000, 1.9, 0.2)]
    events = [*name_processes(), *first_frame(), *slow_frame(), *figures]
    slow = find_slow_frames(lambda: iter(events))
    assert slow.frames[0].cores == pytest.approx((1.7, 0.1))
    assert slow_frame_lines(slow)[-1].endswith(
        "; all programs kept 1.7 cores busy, 0.1 taken by its host"
    )
