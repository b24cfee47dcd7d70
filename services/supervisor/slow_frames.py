"""Where the slowest frames of a trace spent their time.

The input are the events of a trace, as `affectline.services.supervisor.trace_file.read_events`
gives them; nothing else is read. A frame's time runs from its reception, when it is due or capture
begins to encode it, to the publication of its result. It is divided among the spans that worked on
it and the waits between them; for a wait, the thread that continued with the frame is named, with
what it did meanwhile.
"""

import bisect
import heapq
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any, Final, NamedTuple

Event = dict[str, Any]
Key = tuple[str, int, int]
"""Stream, epoch and number of a frame."""

PATH: Final = ("capture", "hub", "detector", "classifier")
"""The kinds of process that a frame's result depends on."""
RECEIVED: Final = ("encode", "send Frame")
"""Spans of capture whose beginning is a frame's reception."""
DUE: Final = "wait until due"
"""Span of capture in which a frame of a film waits for its time; ``count``: for how many µs."""
PUBLISHED: Final = "send Emotion"
"""Span of the detector that publishes a frame's result."""
SETTLING_US: Final = 1e6
"""The first frames of a stream are left out: everything runs for the first time."""
SETTLING_SHARE: Final = 0.25
"""A film of a few seconds can be read in less than one: at most this share of the time from a
stream's first frame to its last is left out."""
IDLE: Final = ("poll", "wait")
"""How the names of spans begin in which a thread waits for something to do."""
UNTRACED: Final = "untraced"
"""Work of a traced thread outside all of its spans."""
LEAST_SHOWN_US: Final = 500.0
LEAST_STOLEN: Final = 0.05
"""Cores taken by the host that are worth a word."""


class Work(NamedTuple):
    """What a thread did, added up."""

    process: str
    name: str
    wall_us: float
    cpu_us: float
    """How long it ran in the meantime; the rest of the wall time it waited or was not scheduled."""


class FrameStep(NamedTuple):
    """A part of a frame's time: work on it, or a wait for the thread that continued with it."""

    process: str
    """Where the work was done, or waited for."""
    name: str
    """Of the span; empty: a wait."""
    began_us: float
    wall_us: float
    cpu_us: float
    """0 for a wait."""
    meanwhile: tuple[Work, ...] = ()
    """During a wait: what the thread did that continued with the frame, the longest first."""


class FrameTrace(NamedTuple):
    """A frame, from its reception to the publication of its result."""

    stream: str
    epoch: int
    seq: int
    began_us: float
    """Since the beginning of the trace."""
    latency_us: float
    steps: tuple[FrameStep, ...]
    """In order; their wall times add up to the latency."""
    others: tuple[Work, ...]
    """Everything else that ran at the same time, in any process of the run, by CPU time."""
    cores: tuple[float, float] | None = None
    """Cores of the machine that were busy with any program, and that its host took; None: unknown.
    They were measured over a longer time, of a quarter of a second."""


class SlowFrames(NamedTuple):
    """The slowest frames of a trace, and how they compare with the others."""

    frames: tuple[FrameTrace, ...]
    """The slowest first."""
    total: int
    """How many frames were compared."""
    p50_us: float
    p99_us: float
    largest_us: float


class _Span(NamedTuple):
    began: float
    ended: float
    process: str
    thread: tuple[int, int]
    name: str
    cpu: float
    key: Key | None


class _Cores(NamedTuple):
    began: float
    ended: float
    busy: float
    stolen: float


class _Piece(NamedTuple):
    """A stretch of a thread in which one span was the innermost."""

    began: float
    ended: float
    span: _Span
    cpu: float


def find_slow_frames(read: Callable[[], Iterable[Event]], count: int = 10) -> SlowFrames:
    """Find the slowest frames, and what they waited for.

    Args:
        read: Returns the events of the trace from the beginning; it is called twice, so that a long
            trace need not be in memory.
        count: How many frames to describe.
    """
    names, times = _find_times(read())
    latencies = {key: end - begin for key, (begin, end) in times.items()}
    slowest = heapq.nlargest(count, latencies, key=lambda key: (latencies[key], key))
    windows = {key: times[key] for key in slowest}
    spans, cores = _collect(read(), names, sorted(windows.values()))
    ordered = sorted(latencies.values())
    frames = tuple(_describe(key, *windows[key], spans, cores) for key in slowest)
    return SlowFrames(
        frames,
        len(ordered),
        _quantile(ordered, 0.5),
        _quantile(ordered, 0.99),
        ordered[-1] if ordered else math.nan,
    )


