"""The measurements, each made of a few runs."""

import statistics
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import psutil

from tests.benchmarks import micro
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
)
from tests.benchmarks.targets import P99_MS, RATE, STREAMS

ROUNDS: Final = 3
PAPER_S: Final = 15.0
FER_S: Final = 12.0
STARTS: Final = 5
INSTANCES: Final = (1, 2)
"""Numbers of classifier processes that are compared."""
PATIENCE_S: Final = 90.0
"""How long to wait in all for other work on the machine to pause."""
Step = Callable[[str], None]
"""Told what begins."""
STEPS: Final = 1 + ROUNDS * (2 + len(INSTANCES)) + 1 + len(INSTANCES) + STARTS + 1


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
        paper: list[dict[str, Any]] = []
        fer: list[dict[str, Any]] = []
        ours: dict[int, list[Recording]] = {n: [] for n in INSTANCES}
        for i in range(1, ROUNDS + 1):
            self._step(f"round {i}: the paper's way")
            paper.append(run_baseline("paper", clip, str(PAPER_S), *weights))
            self._step(f"round {i}: fer")
            fer.append(run_baseline("fer", clip, str(FER_S)))
            for n, runs in ours.items():
                self._step(f"round {i}: affectline, classifiers: {n}")
                runs.append(self.fast(n))
        return _baseline(paper), _baseline(fer), [_throughput(n, ours[n]) for n in INSTANCES]

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
            answered=len(answers),
            skipped=offered - len(seen),
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

    def first_emotion(self) -> FirstEmotion:
        """Time from the command to its first emotion, several times."""
        heard, reported = [], []
        for i in range(1, STARTS + 1):
            self._step(f"start {i}")
            recording = self.fast(only_first=True)
            heard.append(recording.first_s)
            reported.append(recording.summary["first_emotion_s"])
        return FirstEmotion(heard=Spread.of(heard), reported=Spread.of(reported))


def measure(step: Step, clock: Callable[[], float]) -> Results:
    """Measure everything."""
    begun, machine, before = clock(), describe(), psutil.cpu_times()
    with tempfile.TemporaryDirectory(prefix="affectline-bench-") as folder:
        session = Session(Path(folder), step)
        memory = session.memory()
        paper, fer, ours = session.throughput()
        live = session.live()
        first = session.first_emotion()
        step("small operations")
        small = micro.measure(session.clip.path)
    clip, after = session.clip, psutil.cpu_times()
    stolen = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)
    machine.stolen_percent = 100 * stolen / (sum(after) - sum(before))
    return Results(
        machine=machine, clip=clip.path.name, size=clip.size, clip_frames=clip.frames,
        paper=paper, fer=fer, ours=ours, live=live, memory=memory, first=first, micro=small,
        took_s=clock() - begun,
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
        frames=min(len(run.answers) for run in runs),
    )


def _quantile(ordered: Iterable[float], q: float) -> float:
    values = list(ordered)
    return values[min(len(values) - 1, int(q * len(values)))]
