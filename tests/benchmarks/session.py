"""The measurements, each made of a few runs."""

import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from tests.benchmarks import dashboard_load, micro_benchmarks
from tests.benchmarks.clips import WEIGHTS, Clip, at_live_rate, choose
from tests.benchmarks.environment import Quiet, describe, run_baseline
from tests.benchmarks.pipeline import MB, Observer, Recording, looked_at, stages
from tests.benchmarks.results import (
    Baseline,
    FirstEmotion,
    Live,
    Memory,
    Results,
    Spread,
    Throughput,
    Viewing,
)
from tests.benchmarks.targets import DISTURBED_CORES, P99_MS, RATE, STREAMS
from tests.browsers import CHROMIUM

ROUNDS: Final = 3
SPARE_ROUNDS: Final = 1
"""Rounds more where other work disturbed one; the quietest count."""
PAPER_S: Final = 15.0
FER_S: Final = 12.0
STARTS: Final = 5
INSTANCES: Final = (1, 2)
"""Numbers of classifier processes that are compared."""
PATIENCE_S: Final = 60.0
"""How long to wait in all for other work on the machine to pause."""
Step = Callable[[str], None]
"""Told what begins."""
STEPS: Final = (
    (ROUNDS + SPARE_ROUNDS) * (2 + len(INSTANCES))
    + len(INSTANCES)
    + STARTS
    + 3
    + dashboard_load.STEPS
)


class Round(NamedTuple):
    """One run of each program, one after the other."""

    paper: dict[str, Any]
    fer: dict[str, Any]
    ours: dict[int, Recording]

    @property
    def others(self) -> float:
        """Most cores that other work took from one of the programs."""
        return max(
            float(self.paper["others"]),
            float(self.fer["others"]),
            *(one.others() for one in self.ours.values()),
        )


class Session:
    """One run of all measurements.

    Args:
        folder: For what is needed meanwhile.
        step: Told of each measurement as it begins.
    """

    def __init__(self, folder: Path, step: Step) -> None:
        self._folder, self._say, self._quiet = folder, step, Quiet(PATIENCE_S)
        self._runs = 0
        self.clip = choose()

    def _step(self, name: str) -> None:
        self._say(name)
        self._quiet.wait()

    def up(self, *arguments: str, memory: bool = False, only_first: bool = False) -> Recording:
        """Run the pipeline once."""
        self._runs += 1
        out = self._folder / f"run{self._runs}"
        return Observer(out, *arguments, memory=memory).run(only_first=only_first)

    def fast(self, classifiers: int | None = None, **options: bool) -> Recording:
        """Run the clip lossless and as fast as it goes."""
        chosen = ["--classifiers", str(classifiers)] if classifiers else []
        source = ["--source", f"clip={self.clip.path}"]
        return self.up(*source, "--delivery", "lossless", "--pace", "fast", *chosen, **options)

    def memory(self) -> Memory:
        """Peak memory of a run of one stream."""
        self._step("memory")
        samples = self.fast(memory=True).samples
        most = max(samples, key=lambda sample: sample.total("rss"))
        return Memory(
            rss=most.total("rss") / MB,
            pss=max(sample.total("pss") for sample in samples) / MB,
            processes={
                kind: (use.rss / MB, use.pss / MB, use.uss / MB) for kind, use in most.kinds.items()
            },
        )

    def throughput(self) -> tuple[Baseline, Baseline, list[Throughput]]:
        """Take turns between the baselines and ours, so that a slow minute hits all alike."""
        weights = [str(WEIGHTS)] if WEIGHTS.exists() else []
        clip = str(self.clip.path)
        rounds: list[Round] = []
        while len(rounds) < ROUNDS + SPARE_ROUNDS:
            if sum(one.others < DISTURBED_CORES for one in rounds) >= ROUNDS:
                break
            rounds.append(self._round(len(rounds) + 1, clip, weights))
        rounds = sorted(rounds, key=lambda one: one.others)[:ROUNDS]
        ours = [_throughput(n, [one.ours[n] for one in rounds]) for n in INSTANCES]
        paper, fer = ([one.paper for one in rounds], [one.fer for one in rounds])
        return _baseline(paper), _baseline(fer), ours

    def _round(self, number: int, clip: str, weights: list[str]) -> "Round":
        self._step(f"round {number}: the paper's way")
        paper = run_baseline("paper", clip, str(PAPER_S), *weights)
        self._step(f"round {number}: fer")
        fer = run_baseline("fer", clip, str(FER_S))
        ours: dict[int, Recording] = {}
        for n in INSTANCES:
            self._step(f"round {number}: affectline, classifiers: {n}")
            ours[n] = self.fast(n)
        return Round(paper, fer, ours)

    def live(self) -> list[Live]:
        """One stream at 30 frames a second, then four."""
        clip = at_live_rate(self.clip, self._folder / "live.mp4")
        found = [self._live(clip, 1, 1)]
        return found + [self._live(clip, STREAMS, n) for n in INSTANCES]

    def _live(self, clip: Clip, streams: int, classifiers: int) -> Live:
        self._step(f"live, streams: {streams}, classifiers: {classifiers}")
        sources = [f"--source=s{i}={clip.path}" for i in range(1, streams + 1)]
        recording = self.up(
            *sources, "--delivery=live", "--pace=realtime", f"--classifiers={classifiers}"
        )
        answers = list(recording.answers.values())
        seen = [one for one in answers if looked_at(one)]
        latencies = sorted((one.published_at - one.captured_at) / 1e6 for one in seen)
        slow = [one for one in seen if one.published_at - one.captured_at > P99_MS * 1e6]
        earliest = min(one.captured_at for one in seen)
        first, last, frames = recording.steady()
        offered = streams * clip.frames
        per_answer = recording.cpu_ms()
        # In the steady state as many frames are offered as the rate says, answered or not
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
            worst={k: _quantile(sorted(v), 0.99) for k, v in stages(seen).items() if v},
            cores=recording.cores(),
            others=recording.others(),
            cpu_ms={kind: ms * share for kind, ms in per_answer.items()},
        )

    def viewing(self) -> list[Viewing]:
        """Pages in a browser; nothing where there is none."""
        if not shutil.which(CHROMIUM) or find_spec("playwright") is None:
            return []
        clip = at_live_rate(self.clip, self._folder / "viewing.mp4")
        return dashboard_load.measure(clip.path, self._folder, self._say, self._quiet)

    def first_emotion(self) -> FirstEmotion:
        """Time from the command to its first emotion, several times."""
        heard, reported = [], []
        for i in range(1, STARTS + 1):
            self._step(f"start {i}")
            recording = self.fast(only_first=True)
            heard.append(recording.first_s)
            # It is stopped as soon as we hear one; now and then it has not heard that itself.
            if (own := recording.summary["first_emotion_s"]) is not None:
                reported.append(own)
        return FirstEmotion(heard=Spread.of(heard), reported=Spread.of(reported))


