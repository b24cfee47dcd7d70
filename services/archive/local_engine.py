"""Runs films in worker processes on this machine, each used for many films.

A worker loads libraries and models once. Each film runs in one worker, which reads, detects and
classifies in three threads. A worker that dies (because a decoder crashes on a damaged film, or the
process runs out of memory) is replaced, and its film is retried once.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final

from affectline.common.logs import ServiceLogger
from affectline.common.settings.variables import environment
from affectline.services.archive.engine import FilmProgress
from affectline.services.archive.film_task import FilmResult, FilmTask

WORKER_GB: Final = 0.5
"""Memory that a worker may need: 0.2 GB were measured with films of 640x360; 4K needs more."""
TRIES: Final = 2
CHECK_S: Final = 2.0
"""How often free memory is checked while a film waits for it."""
WORKER: Final = "affectline.services.archive.worker"

LOG: Final = ServiceLogger("archive")


class LocalEngine:
    """A bounded pool of worker processes.

    Args:
        workers: Number of workers; None: one per core, limited by free memory.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._cores, self._memory_gb = usable_cores(), available_gb()
        fitting = max(1, int(self._memory_gb / WORKER_GB))
        self.workers = min(self._cores, fitting) if workers is None else workers
        self._running: list[FilmWorker] = []

    @property
    def description(self) -> str:
        plural = "s" * (self.workers > 1)
        return (
            f"{self.workers} worker{plural} on {self._cores} core{'s' * (self._cores > 1)}, up to "
            f"{WORKER_GB:g} GB each of {self._memory_gb:.1f} GB free memory"
        )

    def run(self, tasks: Iterable[FilmTask]) -> Iterator[FilmProgress | FilmResult]:
        waiting = deque((task, 1) for task in tasks)
        try:
            while waiting or any(worker.task for worker in self._running):
                self._hand_out(waiting)
                by_connection = {worker.connection: worker for worker in self._running}
                for connection in wait(list(by_connection), CHECK_S):
                    yield from self._receive_from(by_connection[connection], waiting)  # type: ignore[index]
        finally:
            for worker in self._running:
                worker.close()
            self._running.clear()

    def _hand_out(self, waiting: deque[tuple[FilmTask, int]]) -> None:
        """Give films to idle workers, as long as there is memory."""
        while waiting:
            idle = next((worker for worker in self._running if worker.task is None), None)
            if idle is None and len(self._running) >= self.workers:
                return
            is_first = not any(worker.task for worker in self._running)
            if idle is None:
                if not is_first and available_gb() < WORKER_GB:
                    return
                idle = FilmWorker()
                self._running.append(idle)
            idle.start(*waiting.popleft())

    def _receive_from(
        self, worker: "FilmWorker", waiting: deque[tuple[FilmTask, int]]
    ) -> Iterator[FilmProgress | FilmResult]:
        yield from worker.receive()
        if not worker.is_dead:
            return
        self._running.remove(worker)
        task, how = worker.task, _how_it_died(worker.close())
        if task is None:
            return
        if worker.tries < TRIES:
            LOG.warning("%s: the worker %s; the film is retried", task.source, how)
            waiting.append((task, worker.tries + 1))
            yield FilmProgress(task.name, 0, None)
        else:
            problem = f"{task.source}: the process that analysed it {how}, {TRIES} times"
            yield FilmResult(
                name=task.name, source=task.source, columns=task.columns, problem=problem
            )


class FilmWorker:
    """A worker process and its current film."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            # -P: ignore a folder called affectline in the current directory
            [sys.executable, "-P", "-m", WORKER, str(theirs.fileno())],
            env=environment(),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the parent, which ends the workers
        )
        theirs.close()
        self.connection: Connection[bytes, bytes] = Connection(ours.detach())
        self.task: FilmTask | None = None
        self.tries = 0
        self.is_dead = False

    def start(self, task: FilmTask, tries: int) -> None:
        """Give the worker a film."""
        self.task, self.tries = task, tries
        with contextlib.suppress(OSError):  # a dead worker is detected in `receive`
            self.connection.send_bytes(task.model_dump_json().encode())

    def receive(self) -> Iterator[FilmProgress | FilmResult]:
        """Yield the worker's new messages."""
        try:
            while self.connection.poll():
                content = json.loads(self.connection.recv_bytes())
                if "done" in content:
                    yield FilmProgress(**content)
                else:
                    self.task = None
                    yield FilmResult.model_validate(content)
        except (EOFError, OSError):
            self.is_dead = True

    def kill(self) -> None:
        """Kill the worker."""
        self._process.kill()

    def close(self) -> int:
        """End the worker and return its exit code; an unfinished film keeps its partial folder."""
        self.connection.close()
        if self.task is not None and not self.is_dead:
            self.kill()
        return self._process.wait()


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_gb() -> float:
    """Free memory for new processes in GB: the machine's, or the container's if less."""
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        found.append(int(line.split()[1]) / 1e6)
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        found.append((limit - used) / 1e9)
    return max(0.0, min(found, default=4.0))


def _how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    return f"ended with exit code {code}"
