"""The trace of a run: the spans of all its processes in one file, in Chrome's trace event format.

https://ui.perfetto.dev and ``chrome://tracing`` show it. The file has one event per line, so that
`read_events` can read it without holding it in memory: a trace of an hour has gigabytes.
"""

import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from time import monotonic_ns
from types import TracebackType
from typing import IO, Any, Final, Self, cast

from affectline.common.atomic_file import atomic_write
from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.output_file import check_output_file
from affectline.common.runtime.tracing import TRACE, PartSpan

LAUNCHER: Final = "supervisor"
"""Name of the launcher's own process in the trace."""
CORES: Final = "cores"
"""Name of the counter of the machine's cores: busy with any program, or taken by its host."""
BEGIN: Final = '{"traceEvents":['
PATH_STEPS: Final = {
    "capture": "send Frame",
    "hub": "forward",
    "detector": "handle",
    "classifier": "handle",
    "sink": "write",
}
"""Where a frame passes, by kind of process: arrows lead from one to the next."""

Event = dict[str, Any]
"""An event of Chrome's trace event format; times in µs since the beginning of the run."""


class TraceFile:
    """Records a trace of everything that is run in its ``with`` block.

    Args:
        path: The file to write; compressed if its name ends in ``.gz``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._started = self._started_at = 0

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            AffectlineError: The file cannot be written, or is there and is not a trace.
        """
        check_output_file("--trace", self.path, "a trace", BEGIN.encode())
        try:
            if self.path.exists():
                self.path.open("ab").close()
            folder = tempfile.mkdtemp(prefix=f".{self.path.name}-", dir=self.path.parent)
            self.folder = Path(folder).absolute()
            self._started, self._started_at = monotonic_ns(), now_ns()
            TRACE.start(self.folder, LAUNCHER, with_cores=True)
        except OSError as error:
            raise self._cannot_write(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the file, unless the run failed before it started a process; remove the parts.

        Raises:
            AffectlineError: It cannot be written, and nothing else has failed.
        """
        TRACE.stop()
        try:
            if kind is None or any(part.stem != str(os.getpid()) for part in self._parts()):
                with atomic_write(self.path, sync=False) as partial:
                    self._merge(partial)
        except OSError as problem:
            if kind is None:
                raise self._cannot_write(problem) from problem
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl"))

    def _cannot_write(self, error: OSError) -> AffectlineError:
        return AffectlineError(
            f"--trace {self.path}: cannot write ({error.strerror or error})",
            "name a file in a folder that exists and that you may write to",
        )

    def _merge(self, path: Path) -> None:
        """Write the events of all parts, whose folder they stay in."""
        with _open(path, "wt", is_compressed=self.path.suffix == ".gz") as file:
            file.write(BEGIN)
            separator = "\n"
            for part in self._parts():
                for event in events_of(part, self._started):
                    file.write(separator + json.dumps(event, separators=(",", ":")))
                    separator = ",\n"
            about = {"started_at": self._started_at, "started": self._started}
            file.write(f'\n],"displayTimeUnit":"ms","otherData":{json.dumps(about)}}}\n')


def read_events(path: Path) -> Iterator[Event]:
    """The events of a file that `TraceFile` has written, one after the other.

    Raises:
        OSError: It cannot be read.
    """
    with _open(path, "rt", is_compressed=path.suffix == ".gz") as file:
        for line in file:
            if line.startswith('{"name"'):
                yield json.loads(line.rstrip().removesuffix(","))


def events_of(part: Path, started: int) -> Iterator[Event]:
    """The events of one process.

    Args:
        part: Its part file; the end of it may be missing.
        started: The beginning of the run, in ns of the monotonic clock.
    """
    pid, kind = 0, ""
    with part.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            content = None
            with suppress(ValueError):  # the last line of a process that was killed
                content = json.loads(line)
            if isinstance(content, list):
                for fields in content:
                    yield from _to_events(PartSpan(*fields), pid, kind, started)
            elif content and "pid" in content:
                pid, kind = content["pid"], content["name"].split("/")[0]
                yield _name_event("process_name", content["name"], pid, pid)
            elif content and "cores" in content:
                yield _core_event(content["cores"], pid, started)
            elif content:
                for thread, name in content["threads"].items():
                    yield _name_event("thread_name", name, pid, int(thread))


def _name_event(kind: str, name: str, pid: int, thread: int) -> Event:
    return {"name": kind, "ph": "M", "pid": pid, "tid": thread, "args": {"name": name}}


def _core_event(use: list[float], pid: int, started: int) -> Event:
    since, until, busy, stolen = use
    return {
        "name": CORES, "ph": "C", "pid": pid, "tid": pid, "ts": (since - started) / 1000,
        "dur": (until - since) / 1000, "args": {"busy": busy, "stolen": stolen},
    }  # fmt: skip


def _to_events(span: PartSpan, pid: int, process: str, started: int) -> Iterator[Event]:
    """The event of a span and, for a step of a frame's path, the arrow to its beginning."""
    begin = (span.began - started) / 1000
    frame = {"stream": span.stream, "epoch": span.epoch, "seq": span.seq}
    args = {k: v for k, v in {**frame, "count": span.amount}.items() if v is not None}
    place = {"pid": pid, "tid": span.thread}
    yield {
        "name": span.name,
        "cat": _category(span.name, process),
        "ph": "X",
        "ts": begin,
        "dur": span.wall / 1000,
        "tts": span.cpu_began / 1000,
        "tdur": span.cpu / 1000,
        **place,
        "args": args,
    }
    if span.seq is None or not span.name.startswith(PATH_STEPS.get(process, "\n")):
        return
    phase = {"capture": "s", "sink": "f"}.get(process, "t")
    arrow = {
        "name": "frame",
        "cat": "frame",
        "ph": phase,
        "id": f"{span.stream}/{span.epoch}/{span.seq}",
        "ts": begin,
        **place,
    }
    yield arrow | ({"bp": "e"} if phase == "f" else {})


def _category(name: str, process: str) -> str:
    if name.startswith(("poll", "wait")):
        return "wait"
    return "gc" if name.startswith("gc ") else process


def _open(path: Path, mode: str, *, is_compressed: bool) -> IO[str]:
    if is_compressed:
        return cast("TextIOWrapper", gzip.open(path, mode, compresslevel=1, encoding="utf-8"))
    return path.open(mode, encoding="utf-8")