def measure_viewing(step: Step) -> list[Viewing]:
    """Measure the pages alone."""
    with tempfile.TemporaryDirectory(prefix="affectline-bench-") as folder:
        return Session(Path(folder), step).viewing()


def measure(step: Step, clock: Callable[[], float]) -> Results:
    """Measure everything."""
    begun, machine, before = clock(), describe(), psutil.cpu_times()
    with tempfile.TemporaryDirectory(prefix="affectline-bench-") as folder:
        session = Session(Path(folder), step)
        memory = session.memory()
        paper, fer, ours = session.throughput()
        live = session.live()
        first = session.first_emotion()
        pages = session.viewing()
        step("small operations")
        small = micro_benchmarks.measure(session.clip.path)
    clip, after = session.clip, psutil.cpu_times()
    stolen = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)
    machine.stolen_percent = 100 * stolen / (sum(after) - sum(before))
    return Results(
        machine=machine, clip=clip.path.name, size=clip.size, clip_frames=clip.frames,
        paper=paper, fer=fer, ours=ours, live=live, memory=memory, first=first, micro=small,
        took_s=clock() - begun, viewing=pages,
    )  # fmt: skip


def _baseline(runs: list[dict[str, Any]]) -> Baseline:
    names = ("rate", "cpu_ms", "cores", "others", "detect_ms", "judge_ms", "first_s", "peak_mb")
    spreads = {name: Spread.of(run[name] for run in runs) for name in names}
    frames = min(run["frames"] for run in runs)
    return Baseline(frames=frames, versions=runs[0]["versions"], **spreads)


def _throughput(classifiers: int, runs: list[Recording]) -> Throughput:
    cpu = [run.cpu_ms() for run in runs]
    return Throughput(
        classifiers=classifiers,
        rate=Spread.of(run.rate() for run in runs),
        whole_rate=Spread.of(len(run.answers) / run.seconds for run in runs),
        cores=Spread.of(run.cores() for run in runs),
        others=Spread.of(run.others() for run in runs),
        cpu_ms={kind: Spread.of(one[kind] for one in cpu) for kind in cpu[0]},
        observer_ms=Spread.of(1e3 * run.observer_cpu_s / len(run.answers) for run in runs),
        frames=min(run.summary["frames"] for run in runs),
    )


def _quantile(ordered: Iterable[float], q: float) -> float:
    values = list(ordered)
    return values[min(len(values) - 1, int(q * len(values)))]
