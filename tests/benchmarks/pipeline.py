"""Runs ``affectline up``, subscribes to its results, and samples its processes."""

import contextlib
import json
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.messages import Emotion
from affectline.services.supervisor.forking import CHILD_MAIN
from tests.benchmarks.environment import cpu_busy_s
from tests.pipelines import AFFECTLINE, free_port

SAMPLE_S: Final = 0.25
SETTLED_S: Final = 0.5
"""From the first emotion to the beginning of the steady state whose CPU time is counted."""
TIMEOUT_S: Final = 120
MB: Final = 1e6


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
    kinds: dict[str, Usage]
    cpu_busy_s: float
    """CPU seconds of the whole machine so far."""
    observer_s: float
    """CPU seconds of this process so far."""

    def total(self, what: str) -> float:
        """Sum over all processes: ``cpu_s``, ``rss``, ``pss`` or ``uss``."""
        return float(sum(getattr(use, what) for use in self.kinds.values()))


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


def is_classified(emotion: Emotion) -> bool:
    """Return whether every face of the frame was classified (or it has none)."""
    return emotion.missing is None and all(face.missing is None for face in emotion.faces)


class Observer:
    """``affectline up`` in the background, with its results and resource usage.

    Args:
        out: The session folder.
        arguments: For ``up``.
        memory: Measure PSS and USS as well, which pauses a process for a moment.
    """

    def __init__(self, out: Path, *arguments: str, memory: bool = False) -> None:
        self._memory = memory
        self._log = out.with_suffix(".log").open("w+")
        hub = HubSettings(port=free_port())
        self._listener = OutletSubscriber(hub, ("emotion/",))
        command = [*AFFECTLINE, "up", "--json", "--out", str(out), "--port", str(hub.port)]
        self.recording = Recording(started=time.time_ns())
        self._process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._root = psutil.Process(self._process.pid)
        self._kinds: dict[psutil.Process, str] = {}

    def run(self, *, only_first: bool = False) -> Recording:
        """Sample until it ends, or interrupt it after the first emotion.

        Raises:
            RuntimeError: It failed, took too long or had to restart something.
        """
        recording = self.recording
        cpu = time.process_time()
        try:
            self._watch(only_first)
            out, _ = self._process.communicate(timeout=20)
        finally:
            self._stop()
        recording.seconds = (time.time_ns() - recording.started) / 1e9
        recording.observer_cpu_s = time.process_time() - cpu
        expected = 130 if only_first else 0
        if self._process.returncode != expected or not recording.emotions:
            raise RuntimeError(f"affectline up failed: {self._log_tail}")
        recording.summary = json.loads(out)
        if recording.summary["restarts"]:
            raise RuntimeError(f"restarts in a benchmark: {recording.summary['restarts']}")
        return recording

    def _watch(self, only_first: bool) -> None:
        next_sample = 0.0
        while self._process.poll() is None:
            self._listener.wait(timeout_s=0.1)
            self._receive()
            now = time.monotonic()
            if only_first and self.recording.first_received_at:
                self._process.send_signal(signal.SIGINT)
                return
            if now >= next_sample:
                next_sample = now + SAMPLE_S
                self._sample()
            if time.time_ns() - self.recording.started > TIMEOUT_S * 1e9:
                raise RuntimeError(f"affectline up took more than {TIMEOUT_S} s")
        self._receive()

    def _receive(self) -> None:
        for packet in self._listener.receive():
            emotion = packet.message
            if isinstance(emotion, Emotion):
                self.recording.first_received_at = (
                    self.recording.first_received_at or time.time_ns()
                )
                self.recording.emotions.setdefault((emotion.stream, emotion.seq), emotion)

    def _sample(self) -> None:
        if not self.recording.first_received_at:
            self._discover()
        totals: dict[str, Usage] = {}
        for process, kind in self._kinds.items():
            with contextlib.suppress(psutil.Error):
                use, before = self._measure(process), totals.get(kind, Usage(0, 0, 0, 0))
                totals[kind] = use.add(before)
        self.recording.samples.append(
            Sample(time.time_ns(), totals, cpu_busy_s(), time.process_time())
        )

    def _measure(self, process: psutil.Process) -> Usage:
        times = process.cpu_times()
        if self._memory:
            full = process.memory_full_info()
            return Usage(times.user + times.system, full.rss, getattr(full, "pss", 0), full.uss)
        return Usage(times.user + times.system, process.memory_info().rss, 0, 0)

    def _discover(self) -> None:
        with contextlib.suppress(psutil.Error):
            self._kinds.setdefault(self._root, "launcher")
            for child in self._root.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    arguments = child.cmdline()
                    # Between fork and exec a child still has the launcher's own command line
                    if child not in self._kinds and CHILD_MAIN in arguments:
                        self._kinds[child] = arguments[-1].split("/")[0]

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


def stages(emotions: list[Emotion]) -> dict[str, list[float]]:
    """Milliseconds of each stage, of frames with classified faces."""
    parts: dict[str, list[float]] = {"detect": [], "classify": [], "publish": []}
    for one in emotions:
        if one.detected_at and one.classified_at:
            parts["detect"].append((one.detected_at - one.captured_at) / 1e6)
            parts["classify"].append((one.classified_at - one.detected_at) / 1e6)
            parts["publish"].append((one.published_at - one.classified_at) / 1e6)
    return parts
