"""Spans of a process's work, for ``affectline up --trace``: what ran when, and on which frame.

A process has one tracer, `TRACE`, which is off unless the launcher asks for a trace. Spans are
collected in memory and written to the process's own part file a few times a second by a thread; the
launcher merges the parts of all processes (`affectline.services.supervisor.trace_file`).

All times are those of ``CLOCK_MONOTONIC``, which all processes of a machine share. Next to its wall
time, a span has the CPU time of its thread: where that is much less, the thread waited or was not
scheduled.

A part file has JSON lines: first an object with ``pid`` and ``name``, then arrays of spans, each an
array in the order of `PartSpan`, and objects with the names of ``threads`` by number. That of the
launcher also has objects with how many ``cores`` of the machine were busy, by whatever program.
"""

import gc
import json
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns, thread_time_ns
from typing import IO, Any, Final, NamedTuple, Self

from affectline.common.wire import codec

WRITE_S: Final = 0.25
"""Interval of the writing thread: a killed process loses this much of its trace."""
MOST_WAITING: Final = 100_000
"""How many spans may wait to be written; if a disk does not accept them, the oldest are dropped."""

STAT: Final = Path("/proc/stat")
"""Linux: how long all cores have been busy; other systems have no such file."""

About = Any
"""What a span is about: a message; its header as bytes; ``(stream, epoch, seq)``; None: nothing."""
Identity = tuple[str | None, int | None, int | None]
"""Stream, epoch and number of a frame, as far as they are known."""


class PartSpan(NamedTuple):
    """A span as it stands in a part file."""

    name: str
    began: int
    """In ns of the monotonic clock."""
    wall: int
    """Duration in ns."""
    cpu_began: int
    """CPU time of its thread when it began, in ns."""
    cpu: int
    """CPU time of its thread during the span, in ns."""
    thread: int
    stream: str | None = None
    epoch: int | None = None
    seq: int | None = None
    amount: int | None = None
    """How many things, such as faces, or bytes."""


