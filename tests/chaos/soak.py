"""The long run with everything on, in which no process may grow."""

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from affectline.services.supervisor.forking import CHILD_MAIN
from tests.browsers import free_web_port
from tests.chaos import film
from tests.chaos.evidence import FrameId, check, read_recording, read_timeline
from tests.chaos.footprint import measure
from tests.chaos.modes import STREAM, write_settings
from tests.chaos.results import CellResult, Footprint, ProcessGrowth, SoakResult
from tests.chaos.viewer import PageViewer
from tests.pipelines import Pipeline, process

SAMPLE_S: Final = 10.0
WARM_UP: Final = 1 / 3
"""Share of the run before growth is measured, while buffers and caches fill."""
CLIP_FRAMES: Final = 250
GROWTH_MB_PER_HOUR: Final = 60.0
"""Growth above this counts: 10 MB in the ten minutes of the run."""
GROWN_MB: Final = 10.0
GROWN_DESCRIPTORS: Final = 2
HOUR_S: Final = 3600.0
LAUNCHER: Final = "launcher"
READER: Final = "page"


@dataclass
class _History:
    """What one process held over time."""

    at: list[float] = field(default_factory=list)
    held: list[Footprint] = field(default_factory=list)


def soak(folder: Path, seconds: float, step: Callable[[float], None]) -> SoakResult:
    """Run everything at once for a while.

    Args:
        folder: An empty folder.
        seconds: Duration of the run.
        step: Called with the seconds that have passed.
    """
    port = free_web_port()
    clip = film.write_film(folder / "film.mp4", CLIP_FRAMES)
    config = write_settings(folder / "settings.yaml", _settings(clip))
    pages = write_settings(
        folder / "page.yaml", {"dashboard": {"port": port, "sessions": str(folder / "sessions")}}
    )
    out = folder / "out"
    histories: dict[str, _History] = {}
    started = time.monotonic()
    with Pipeline(out, "--config", str(config)) as pipeline:
        pipeline.wait_for_frame(5, timeout_s=60)
        hub = f"127.0.0.1:{pipeline.hub.port}"
        with process("dashboard", "--config", str(pages), "--hub", hub) as page:
            viewer, heard = PageViewer(port), _Listener(pipeline)
            while (passed := time.monotonic() - started) < seconds:
                _sample(histories, pipeline, page.pid)
                step(passed)
                time.sleep(SAMPLE_S)
            viewer.stop()
            heard.stop()
            page.terminate()
        pipeline.interrupt()
    result = CellResult(name="soak", mode="everything", fault="none", target="")
    _judge(out, heard, viewer, result)
    growth = [_describe(name, history) for name, history in histories.items()]
    result.broken += [text for one in growth for text in _judge_growth(one)]
    result.verdict = "broken" if result.broken else "kept"
    result.seconds = round(time.monotonic() - started, 1)
    return SoakResult(seconds=seconds, processes=growth, cell=result)


def _settings(clip: Path) -> dict[str, Any]:
    """Return settings with everything on, including the annotated video."""
    return {
        "sources": [{"name": STREAM, "source": str(clip), "loop": True}],
        "delivery": "live",
        "pace": "realtime",
        "biometrics": [{"driver": "synthetic", "subject": "anna"}],
        "recording": {"record": True, "privacy": "blurred"},
        "sink": {"display": "mp4"},
    }


class _Listener(threading.Thread):
    """A subscriber to everything."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(name="listener", daemon=True)
        self._pipeline, self._stopping = pipeline, threading.Event()
        self.newest: FrameId | None = None
        self.start()

    def run(self) -> None:
        """Listen until `stop` is called."""
        while not self._stopping.is_set():
            for packet in self._pipeline.messages(0.2):
                if packet.message.topic == f"emotion/{STREAM}":
                    message: Any = packet.message
                    self.newest = FrameId(message.epoch, message.seq)

    def stop(self) -> None:
        """Stop listening."""
        self._stopping.set()
        self.join(timeout=5)


def _sample(histories: dict[str, _History], pipeline: Pipeline, page: int) -> None:
    pids = {LAUNCHER: pipeline.process.pid, READER: page}
    for child in psutil.Process(pipeline.process.pid).children(recursive=True):
        words = child.cmdline()
        if CHILD_MAIN in words:
            pids[words[-1]] = child.pid
    for name, pid in pids.items():
        history = histories.setdefault(name, _History())
        history.at.append(time.monotonic())
        history.held.append(measure([pid]))


def _describe(name: str, history: _History) -> ProcessGrowth:
    begin = int(len(history.at) * WARM_UP)
    at, held = history.at[begin:], history.held[begin:]
    memory = [one.memory_mb for one in held]
    descriptors = [float(one.descriptors) for one in held]
    return ProcessGrowth(
        process=name,
        first=held[0],
        last=held[-1],
        mb_per_hour=_slope(at, memory) * HOUR_S,
        descriptors_per_hour=_slope(at, descriptors) * HOUR_S,
    )


def _slope(at: list[float], values: list[float]) -> float:
    return statistics.linear_regression(at, values).slope if len(set(at)) > 1 else 0.0


def _judge_growth(growth: ProcessGrowth) -> list[str]:
    grown = growth.last.memory_mb - growth.first.memory_mb
    broken = []
    if grown > GROWN_MB and growth.mb_per_hour > GROWTH_MB_PER_HOUR:
        broken.append(
            f"{growth.process} grew by {grown:.0f} MB, {growth.mb_per_hour:.0f} MB an hour"
        )
    more = growth.last.descriptors - growth.first.descriptors
    if more > GROWN_DESCRIPTORS:
        broken.append(f"{growth.process} has {more} more descriptors open")
    return broken


def _judge(out: Path, heard: _Listener, viewer: PageViewer, result: CellResult) -> None:
    timeline = read_timeline(out)
    newest = max(timeline.all)
    sent = {FrameId(newest.epoch, seq) for seq in range(newest.seq + 1)}
    result.sent, result.rows = len(sent), len(timeline.with_result)
    result.lost, result.skipped = len(timeline.lost), timeline.skipped.total()
    result.unaccounted = len(sent - timeline.all)
    recorded, answer = read_recording(out, shows_numbers=False), check(out)
    result.recorded, result.answers = len(recorded.frames), len(recorded.answers)
    lacking = {"Frame": sent - recorded.frames, "Emotion": sent - recorded.answers}
    result.unsaid = sum(len(of - answer.missing.get(kind, set())) for kind, of in lacking.items())
    checks = {
        f"{result.unaccounted} frames have no row": result.unaccounted,
        f"check does not name {result.unsaid} missing frames and results": result.unsaid,
        f"check: {answer.problems}": not answer.is_sound,
        f"{timeline.repeated} rows are repeated": timeline.repeated,
        f"{timeline.backwards} rows go back in time": timeline.backwards,
        "the page showed less than half of the frames": len(viewer.shown_at) < len(sent) / 2,
        "rows end before the last received result": (
            heard.newest is not None and newest < heard.newest
        ),
    }
    result.broken += [text for text, is_broken in checks.items() if is_broken]
