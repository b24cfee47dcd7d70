"""One session of all measurements, each made of a few runs."""

import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import psutil

from tests.benchmarks import dashboard_load, detector_times, micro_benchmarks, recall
from tests.benchmarks.clips import WEIGHTS, Clip, choose_clip, write_live_clip
from tests.benchmarks.environment import IdleGate, describe_machine, run_baseline
from tests.benchmarks.films import Film, find_clips
from tests.benchmarks.pipeline import MB, Observer, Recording, is_classified, stages
from tests.benchmarks.results import (
    Baseline,
    ClipTimes,
    DashboardLoad,
    FilmRecall,
    FirstEmotion,
    Live,
    Memory,
    Results,
    Spread,
    Throughput,
)
from tests.benchmarks.targets import DISTURBED_CORES, P99_MS, RATE, STREAMS
from tests.browsers import CHROMIUM

ROUNDS: Final = 3
SPARE_ROUNDS: Final = 1
"""Further rounds if other work disturbed one; the least disturbed count."""
PAPER_S: Final = 15.0
FER_S: Final = 12.0
STARTS: Final = 5
CLASSIFIER_COUNTS: Final = (1, 2)
"""Numbers of classifier processes that are compared."""
MAX_IDLE_WAIT_S: Final = 60.0
"""How long to wait in all for the machine to be idle."""
Part = TypeVar("Part")
Step = Callable[[str], None]
"""Called with the name of each measurement as it begins."""
STEPS: Final = (
    (ROUNDS + SPARE_ROUNDS) * (2 + len(CLASSIFIER_COUNTS))
    + len(CLASSIFIER_COUNTS)
    + STARTS
    + 3
    + dashboard_load.STEPS
)
"""Beside one for each clip of the detector's times, and one for each film of its recall."""


class Round(NamedTuple):
    """One run of each program, one after the other."""

    paper: dict[str, Any]
    fer: dict[str, Any]
    ours: dict[int, Recording]

    @property
    def other_cores(self) -> float:
        """Most cores that other work used during one of the programs."""
        return max(
            float(self.paper["other_cores"]),
            float(self.fer["other_cores"]),
            *(one.other_cores() for one in self.ours.values()),
        )


class Session:
    """One run of all measurements.

    Args:
        folder: For temporary files.
        step: Called with the name of each measurement as it begins.
    """

    def __init__(self, folder: Path, step: Step) -> None:
        self._folder, self._report_step, self._idle_gate = folder, step, IdleGate(MAX_IDLE_WAIT_S)
        self._runs = 0
        self.clip = choose_clip()

    def _step(self, name: str) -> None:
        self._report_step(name)
        self._idle_gate.wait()

    def run_pipeline(
        self, *arguments: str, memory: bool = False, only_first: bool = False
    ) -> Recording:
        """Run the pipeline once."""
        self._runs += 1
        out = self._folder / f"run{self._runs}"
        return Observer(out, *arguments, memory=memory).run(only_first=only_first)

    def run_lossless(self, classifiers: int | None = None, **options: bool) -> Recording:
        """Run the clip in lossless delivery, as fast as possible."""
        chosen = ["--classifiers", str(classifiers)] if classifiers else []
        source = ["--source", f"clip={self.clip.path}"]
        return self.run_pipeline(
            *source, "--delivery", "lossless", "--pace", "fast", *chosen, **options
        )

    def memory(self) -> Memory:
        """Peak memory of a run of one stream."""
        self._step("memory")
        samples = self.run_lossless(memory=True).samples
        most = max(samples, key=lambda sample: sample.total("rss"))
        return Memory(
            rss=most.total("rss") / MB,
            pss=max(sample.total("pss") for sample in samples) / MB,
            processes={
                kind: (use.rss / MB, use.pss / MB, use.uss / MB) for kind, use in most.kinds.items()
            },
        )

    def throughput(self) -> tuple[Baseline, Baseline, list[Throughput]]:
        """Alternate between all programs, so that a slow minute affects all alike."""
        weights = [str(WEIGHTS)] if WEIGHTS.exists() else []
        clip = str(self.clip.path)
        rounds: list[Round] = []
        while len(rounds) < ROUNDS + SPARE_ROUNDS:
            if sum(one.other_cores < DISTURBED_CORES for one in rounds) >= ROUNDS:
                break
            rounds.append(self._round(len(rounds) + 1, clip, weights))
        rounds = sorted(rounds, key=lambda one: one.other_cores)[:ROUNDS]
        ours = [_throughput(n, [one.ours[n] for one in rounds]) for n in CLASSIFIER_COUNTS]
        paper, fer = ([one.paper for one in rounds], [one.fer for one in rounds])
        return _baseline(paper), _baseline(fer), ours

    def _round(self, number: int, clip: str, weights: list[str]) -> "Round":
        self._step(f"round {number}: the paper's way")
        paper = run_baseline("paper", clip, str(PAPER_S), *weights)
        self._step(f"round {number}: fer")
        fer = run_baseline("fer", clip, str(FER_S))
        ours: dict[int, Recording] = {}
        for n in CLASSIFIER_COUNTS:
            self._step(f"round {number}: affectline, classifiers: {n}")
            ours[n] = self.run_lossless(n)
        return Round(paper, fer, ours)

    def live(self) -> list[Live]:
        """One stream at 30 frames a second, then four."""
        clip = write_live_clip(self.clip, self._folder / "live.mp4")
        found = [self._live(clip, 1, 1)]
        return found + [self._live(clip, STREAMS, n) for n in CLASSIFIER_COUNTS]

    def _live(self, clip: Clip, streams: int, classifiers: int) -> Live:
        self._step(f"live, streams: {streams}, classifiers: {classifiers}")
        sources = [f"--source=s{i}={clip.path}" for i in range(1, streams + 1)]
        recording = self.run_pipeline(
            *sources, "--delivery=live", "--pace=realtime", f"--classifiers={classifiers}"
        )
        emotions = list(recording.emotions.values())
        seen = [one for one in emotions if is_classified(one)]
        latencies = sorted((one.published_at - one.captured_at) / 1e6 for one in seen)
        slow = [one for one in seen if one.published_at - one.captured_at > P99_MS * 1e6]
        earliest = min(one.captured_at for one in seen)
        first, last, frames = recording.steady()
        offered = streams * clip.frames
        per_emotion = recording.cpu_ms()
        # In the steady state as many frames are offered as the rate says, with a result or not
        share = frames / (RATE * streams * (last.at - first.at) / 1e9)
        return Live(
            streams=streams,
            classifiers=classifiers,
            offered=offered,
            answered=recording.summary["frames"],
            skipped=recording.summary["skipped"] + offered - recording.summary["frames"],
            slow=len(slow),
            slow_at_first=sum(one.captured_at < earliest + 1e9 for one in slow),
            p50=_quantile(latencies, 0.5),
            p95=_quantile(latencies, 0.95),
            p99=_quantile(latencies, 0.99),
            stages={k: statistics.median(v) for k, v in stages(seen).items() if v},
            stages_p99={k: _quantile(sorted(v), 0.99) for k, v in stages(seen).items() if v},
            cores=recording.cores(),
            other_cores=recording.other_cores(),
            cpu_ms={kind: ms * share for kind, ms in per_emotion.items()},
        )

    def dashboard_load(self) -> list[DashboardLoad]:
        """Load by pages in a browser; empty if there is no browser."""
        if not shutil.which(CHROMIUM) or find_spec("playwright") is None:
            return []
        clip = write_live_clip(self.clip, self._folder / "viewing.mp4")
        return dashboard_load.measure(clip.path, self._folder, self._report_step, self._idle_gate)

    def detector_times(self) -> list[ClipTimes]:
        """CPU time of the detector's stage on the shared clips, where they are at hand."""
        return detector_times.measure_clips([film.path for film in find_clips()], self._step)

    def recall(self, films: Sequence[Film]) -> list[FilmRecall]:
        """What the detector finds in films."""
        return recall.measure_films(films, self._step)

    def first_emotion(self) -> FirstEmotion:
        """Time from the command to its first emotion, several times."""
        received, reported = [], []
        for i in range(1, STARTS + 1):
            self._step(f"start {i}")
            recording = self.run_lossless(only_first=True)
            received.append(recording.first_s)
            # It is stopped as soon as one arrives here, which may be before the command has one.
            if (own := recording.summary["first_emotion_s"]) is not None:
                reported.append(own)
        return FirstEmotion(received=Spread.of(received), reported=Spread.of(reported))


