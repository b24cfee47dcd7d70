"""Runs ``affectline up``, subscribes to its results, and samples its processes."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion
from tests.benchmarks.environment import cpu_busy_s
from tests.pipelines import AFFECTLINE, free_port

SAMPLE_S: Final = 0.25
MEMORY_SAMPLE_S: Final = 1.0
"""From one reading of PSS and USS to the next, which pause each process for a few milliseconds."""
SETTLED_S: Final = 0.5
"""From the first emotion to the beginning of the steady state whose CPU time is counted."""
QUIET_S: Final = 3.0
PATIENCE_S: Final = 120.0
"""How long a run may take by default."""
MB: Final = 1e6
CHILD_MAIN: Final = "affectline.services.supervisor.child_main"
"""Module of a process of the pipeline, in its command line, whose last word is its name."""
OTHER: Final = "other"
"""The kind of a process that has not said what it is."""


class Usage(NamedTuple):
    """Resource usage of one kind of process: CPU seconds so far, and bytes of memory."""

    cpu_s: float
    rss: int
    pss: int
    uss: int

    def add(self, other: "Usage") -> "Usage":
        """Return the sum of both."""
        return Usage(
            self.cpu_s + other.cpu_s,
            self.rss + other.rss,
            self.pss + other.pss,
            self.uss + other.uss,
        )


@dataclass
class Sample:
    """Resource usage of all processes at one moment."""

    at: int
    usage: dict[int, Usage]
    """By process."""
    names: dict[int, str]
    """The kind of each process, as far as it is known by the end of the run."""
    cpu_busy_s: float
    """CPU seconds of the whole machine so far."""
    observer_s: float
    """CPU seconds of this process so far."""

    @property
    def kinds(self) -> dict[str, Usage]:
        """Usage of each kind of process."""
        totals: dict[str, Usage] = {}
        for pid, use in self.usage.items():
            kind = self.names.get(pid, OTHER)
            totals[kind] = use.add(totals.get(kind, Usage(0, 0, 0, 0)))
        return totals

    def total(self, what: str) -> float:
        """Sum over all processes: ``cpu_s``, ``rss``, ``pss`` or ``uss``."""
        return float(sum(getattr(use, what) for use in self.usage.values()))


@dataclass
class Recording:
    """One run, from the start of the command to its end."""

    started: int
    seconds: float = 0.0
    first_received_at: int = 0
    emotions: dict[tuple[str, int], Emotion] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    observer_cpu_s: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def published(self) -> list[int]:
        return sorted(emotion.published_at for emotion in self.emotions.values())

    @property
    def first_s(self) -> float:
        """From the command's start to its first emotion's arrival here."""
        return (self.first_received_at - self.started) / 1e9

    def rate(self) -> float:
        """Frames a second from the first emotion to the last."""
        times = self.published
        return (len(times) - 1) / (times[-1] - times[0]) * 1e9

    def steady(self) -> tuple[Sample, Sample, int]:
        """First and last sample of the steady state, and the number of emotions between them."""
        times = self.published
        inside = [s for s in self.samples if times[0] + SETTLED_S * 1e9 < s.at <= times[-1]]
        first, last = inside[0], inside[-1]
        return first, last, sum(first.at < at <= last.at for at in times)

    def cpu_ms(self) -> dict[str, float]:
        """CPU milliseconds for each emotion of each kind of process, in the steady state."""
        first, last, frames = self.steady()
        return {
            kind: (use.cpu_s - first.kinds[kind].cpu_s) * 1e3 / frames
            for kind, use in last.kinds.items()
            if kind in first.kinds
        }

    def cores(self) -> float:
        """Cores that were busy with the pipeline in the steady state."""
        first, last, _ = self.steady()
        return (last.total("cpu_s") - first.total("cpu_s")) / (last.at - first.at) * 1e9

    def other_cores(self) -> float:
        """Cores that were busy with something else in the steady state."""
        first, last, _ = self.steady()
        known = last.total("cpu_s") - first.total("cpu_s") + last.observer_s - first.observer_s
        return max(0.0, (last.cpu_busy_s - first.cpu_busy_s - known) / (last.at - first.at) * 1e9)


def environment_of(tree: Path | None) -> dict[str, str]:
    """Environment variables with which the code of a checkout runs; None: those of this process."""
    if tree is None:
        return dict(os.environ)
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(tree / "src"), str(tree)))}


def is_classified(emotion: Emotion) -> bool:
    """Return whether every face of the frame was classified (or it has none)."""
    return emotion.missing is None and all(face.missing is None for face in emotion.faces)


class Observer:
    """``affectline up`` in the background, with its results and resource usage.

    Args:
        out: The session folder.
        arguments: For ``up``.
        memory: Measure PSS and USS as well, which pauses a process for a moment.
        tree: The checkout whose code runs; None: this one.
        patience_s: How long it may take.
        environment: Variables that its processes have besides ours.
    """

    def __init__(
        self,
        out: Path,
        *arguments: str,
        memory: bool = False,
        tree: Path | None = None,
        patience_s: float = PATIENCE_S,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._memory, self._patience_s = memory, patience_s
        self._log = out.with_suffix(".log").open("w+")
        hub = HubSettings(port=free_port())
        self._listener = OutletSubscriber(hub, ("emotion/", "health/"))
        command = [*AFFECTLINE, "up", "--json", "--out", str(out), "--port", str(hub.port)]
        self.recording = Recording(started=time.time_ns())
        self._process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=tree,
            env=environment_of(tree) | dict(environment or {}),
        )
        self._root = psutil.Process(self._process.pid)
        self._processes: dict[int, psutil.Process] = {}
        self._names: dict[int, str] = {}
        self._heard_at = self._next_memory = 0.0

    def run(self, *, only_first: bool = False, until: int | None = None) -> Recording:
        """Sample until it ends, or interrupt it earlier.

        Args:
            only_first: Interrupt it after the first emotion.
            until: Interrupt it after so many emotions, or when there are no more for `QUIET_S`:
                with a page, it would not end by itself.

        Raises:
            RuntimeError: It failed, took too long or had to restart something.
        """
        recording = self.recording
        cpu = time.process_time()
        last = 1 if only_first else until
        try:
            self._watch(last)
            out, _ = self._process.communicate(timeout=20)
        finally:
            self._stop()
        recording.seconds = (time.time_ns() - recording.started) / 1e9
        recording.observer_cpu_s = time.process_time() - cpu
        # It may have ended by itself, and have stayed for its page only
        expected = {130} if only_first else {0, 130} if until else {0}
        if self._process.returncode not in expected or not recording.emotions:
            raise RuntimeError(f"affectline up failed: {self._log_tail}")
        recording.summary = json.loads(out)
        if recording.summary["restarts"]:
            raise RuntimeError(f"restarts in a benchmark: {recording.summary['restarts']}")
        return recording

    def _watch(self, last: int | None) -> None:
        next_sample = 0.0
        while self._process.poll() is None:
            self._listener.wait(timeout_s=0.1)
            self._receive()
            now = time.monotonic()
            if last and self._has_come(last):
                self._process.send_signal(signal.SIGINT)
                return
            if now >= next_sample:
                next_sample = now + SAMPLE_S
                self._sample()
            if time.time_ns() - self.recording.started > self._patience_s * 1e9:
                raise RuntimeError(f"affectline up took more than {self._patience_s:g} s")
        self._receive()

    def _has_come(self, last: int) -> bool:
        """Whether so many emotions have come, or it seems that no more will."""
        quiet_s = time.monotonic() - self._heard_at
        count = len(self.recording.emotions)
        return count >= last or (count > 0 and quiet_s > QUIET_S)

    def _receive(self) -> None:
        for packet in self._listener.receive():
            message = packet.message
            if isinstance(message, Emotion):
                self.recording.first_received_at = (
                    self.recording.first_received_at or time.time_ns()
                )
                self.recording.emotions.setdefault((message.stream, message.seq), message)
                self._heard_at = time.monotonic()
            elif isinstance(message, Health):
                self._note_process(message)

    def _note_process(self, health: Health) -> None:
        """A process says what it is; how it was started may not."""
        if health.pid in self._processes:
            self._names[health.pid] = health.service.split("/")[0]

    def _sample(self) -> None:
        first = self.recording.first_received_at
        if not first or time.time_ns() - first < SETTLED_S * 1e9:
            self._discover()
        is_due = self._memory and time.monotonic() >= self._next_memory
        if is_due:
            self._next_memory = time.monotonic() + MEMORY_SAMPLE_S
        usage: dict[int, Usage] = {}
        for pid, process in self._processes.items():
            with contextlib.suppress(psutil.Error):
                usage[pid] = self._measure(process, is_due=is_due)
        self.recording.samples.append(
            Sample(time.time_ns(), usage, self._names, cpu_busy_s(), time.process_time())
        )

    def _measure(self, process: psutil.Process, *, is_due: bool) -> Usage:
        times = process.cpu_times()
        cpu_s = times.user + times.system
        if is_due:
            full = process.memory_full_info()
            return Usage(cpu_s, full.rss, getattr(full, "pss", 0), full.uss)
        samples = self.recording.samples
        last = samples[-1].usage.get(process.pid) if samples else None
        pss, uss = (last.pss, last.uss) if last else (0, 0)
        return Usage(cpu_s, process.memory_info().rss, pss, uss)

    def _discover(self) -> None:
        with contextlib.suppress(psutil.Error):
            self._processes[self._root.pid] = self._root
            self._names[self._root.pid] = "launcher"
            for child in self._root.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    arguments = child.cmdline()
                    self._processes.setdefault(child.pid, child)
                    # Others say it by their health
                    if child.pid not in self._names and CHILD_MAIN in arguments:
                        self._names[child.pid] = arguments[-1].split("/")[0]

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
        if self._process.poll() is None:
            self._process.kill()
        self._listener.close()
        self._log.seek(0)
        self._log_tail = self._log.read()[-2000:]
        self._log.close()


def stages(emotions: list[Emotion], lead: Mapping[str, int]) -> dict[str, list[float]]:
    """Milliseconds of each stage, of frames with classified faces.

    Args:
        emotions: Their results.
        lead: By stream: ns from the time of a frame to when it is due.
    """
    parts: dict[str, list[float]] = {"detect": [], "classify": [], "publish": []}
    for one in emotions:
        if one.detected_at and one.classified_at:
            due = one.captured_at + lead[one.stream]
            parts["detect"].append((one.detected_at - due) / 1e6)
            parts["classify"].append((one.classified_at - one.detected_at) / 1e6)
            parts["publish"].append((one.published_at - one.classified_at) / 1e6)
    return parts
