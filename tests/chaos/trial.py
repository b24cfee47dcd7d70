"""Runs one cell: starts a real pipeline, injects a fault, and follows every frame."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion, StreamEnd
from tests.cameras import HttpCamera
from tests.chaos import film
from tests.chaos.cells import Cell
from tests.chaos.evidence import FrameId
from tests.chaos.footprint import OtherWork, measure
from tests.chaos.judge import NEXT_FRAME_S, judge
from tests.chaos.modes import STREAM, TABLE, write_settings
from tests.chaos.results import CellResult
from tests.chaos.viewer import PageViewer
from tests.clock_setting import SettableClock
from tests.pipelines import Pipeline, run
from tests.studies import write_table

FAULT_AT: Final = 30
"""The fault is injected when this many frames have results."""
AFTERWARDS: Final = 70
"""At least this many frames of the film follow."""
WHILE_HUNG: Final = 75
"""Additional frames if the film does not wait for a hung process."""
UNTIL_SHOWN: Final = 50
"""Additional frames if the page must be open first: films do not wait for pages."""
DISK: Final = "12m"
PATIENCE_S: Final = 45.0
"""A run that has not ended by then has not recovered from the fault."""
CAMERA_AWAY_S: Final = 2.0
PREFIXES: Final = ("emotion/", "health/", "stream/")


class CannotBeTried(Exception):  # noqa: N818 - a reason, not an error
    """This machine lacks something that the cell needs."""


@dataclass
class Observation:
    """Observations from outside the pipeline while the cell ran."""

    cell: Cell
    frames: int | None = None
    """Frames of the film; None for a camera, which has no fixed number."""
    samples: int | None = None
    """Samples of the table of sensors, if there is one."""
    fault_at: float = 0.0
    """When the fault was injected, by the monotonic clock, like all times here."""
    answered_at: list[float] = field(default_factory=list)
    """When the results of new frames came, from the fault on."""
    hung_until: dict[str, float] = field(default_factory=dict)
    back_at: dict[str, float] = field(default_factory=dict)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    """The newest counters of every service."""
    ended_at: float = 0.0
    code: int | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    log: str = ""
    shown_at: list[float] = field(default_factory=list)


class Trial:
    """The trial of one cell.

    Args:
        cell: The cell to run.
        folder: An empty folder of its own.
        quiet: A lock held from the start until frames flow again, so that no other pipeline starts
            or recovers at the same time and slows this one down.
        next_frame_s: Frames must flow again within this time.
    """

    def __init__(
        self,
        cell: Cell,
        folder: Path,
        quiet: threading.Lock,
        next_frame_s: float = NEXT_FRAME_S,
    ) -> None:
        self._cell, self._folder, self._quiet = cell, folder, quiet
        self._next_frame_s = next_frame_s
        self._seen: set[FrameId] = set()
        self._hit: dict[str, int] = {}
        self._spared: list[int] = []
        self._fault_ns = 0
        self._observed = Observation(cell)
        self.result = CellResult(
            name=cell.name, mode=cell.mode.name, fault=cell.fault, target=cell.target
        )

    def run(self) -> CellResult:
        """Run the cell, and judge its result."""
        started = time.monotonic()
        try:
            with contextlib.ExitStack() as stack:
                self._run(stack)
                judge(self._observed, self._folder / "out", self.result, self._next_frame_s)
        except CannotBeTried as reason:
            self.leave_out(str(reason))
        except Exception as error:
            self.result.verdict = "broken"
            self.result.broken.append(f"{type(error).__name__}: {error}"[:500])
        self.result.seconds = round(time.monotonic() - started, 1)
        return self.result

    def leave_out(self, reason: str) -> CellResult:
        """Record that the cell was not run, and why."""
        self.result.verdict, self.result.broken = "left out", [reason]
        return self.result

    def _run(self, stack: contextlib.ExitStack) -> None:
        out = self._folder / "out"
        if self._cell.fault == "full disk":
            stack.enter_context(mounted(out))
        is_quiet = stack.enter_context(_until_released(self._quiet))
        pipeline = stack.enter_context(self._start(out, stack))
        self._follow(pipeline, self._is_time, "the first frames did not come")
        if pipeline.process.poll() is not None:
            raise AssertionError(f"the run ended before the fault: {pipeline.log()[-400:]}")
        others = OtherWork()
        self._break(pipeline)
        self._follow(pipeline, self._has_recovered, "")
        self.result.other_cores = others.cores()
        is_quiet()
        self._follow(pipeline, self._is_near_end, "")
        self.result.after = measure(self._spared)
        if self._cell.fault == "camera" and pipeline.process.poll() is None:
            pipeline.process.send_signal(signal.SIGINT)
        self._follow(pipeline, lambda: False, "the run did not end")
        self._finish(pipeline)

    def _start(self, out: Path, stack: contextlib.ExitStack) -> Pipeline:
        mode, cell = self._cell.mode, self._cell
        frames = FAULT_AT + AFTERWARDS + UNTIL_SHOWN * mode.has_page
        frames += WHILE_HUNG * (cell.fault == "SIGSTOP" and not mode.is_lossless)
        source = self._folder / "film.mp4"
        environment: dict[str, str] = {}
        if cell.fault == "clock":
            self._clock = SettableClock(self._folder)
            environment = dict([self._clock.variable])
        settings = mode.settings(self._folder, source)
        if mode.has_table:
            self._observed.samples = write_table(self._folder / TABLE, frames / film.RATE)
        if cell.fault == "camera":
            self._camera = stack.enter_context(HttpCamera(draw=film.picture, rate=film.RATE))
            settings["sources"][0]["source"] = self._camera.address
        else:
            self._observed.frames = frames
            _make_once(source, lambda path: film.write_film(path, frames), f"film-{frames}.mp4")
        command = ["up"]
        options = ["--config", str(write_settings(self._folder / "settings.yaml", settings))]
        if mode.name == "replay":
            recording = self._folder / "recording"
            _make_once(recording, lambda path: record(source, path), f"recording-{frames}")
            command, options = ["replay", str(recording)], ["--record"]
        pipeline = Pipeline(
            out, *options, command=command, prefixes=PREFIXES, environment=environment
        )
        stack.callback(self._kill_left_over, pipeline)
        if mode.has_page:
            self._viewer = PageViewer(settings["dashboard"]["port"])
            stack.callback(self._viewer.stop)
        return pipeline

    def _break(self, pipeline: Pipeline) -> None:
        """Inject the fault."""
        cell, pids = self._cell, pipeline.pids()
        missing = set(cell.processes) - set(pids)
        if missing:
            raise AssertionError(f"not running: {', '.join(missing)}")
        self._hit = {kind: pids[kind] for kind in cell.processes}
        self._spared = [pid for kind, pid in pids.items() if kind not in self._hit]
        self.result.before = measure(self._spared)
        match cell.fault:
            case "SIGKILL" | "SIGSTOP":
                number = signal.Signals[cell.fault]
                for pid in self._hit.values():
                    os.kill(pid, number)
            case "full disk":
                fill(self._folder / "out")
            case "clock":
                self._clock.set_by(cell.clock_s)
            case "camera":
                self._camera.switch_off()
                self._follow_for(pipeline, CAMERA_AWAY_S)
                self._camera.switch_on()
        self._observed.fault_at = time.monotonic()
        self._fault_ns = time.time_ns()

    def _follow(self, pipeline: Pipeline, until: Callable[[], bool], otherwise: str) -> None:
        """Observe until a condition holds, or the run ends.

        Raises:
            AssertionError: Neither happens in time, and ``otherwise`` is not empty.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not until():
            if pipeline.process.poll() is not None:
                self._observed.ended_at = self._observed.ended_at or time.monotonic()
                return
            if time.monotonic() > deadline:
                if otherwise:
                    raise AssertionError(f"{otherwise}; {pipeline.log()[-400:]}")
                return
            for packet in pipeline.messages(0.05):
                self._observe(packet.message)
            self._observe_hung()

    def _follow_for(self, pipeline: Pipeline, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._follow(pipeline, lambda: time.monotonic() >= until, "")

    def _observe(self, message: Message) -> None:
        now = time.monotonic()
        if isinstance(message, Emotion):
            frame = FrameId(message.epoch, message.seq)
            is_analysed = message.missing is None and not any(f.missing for f in message.faces)
            if frame not in self._seen and is_analysed:
                self._seen.add(frame)
                if self._fault_ns:
                    self._observed.answered_at.append(now)
        elif isinstance(message, Health):
            kind = message.service.split("/")[0]
            known = self._observed.counters.setdefault(kind, {})
            known.update(message.counters)
            if kind in self._hit and message.at > self._fault_ns and kind not in self._waited_for:
                self._observed.back_at.setdefault(kind, now)
        elif isinstance(message, StreamEnd):
            self._observed.ended_at = now

    @property
    def _waited_for(self) -> set[str]:
        """The kinds of process that still hang."""
        if self._cell.fault != "SIGSTOP":
            return set()
        return self._hit.keys() - self._observed.hung_until.keys()

    def _observe_hung(self) -> None:
        for kind in self._waited_for:
            if not Path(f"/proc/{self._hit[kind]}").exists():
                self._observed.hung_until[kind] = time.monotonic()

    def _is_time(self) -> bool:
        """Return whether frames flow and every process has reported its health."""
        are_up = set(self._cell.mode.processes) <= self._observed.counters.keys()
        is_shown = not self._cell.mode.has_page or bool(self._viewer.shown_at)
        return len(self._seen) >= FAULT_AT and are_up and is_shown

    def _has_recovered(self) -> bool:
        is_back = self._hit.keys() <= self._observed.back_at.keys()
        latest = max(self._observed.back_at.values(), default=self._observed.fault_at)
        answered = self._observed.answered_at
        return is_back and bool(answered) and answered[-1] > latest

    def _is_near_end(self) -> bool:
        if self._observed.frames is None:
            return len(self._observed.answered_at) >= AFTERWARDS
        newest = max(self._seen)
        return newest.seq >= self._observed.frames - 12 or bool(self._observed.ended_at)

    def _finish(self, pipeline: Pipeline) -> None:
        out, _ = pipeline.process.communicate(timeout=10)
        observed = self._observed
        observed.code = pipeline.process.returncode
        observed.log = pipeline.log()
        with contextlib.suppress(ValueError):
            observed.summary = json.loads(out)
        if self._cell.mode.has_page:
            observed.shown_at = self._viewer.shown_at

    def _kill_left_over(self, pipeline: Pipeline) -> None:
        """Kill what is left: a stopped process does not notice that its supervisor ended."""
        left = [*pipeline.pids().values()] if pipeline.process.poll() is None else []
        for pid in {*left, *self._hit.values(), *self._spared}:
            with contextlib.suppress(OSError):
                if b"affectline" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def _until_released(lock: threading.Lock) -> Iterator[Callable[[], None]]:
    """Hold a lock until the end, or until what is yielded is called."""
    lock.acquire()
    is_held = True

    def release() -> None:
        nonlocal is_held
        if is_held:
            is_held = False
            lock.release()

    try:
        yield release
    finally:
        release()


_making = threading.Lock()
STORE: Final = "made"


def _make_once(path: Path, make: Callable[[Path], Any], name: str) -> None:
    """Link a path to a file or folder that all cells share, made by the first to need it."""
    store = path.parents[1] / STORE
    with _making:
        store.mkdir(exist_ok=True)
        if not (store / name).exists():
            make(store / name)
    path.symlink_to(store / name)


def record(source: Path, out: Path) -> None:
    """Record a film without faults, for replays."""
    done = run("up", "--source", f"{STREAM}={source}", "--record", "--pace", "fast",
               "--out", str(out), "--json")  # fmt: skip
    if done.returncode:
        raise AssertionError(f"the film for the replay was not recorded: {done.stderr}")


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Mount a small disk at a folder."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        raise CannotBeTried("only root can mount a small disk")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise CannotBeTried("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Write until the disk is full."""
    with (folder / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