def measure_part(step: Step, measure_it: Callable[[Session], Part]) -> Part:
    """Measure one part alone."""
    with tempfile.TemporaryDirectory(prefix="affectline-bench-") as folder:
        return measure_it(Session(Path(folder), step))


def measure(step: Step, clock: Callable[[], float], films: Sequence[Film]) -> Results:
    """Measure everything.

    Args:
        step: Called with the name of each measurement as it begins.
        clock: The time in seconds.
        films: Where faces are looked for.
    """
    started, machine, before = clock(), describe_machine(), psutil.cpu_times()
    with tempfile.TemporaryDirectory(prefix="affectline-bench-") as folder:
        session = Session(Path(folder), step)
        memory = session.memory()
        paper, fer, ours = session.throughput()
        live = session.live()
        first = session.first_emotion()
        pages = session.dashboard_load()
        detector, found = session.detector_times(), session.recall(films)
        step("small operations")
        small = micro_benchmarks.measure(session.clip.path)
    clip, after = session.clip, psutil.cpu_times()
    stolen = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)
    machine.stolen_percent = 100 * stolen / (sum(after) - sum(before))
    return Results(
        machine=machine, clip=clip.path.name, size=clip.size, clip_frames=clip.frames,
        paper=paper, fer=fer, ours=ours, live=live, memory=memory, first=first, micro=small,
        duration_s=clock() - started, dashboard_load=pages, detector=detector, recall=found,
    )  # fmt: skip


def _baseline(runs: list[dict[str, Any]]) -> Baseline:
    names = (
        "rate",
        "cpu_ms",
        "cores",
        "other_cores",
        "detect_ms",
        "classify_ms",
        "first_s",
        "peak_mb",
    )
    spreads = {name: Spread.of(run[name] for run in runs) for name in names}
    frames = min(run["frames"] for run in runs)
    return Baseline(frames=frames, versions=runs[0]["versions"], **spreads)


def _throughput(classifiers: int, runs: list[Recording]) -> Throughput:
    cpu = [run.cpu_ms() for run in runs]
    return Throughput(
        classifiers=classifiers,
        rate=Spread.of(run.rate() for run in runs),
        whole_rate=Spread.of(len(run.emotions) / run.seconds for run in runs),
        cores=Spread.of(run.cores() for run in runs),
        other_cores=Spread.of(run.other_cores() for run in runs),
        cpu_ms={kind: Spread.of(one[kind] for one in cpu) for kind in cpu[0]},
        observer_ms=Spread.of(1e3 * run.observer_cpu_s / len(run.emotions) for run in runs),
        frames=min(run.summary["frames"] for run in runs),
    )


def _quantile(ordered: Iterable[float], q: float) -> float:
    values = list(ordered)
    return values[min(len(values) - 1, int(q * len(values)))]
