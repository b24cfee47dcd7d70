"""Runs ``affectline up`` as a user would, listens as a tool would, and watches the processes."""

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
from affectline.common.settings.pipeline import HubSettings
from affectline.common.wire.messages import Emotion
from affectline.services.supervisor.process import CHILD_MAIN
from tests.benchmarks.environment import busy_s
from tests.pipelines import AFFECTLINE, free_port

SAMPLE_S: Final = 0.25
SETTLED_S: Final = 0.5
"""From the first answer to the beginning of the steady state whose CPU time is counted."""
TIMEOUT_S: Final = 120
MB: Final = 1e6


class Use(NamedTuple):
    """What one kind of process uses: CPU seconds so far, and bytes of memory."""

    cpu_s: float
    rss: int
    pss: int
    uss: int

    def plus(self, other: "Use") -> "Use":
        """Both together."""
        return Use(
            self.cpu_s + other.cpu_s,
            self.rss + other.rss,
            self.pss + other.pss,
            self.uss + other.uss,
        )


@dataclass
class Sample:
    """All processes at one moment."""

    at: int
    kinds: dict[str, Use]
    busy_s: float
    """CPU seconds of the whole machine so far."""
    observer_s: float
    """CPU seconds of this process so far."""

    def total(self, what: str) -> float:
        """Sum over all processes: ``cpu_s``, ``rss``, ``pss`` or ``uss``."""
        return float(sum(getattr(use, what) for use in self.kinds.values()))


@dataclass
class Recording:
    """One run, from the start of the command to its end."""

    begun: int
    seconds: float = 0.0
    first_heard: int = 0
    answers: dict[tuple[str, int], Emotion] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    observer_cpu_s: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def published(self) -> list[int]:
        return sorted(answer.published_at for answer in self.answers.values())

    @property
    def first_s(self) -> float:
        """From the command's start to its first answer's arrival here."""
        return (self.first_heard - self.begun) / 1e9

    def rate(self) -> float:
        """Frames a second from the first answer to the last."""
        times = self.published
        return (len(times) - 1) / (times[-1] - times[0]) * 1e9

    def steady(self) -> tuple[Sample, Sample, int]:
        """First and last sample of the steady state, and the number of answers between them."""
        times = self.published
        inside = [s for s in self.samples if times[0] + SETTLED_S * 1e9 < s.at <= times[-1]]
        first, last = inside[0], inside[-1]
        return first, last, sum(first.at < at <= last.at for at in times)

    def cpu_ms(self) -> dict[str, float]:
        """CPU milliseconds for each answer of each kind of process, in the steady state."""
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

    def others(self) -> float:
        """Cores that were busy with something else in the steady state."""
        first, last, _ = self.steady()
        known = last.total("cpu_s") - first.total("cpu_s") + last.observer_s - first.observer_s
        return max(0.0, (last.busy_s - first.busy_s - known) / (last.at - first.at) * 1e9)


def looked_at(answer: Emotion) -> bool:
    """Every face of the frame was judged (or it has none)."""
    return answer.missing is None and all(face.missing is None for face in answer.faces)


class Observer:
    """``affectline up`` in the background, and an eye on it.

    Args:
        out: The session folder.
        arguments: For ``up``.
        memory: Ask for PSS and USS as well, which stops a process for a moment.
    """

    def __init__(self, out: Path, *arguments: str, memory: bool = False) -> None:
        self._memory = memory
        self._log = out.with_suffix(".log").open("w+")
        hub = HubSettings(port=free_port())
        self._listener = OutletSubscriber(hub, ("emotion/",))
        command = [*AFFECTLINE, "up", "--json", "--out", str(out), "--port", str(hub.port)]
        self.recording = Recording(begun=time.time_ns())
        self._process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._root = psutil.Process(self._process.pid)
        self._known: dict[psutil.Process, str] = {}

    def run(self, *, only_first: bool = False) -> Recording:
        """Watch until it ends, or press Ctrl-C after the first answer.

        Raises:
            RuntimeError: It failed, took too long or had to restart something.
        """
        recording = self.recording
        cpu = time.process_time()
        try:
            self._watch(only_first)
            out, _ = self._process.communicate(timeout=20)
        finally:
            self._end()
        recording.seconds = (time.time_ns() - recording.begun) / 1e9
        recording.observer_cpu_s = time.process_time() - cpu
        expected = 130 if only_first else 0
        if self._process.returncode != expected or not recording.answers:
            raise RuntimeError(f"affectline up failed: {self._words}")
        recording.summary = json.loads(out)
        if recording.summary["restarts"]:
            raise RuntimeError(f"restarts in a benchmark: {recording.summary['restarts']}")
        return recording

    def _watch(self, only_first: bool) -> None:
        next_sample = 0.0
        while self._process.poll() is None:
            self._listener.wait(timeout_s=0.1)
            self._hear()
            now = time.monotonic()
            if only_first and self.recording.first_heard:
                self._process.send_signal(signal.SIGINT)
                return
            if now >= next_sample:
                next_sample = now + SAMPLE_S
                self._sample()
            if time.time_ns() - self.recording.begun > TIMEOUT_S * 1e9:
                raise RuntimeError(f"affectline up took more than {TIMEOUT_S} s")
        self._hear()

    def _hear(self) -> None:
        for packet in self._listener.receive():
            answer = packet.message
            if isinstance(answer, Emotion):
                self.recording.first_heard = self.recording.first_heard or time.time_ns()
                self.recording.answers.setdefault((answer.stream, answer.seq), answer)

    def _sample(self) -> None:
        if not self.recording.first_heard:
            self._discover()
        totals: dict[str, Use] = {}
        for process, kind in self._known.items():
            with contextlib.suppress(psutil.Error):
                use, before = self._use(process), totals.get(kind, Use(0, 0, 0, 0))
                totals[kind] = use.plus(before)
        self.recording.samples.append(Sample(time.time_ns(), totals, busy_s(), time.process_time()))

    def _use(self, process: psutil.Process) -> Use:
        times = process.cpu_times()
        if self._memory:
            full = process.memory_full_info()
            return Use(times.user + times.system, full.rss, getattr(full, "pss", 0), full.uss)
        return Use(times.user + times.system, process.memory_info().rss, 0, 0)

    def _discover(self) -> None:
        with contextlib.suppress(psutil.Error):
            self._known.setdefault(self._root, "launcher")
            for child in self._root.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    words = child.cmdline()
                    # Between fork and exec a child still has the launcher's own command line
                    if child not in self._known and CHILD_MAIN in words:
                        self._known[child] = words[-1].split("/")[0]

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
        if self._process.poll() is None:
            self._process.kill()
        self._listener.close()
        self._log.seek(0)
        self._words = self._log.read()[-2000:]
        self._log.close()


def stages(answers: list[Emotion]) -> dict[str, list[float]]:
    """Milliseconds of each part of the way, of frames with judged faces."""
    parts: dict[str, list[float]] = {"detect": [], "classify": [], "publish": []}
    for one in answers:
        if one.detected_at and one.classified_at:
            parts["detect"].append((one.detected_at - one.captured_at) / 1e6)
            parts["classify"].append((one.classified_at - one.detected_at) / 1e6)
            parts["publish"].append((one.published_at - one.classified_at) / 1e6)
    return parts