def _quantile(ordered: Sequence[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else math.nan


def _key(event: Event) -> Key | None:
    args = event["args"]
    return (args["stream"], args["epoch"], args["seq"]) if "seq" in args else None


def _find_times(
    events: Iterable[Event],
) -> tuple[dict[int, str], dict[Key, tuple[float, float]]]:
    """The names of all processes, and the time in which each frame was handled."""
    names: dict[int, str] = {}
    received: dict[Key, float] = {}
    published: dict[Key, float] = {}
    for event in events:
        if event["ph"] == "M" and event["name"] == "process_name":
            names[event["pid"]] = event["args"]["name"]
        if event["ph"] != "X" or event["name"] not in (*RECEIVED, DUE, PUBLISHED):
            continue
        key = _key(event)
        if key is not None:
            found = published if event["name"] == PUBLISHED else received
            at = event["ts"] + (event["args"].get("count", 0) if event["name"] == DUE else 0)
            found[key] = min(at, found.get(key, math.inf))
    by_stream: dict[str, list[float]] = defaultdict(list)
    for (stream, _, _), begin in received.items():
        by_stream[stream].append(begin)
    settled = {stream: _settled(min(times), max(times)) for stream, times in by_stream.items()}
    return names, {
        key: (begin, published[key])
        for key, begin in received.items()
        if key in published and begin >= settled[key[0]]
    }


def _settled(first: float, last: float) -> float:
    """From when on the frames of a stream count, which was received between two times."""
    return first + min(SETTLING_US, SETTLING_SHARE * (last - first))


def _collect(
    events: Iterable[Event], names: dict[int, str], windows: Sequence[tuple[float, float]]
) -> tuple[list[_Span], list[_Cores]]:
    """All spans and figures about cores that overlap or touch a window; windows are in order."""
    joined: list[tuple[float, float]] = []
    for since, until in windows:
        if joined and since <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(until, joined[-1][1])
        else:
            joined.append((since, until))
    ends = [until for _, until in joined]
    spans, cores = [], []
    for event in events:
        if event["ph"] not in "XC":
            continue
        begin, end = event["ts"], event["ts"] + event["dur"]
        following = bisect.bisect_left(ends, begin)
        if following == len(joined) or joined[following][0] > end:
            continue
        if event["ph"] == "C":
            cores.append(_Cores(begin, end, event["args"]["busy"], event["args"]["stolen"]))
            continue
        pid = event["pid"]
        spans.append(
            _Span(
                begin, end, names.get(pid, str(pid)), (pid, event["tid"]), event["name"],
                event["tdur"], _key(event),
            )
        )  # fmt: skip
    return spans, cores


def _describe(
    key: Key, begin: float, end: float, spans: Iterable[_Span], cores: Iterable[_Cores]
) -> FrameTrace:
    threads: dict[tuple[int, int], list[_Span]] = defaultdict(list)
    for span in spans:
        if span.began <= end and span.ended > begin:
            threads[span.thread].append(span)
    own: list[_Piece] = []
    others: list[_Piece] = []
    timelines = {thread: _innermost(of_thread) for thread, of_thread in threads.items()}
    for thread, pieces in timelines.items():
        parents = [s for s in threads[thread] if s.key == key and _is_on_path(s)]
        for piece in pieces:
            is_own = any(p.began <= piece.began and piece.ended <= p.ended for p in parents)
            (own if is_own else others).append(piece)
    steps = _divide(begin, end, own, timelines)
    running = [piece for piece in others if not piece.span.name.startswith(IDLE)]
    beside = tuple(_add_up(running, begin, end, by_cpu=True))
    use = [one for one in cores if one.began < end and one.ended > begin]
    means = (fmean(one.busy for one in use), fmean(one.stolen for one in use)) if use else None
    return FrameTrace(*key, begin, end - begin, tuple(steps), beside, means)


def _is_on_path(span: _Span) -> bool:
    return span.process.split("/")[0] in PATH


def _innermost(spans: Iterable[_Span]) -> list[_Piece]:
    """Cut the time of one thread into stretches, each with its innermost span.

    A span's CPU time without that of the spans inside it is spread evenly over its stretches.
    """
    stretches: list[tuple[float, float, _Span]] = []
    inside: dict[_Span, float] = defaultdict(float)
    """CPU time of the spans directly inside."""
    open_spans: list[_Span] = []
    at = -math.inf

    def close_until(time: float) -> None:
        nonlocal at
        while open_spans and open_spans[-1].ended <= time:
            top = open_spans.pop()
            if top.ended > at:
                stretches.append((at, top.ended, top))
                at = top.ended

    for span in sorted(spans, key=lambda one: (one.began, -one.ended)):
        close_until(span.began)
        if open_spans:
            inside[open_spans[-1]] += span.cpu
            if span.began > at:
                stretches.append((at, span.began, open_spans[-1]))
        at = span.began
        open_spans.append(span)
    close_until(math.inf)
    walls: dict[_Span, float] = defaultdict(float)
    for begin, end, span in stretches:
        walls[span] += end - begin
    return [
        _Piece(begin, end, span, max(0.0, span.cpu - inside[span]) * (end - begin) / walls[span])
        for begin, end, span in stretches
    ]


def _divide(
    begin: float,
    end: float,
    own: Iterable[_Piece],
    timelines: dict[tuple[int, int], list[_Piece]],
) -> list[FrameStep]:
    """Divide a frame's time among the stretches that worked on it and the waits between them.

    Where two of them overlap, the later one counts: it is further on the frame's way.
    """
    # The span that publishes the result begins at the end
    pieces = sorted((p for p in own if p.ended > begin and p.began <= end), key=lambda p: p.began)
    steps: list[FrameStep] = []
    at = begin
    for piece, following in itertools.zip_longest(pieces, pieces[1:]):
        until = min(piece.ended, end, following.began if following else math.inf)
        since = max(min(piece.began, end), at)
        if since > at:
            steps.append(_wait(at, since, piece, timelines))
        if until > since:
            share = (until - since) / (piece.ended - piece.began)
            steps.append(
                FrameStep(
                    piece.span.process, piece.span.name, since, until - since, piece.cpu * share
                )
            )
        at = max(at, until)
    if end > at:
        steps.append(FrameStep("", "", at, end - at, 0.0))
    return _joined(steps)


def _wait(
    begin: float, end: float, piece: _Piece, timelines: dict[tuple[int, int], list[_Piece]]
) -> FrameStep:
    meanwhile = _add_up(timelines[piece.span.thread], begin, end, by_cpu=False)
    untraced = end - begin - sum(work.wall_us for work in meanwhile)
    if untraced > LEAST_SHOWN_US:
        meanwhile.append(Work(piece.span.process, UNTRACED, untraced, 0.0))
    return FrameStep(piece.span.process, "", begin, end - begin, 0.0, tuple(meanwhile))


def _joined(steps: Iterable[FrameStep]) -> list[FrameStep]:
    """Join neighbouring steps of one span, which others inside it had divided."""
    joined: list[FrameStep] = []
    for step in steps:
        last = joined[-1] if joined else None
        if last and step.name and (last.process, last.name) == (step.process, step.name):
            joined[-1] = last._replace(
                wall_us=last.wall_us + step.wall_us, cpu_us=last.cpu_us + step.cpu_us
            )
        else:
            joined.append(step)
    return joined


def _add_up(pieces: Iterable[_Piece], begin: float, end: float, *, by_cpu: bool) -> list[Work]:
    """What was done between two times, by process and name, the longest first."""
    walls: dict[tuple[str, str], float] = defaultdict(float)
    cpus: dict[tuple[str, str], float] = defaultdict(float)
    for piece in pieces:
        overlap = min(piece.ended, end) - max(piece.began, begin)
        if overlap > 0:
            walls[piece.span.process, piece.span.name] += overlap
            cpus[piece.span.process, piece.span.name] += (
                piece.cpu * overlap / (piece.ended - piece.began)
            )
    works = [Work(*what, wall, cpus[what]) for what, wall in walls.items()]
    return sorted(works, key=lambda one: -(one.cpu_us if by_cpu else one.wall_us))


def slow_frame_lines(slow: SlowFrames) -> list[str]:
    """The slowest frames as text, a few lines for each."""
    if not slow.frames:
        return ["The trace has no frame with a result."]
    lines = [
        f"The {len(slow.frames)} slowest of {slow.total} frames after the beginning of each "
        f"stream, reception to result (p50 {_ms(slow.p50_us)}, p99 {_ms(slow.p99_us)}, largest "
        f"{_ms(slow.largest_us)} ms):"
    ]
    for frame in slow.frames:
        at = f"{frame.began_us / 1e6:.2f} s after the start"
        lines.append(f"{_ms(frame.latency_us):>7} ms  {frame.stream} frame {frame.seq}, {at}")
        lines += [f"            {_text_of(s)}" for s in frame.steps if s.wall_us >= LEAST_SHOWN_US]
        others = [f"{w.process} {w.name} {_ms(w.cpu_us)}" for w in frame.others[:5]]
        total = sum(work.cpu_us for work in frame.others)
        cores = _text_of_cores(*frame.cores) if frame.cores else ""
        lines.append(
            f"            beside it, {_ms(total)} ms of CPU time: {', '.join(others) or '-'}{cores}"
        )
    return lines


def _text_of(step: FrameStep) -> str:
    if step.name:
        return f"{_ms(step.wall_us):>6}  {step.process} {step.name} (CPU {_ms(step.cpu_us)})"
    doing = ", ".join(
        f"{w.name} {_ms(w.wall_us)}"
        + ("" if w.name.startswith(IDLE) else f" (CPU {_ms(w.cpu_us)})")
        for w in step.meanwhile[:4]
        if w.wall_us >= 100
    )
    return f"{_ms(step.wall_us):>6}  wait for {step.process}, which did: {doing or '-'}"


def _text_of_cores(busy: float, stolen: float) -> str:
    taken = f", {stolen:.1f} taken by its host" if stolen >= LEAST_STOLEN else ""
    return f"; all programs kept {busy:.1f} cores busy{taken}"


def _ms(us: float) -> str:
    return f"{us / 1000:.1f}"