class CoreUse:
    """How many of the machine's cores are busy, from the kernel's counters."""

    def __init__(self) -> None:
        self._before = self._read()

    @staticmethod
    def _read() -> tuple[int, float, float]:
        """The time in ns, and the CPU time so far in s: that was used, and that the host took."""
        fields = [int(text) for text in STAT.read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, _, _, interrupts, soft_interrupts, stolen = fields
        per_s = os.sysconf("SC_CLK_TCK")
        busy = user + nice + system + interrupts + soft_interrupts
        return monotonic_ns(), busy / per_s, stolen / per_s

    def measure(self) -> tuple[int, int, float, float]:
        """The time since the last call, from and to, in ns, and the cores in use and stolen."""
        before, self._before = self._before, self._read()
        (since, busy, stolen), (until, busy_now, stolen_now) = before, self._before
        passed_s = max(1, until - since) / 1e9
        return (
            since,
            until,
            round((busy_now - busy) / passed_s, 2),
            round((stolen_now - stolen) / passed_s, 2),
        )


class TraceSpan:
    """A stretch of work, from the beginning of a ``with`` block to its end."""

    __slots__ = ("_about", "_began", "_count", "_cpu_began", "_kind", "_name", "_tracer")

    def __init__(
        self, tracer: "Tracer", name: str, about: About, kind: str, count: int | None
    ) -> None:
        self._tracer: Tracer | None = tracer
        self._name, self._about, self._kind, self._count = name, about, kind, count

    def describe(self, about: About = None, kind: str = "", count: int | None = None) -> None:
        """Say what the span is about once that is known: the arguments of `Tracer.span`."""
        self._about, self._kind, self._count = about, kind, count

    def drop(self) -> None:
        """Do not record it: nothing was to be done."""
        self._tracer = None

    def __enter__(self) -> Self:
        self._cpu_began = thread_time_ns()
        self._began = monotonic_ns()
        return self

    def __exit__(self, *_: object) -> None:
        if self._tracer is not None:
            wall = monotonic_ns() - self._began
            cpu = thread_time_ns() - self._cpu_began
            name = f"{self._name} {self._kind}" if self._kind else self._name
            self._tracer.add(
                name, self._began, wall, self._cpu_began, cpu, self._about, self._count
            )


class _NoSpan(TraceSpan):
    """Stands for all spans while the tracer is off."""

    def __init__(self) -> None:
        """Keep nothing."""

    def describe(self, about: About = None, kind: str = "", count: int | None = None) -> None:
        """Ignore it."""

    def drop(self) -> None:
        """There is nothing to drop."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Record nothing."""


NO_SPAN: Final = _NoSpan()


class Tracer:
    """Collects the spans of one process, and writes them in the background."""

    def __init__(self) -> None:
        self.on = False
        """Whether spans are recorded."""
        self._waiting: deque[tuple[Any, ...]] = deque(maxlen=MOST_WAITING)
        self._threads: dict[int, threading.Thread] = {}
        self._named: set[int] = set()
        """Threads whose names are in the part file."""
        self._gc_began = self._gc_cpu_began = 0
        self._file: IO[str] | None = None
        self._cores: CoreUse | None = None
        self._stopping = threading.Event()
        self._writing: threading.Thread | None = None

    def span(
        self, name: str, about: About = None, kind: str = "", count: int | None = None
    ) -> TraceSpan:
        """A span of the calling thread, for a ``with`` block.

        Args:
            name: What is done, in a word or two.
            about: The frame that it is done for; see `About`.
            kind: Follows the name: the kind of message, for example.
            count: How many things it is done with, or bytes.
        """
        return TraceSpan(self, name, about, kind, count) if self.on else NO_SPAN

    def start(self, folder: Path, name: str, *, with_cores: bool = False) -> None:
        """Begin to record.

        Args:
            folder: Where the part file is created; it must exist.
            name: Name of the process.
            with_cores: Whether to record how many cores of the machine are busy.

        Raises:
            OSError: The part file cannot be written.
        """
        self._file = (folder / f"{os.getpid()}.jsonl").open("w", encoding="utf-8")
        self._write_line({"pid": os.getpid(), "name": name})
        self._cores = CoreUse() if with_cores and STAT.exists() else None
        self._stopping.clear()
        self._writing = threading.Thread(target=self._write_repeatedly, name="trace", daemon=True)
        self._writing.start()
        gc.callbacks.append(self._on_gc)
        self.on = True

    def stop(self) -> None:
        """Write what is left, and stop recording."""
        if not self.on:
            return
        self.on = False
        gc.callbacks.remove(self._on_gc)
        self._stopping.set()
        if self._writing:
            self._writing.join()
        self._write()
        if self._file:
            self._file.close()
        self._file = self._writing = None
        self._threads.clear()
        self._named.clear()

    def add(
        self,
        name: str,
        began: int,
        wall: int,
        cpu_began: int,
        cpu: int,
        about: About = None,
        count: int | None = None,
    ) -> None:
        """Record a span of the calling thread that has just ended; see `PartSpan`."""
        thread = threading.get_ident()
        if thread not in self._threads:
            self._threads[thread] = threading.current_thread()
        self._waiting.append((name, began, wall, cpu_began, cpu, thread, about, count))

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_cpu_began, self._gc_began = thread_time_ns(), monotonic_ns()
            return
        wall, cpu = monotonic_ns() - self._gc_began, thread_time_ns() - self._gc_cpu_began
        name, count = f"gc {info['generation']}", info["collected"]
        self.add(name, self._gc_began, wall, self._gc_cpu_began, cpu, None, count)

    def _write_repeatedly(self) -> None:
        while not self._stopping.wait(WRITE_S):
            if self._cores:
                self._write_line({"cores": self._cores.measure()})
            if self._waiting:
                with self.span("write trace", count=len(self._waiting)):
                    self._write()

    def _write(self) -> None:
        """Write the spans that have ended."""
        waiting = self._waiting
        batch = [waiting.popleft() for _ in range(len(waiting))]
        names = self._threads.copy()
        if new := names.keys() - self._named:
            self._named |= new
            self._write_line({"threads": {number_of(names[i]): names[i].name for i in new}})
        if batch:
            self._write_line([_to_part(one, names) for one in batch])

    def _write_line(self, content: Any) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(content, separators=(",", ":")) + "\n")
            self._file.flush()
        except OSError:  # a full disk must not disturb the run
            with suppress(OSError):
                self._file.close()
            self._file = None


def _to_part(span: Sequence[Any], threads: Mapping[int, threading.Thread]) -> Sequence[Any]:
    *times, thread, about, count = span
    return (*times, number_of(threads[thread]), *identity_of(about), count)


def number_of(thread: threading.Thread) -> int:
    """A thread's number in the trace: that of the operating system."""
    if thread is threading.main_thread():
        return os.getpid()  # a forked process has the old number in `native_id` (Python 3.11)
    return thread.native_id or thread.ident or 0


def identity_of(about: About) -> Identity:
    """The frame that a span is about, as far as it names one."""
    if about is None:
        return None, None, None
    if isinstance(about, tuple):
        stream, epoch, seq = about
        return stream, epoch, seq
    if isinstance(about, bytes):
        fields = codec.read_header(about)
        return fields.get("stream"), fields.get("epoch"), fields.get("seq")
    return tuple(getattr(about, name, None) for name in ("stream", "epoch", "seq"))  # type: ignore[return-value]


TRACE: Final = Tracer()
"""The tracer of this process."""
