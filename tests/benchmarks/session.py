"""One session of all measurements, each made of a few runs."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import psutil
import yaml

from tests.benchmarks import (
    dashboard_load,
    detector_times,
    floor,
    full_hd_cameras,
    hour_page,
    micro_benchmarks,
    recall,
    short_commands,
)
from tests.benchmarks.clips import LIVE_FRAMES, WEIGHTS, Clip, choose_clip, read_rate
from tests.benchmarks.dashboard_load import watching
from tests.benchmarks.environment import IdleGate, describe_machine, run_baseline
from tests.benchmarks.films import Film, find_clips
from tests.benchmarks.made_films import FilmShelf
from tests.benchmarks.noise import DISTURBED_CORES, NoiseMeter
from tests.benchmarks.pipeline import MB, PATIENCE_S, Observer, Recording
from tests.benchmarks.results import (
    Baseline,
    ClipTimes,
    DashboardLoad,
    FilmRecall,
    FirstEmotion,
    FullHdSource,
    GrowthPoint,
    Live,
    Lossless,
    Memory,
    Micro,
    RecordCost,
    Results,
    Spread,
    Throughput,
)
from tests.benchmarks.run_figures import summarise_live, summarise_lossless
from tests.benchmarks.targets import (
    BESIDE,
    MOST_STREAMS,
    P99_MS,
    PART_WITH_ALL,
    RATE,
    STREAMS,
)
from tests.browsers import CHROMIUM, free_web_port

ROUNDS: Final = 3
SPARE_ROUNDS: Final = 1
"""Further rounds if other work disturbed one; the least disturbed count."""
PAPER_S: Final = 7.0
FER_S: Final = 5.0
STARTS: Final = 5
CLASSIFIER_COUNTS: Final = (1,)
"""Numbers of classifier processes in the runs of one film."""
STREAM_CLASSIFIERS: Final = (1, 2)
"""Numbers of classifier processes that are compared for several streams."""
GROWTH_STREAMS: Final = (1, 2, 3)
"""Short runs, in which memory is read; the other numbers have runs of their own."""
GROWTH_FRAMES: Final = 180
FACES: Final = (1, 2, 4, 8)
FACES_FRAMES: Final = 240
SIZES: Final = (((1280, 720), 210), ((3840, 2160), 100))
"""Frame sizes and numbers of frames, beside those of the clip and of full HD."""
FULL_HD: Final = (1920, 1080)
FULL_HD_FRAMES: Final = 300
LONG_S: Final = 600.0
LONG_PATIENCE_S: Final = 420.0
LENGTHS: Final = ((7200.0, 1200),)
"""Seconds and frames of films that are long for another reason than their number of frames."""
MAX_IDLE_WAIT_S: Final = 60.0
"""How long to wait in all for the machine to be idle."""
Part = TypeVar("Part")
Step = Callable[[str], None]
"""Called with the name of each measurement as it begins."""
STEPS: Final = (
    (ROUNDS + SPARE_ROUNDS) * (3 + len(CLASSIFIER_COUNTS))
    + 3 + len(STREAM_CLASSIFIERS) + len(GROWTH_STREAMS)
    + 2 + len(full_hd_cameras.FORMATS) + len(FACES) + len(SIZES) + 1 + len(LENGTHS)
    + STARTS + 9 + dashboard_load.STEPS
)  # fmt: skip
"""Beside one for each clip of the detector's times."""


class Round(NamedTuple):
    """One run of each program, one after the other."""

    paper: dict[str, Any]
    fer: dict[str, Any]
    ours: dict[int, Recording]
    recorded: Recording
    """With one classifier, and a recorder."""
    recorded_bytes: int

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
        self.films = FilmShelf(self.clip)
        self.meter = NoiseMeter()
        self.not_measured: dict[str, str] = {}

    def _step(self, name: str) -> None:
        self._report_step(name)
        self._idle_gate.wait()

    def needed(self, name: str, measure: Callable[[], Part]) -> Part:
        """Measure a part without which there are no results."""
        with self.meter.part(name):
            return measure()

    def optional(self, name: str, measure: Callable[[], Part]) -> Part | None:
        """Measure a part; None where that failed, and why is noted."""
        try:
            return self.needed(name, measure)
        except Exception as error:  # whatever it is, the other parts count
            self.not_measured[name] = describe_failure(error)
            return None

    def run_pipeline(
        self,
        *arguments: str,
        memory: bool = False,
        only_first: bool = False,
        until: int | None = None,
        patience_s: float = PATIENCE_S,
    ) -> Recording:
        """Run the pipeline once."""
        observer = Observer(self._out(), *arguments, memory=memory, patience_s=patience_s)
        return observer.run(only_first=only_first, until=until)

    def _out(self) -> Path:
        self._runs += 1
        return self._folder / f"run{self._runs}"

    def run_lossless(
        self, classifiers: int | None = None, *more: str, clip: Clip | None = None, **options: Any
    ) -> Recording:
        """Run a film in lossless delivery, as fast as possible; None: the clip."""
        chosen = ["--classifiers", str(classifiers)] if classifiers else []
        source = ["--source", f"clip={(clip or self.clip).path}"]
        return self.run_pipeline(
            *source, "--delivery", "lossless", "--pace", "fast", *chosen, *more, **options
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

    def throughput(self) -> list[Round]:
        """Alternate between all programs, so that a slow minute affects all alike."""
        weights = [str(WEIGHTS)] if WEIGHTS.exists() else []
        clip = str(self.clip.path)
        rounds: list[Round] = []
        while len(rounds) < ROUNDS + SPARE_ROUNDS:
            if sum(one.other_cores < DISTURBED_CORES for one in rounds) >= ROUNDS:
                break
            rounds.append(self._round(len(rounds) + 1, clip, weights))
        return sorted(rounds, key=lambda one: one.other_cores)[:ROUNDS]

    def _round(self, number: int, clip: str, weights: list[str]) -> Round:
        self._step(f"round {number}: the paper's way")
        paper = run_baseline("paper", clip, str(PAPER_S), *weights)
        self._step(f"round {number}: fer")
        fer = run_baseline("fer", clip, str(FER_S))
        ours: dict[int, Recording] = {}
        for n in CLASSIFIER_COUNTS:
            self._step(f"round {number}: affectline, classifiers: {n}")
            ours[n] = self.run_lossless(n)
        self._step(f"round {number}: affectline, recording")
        recorded = self.run_lossless(1, "--record")
        file = self._folder / f"run{self._runs}" / "session.mcap"
        return Round(paper, fer, ours, recorded, file.stat().st_size)

    def live(self) -> list[Live]:
        """One stream at 30 frames a second, then several."""
        clip = self.films.live(LIVE_FRAMES)
        found = [self._live(clip, 1, 1)]
        found += [self._live(clip, STREAMS, n) for n in STREAM_CLASSIFIERS]
        best = min(found[1:], key=lambda one: one.skipped_percent).classifiers
        found.append(self._live(clip, MOST_STREAMS, best))
        return found

    def few_streams(self) -> list[Live]:
        """Short runs with more and more streams, in which memory is read."""
        clip = self.films.live(GROWTH_FRAMES)
        return [self._live(clip, n, 1, memory=True) for n in GROWTH_STREAMS]

    def _live(self, clip: Clip, streams: int, classifiers: int, *, memory: bool = False) -> Live:
        what = "live, memory" if memory else "live"
        self._step(f"{what}, streams: {streams}, classifiers: {classifiers}")
        sources = [f"--source=s{i}={clip.path}" for i in range(1, streams + 1)]
        recording = self.run_pipeline(
            *sources, "--delivery=live", "--pace=realtime", f"--classifiers={classifiers}",
            memory=memory,
        )  # fmt: skip
        return summarise_live(
            recording, clip, streams, classifiers, slow_ms=P99_MS, rate=RATE, memory=memory
        )

    def live_with_all(self) -> Live:
        """One stream, recorded, with simulated sensors and a page that somebody looks at."""
        clip = self.films.live(LIVE_FRAMES)
        self._step(f"live, {BESIDE}")
        port = free_web_port()
        content = {
            "delivery": "live", "pace": "realtime", "recording": {"record": True},
            "sources": [{"name": "s1", "source": str(clip.path)}],
            "biometrics": [{"driver": "synthetic", "subject": "demo"}],
            "sink": {"display": "browser"},
            "dashboard": {"port": port, "sessions": str(self._folder / "s"), "open_browser": False},
        }  # fmt: skip
        file = self._folder / "all.yaml"
        file.write_text(yaml.safe_dump(content))
        observer = Observer(self._out(), f"--config={file}")
        with watching(f"http://127.0.0.1:{port}/"):
            recording = observer.run(until=clip.frames)
        return summarise_live(recording, clip, 1, 1, slow_ms=P99_MS, beside=BESIDE, rate=RATE)

    def full_hd(self) -> list[FullHdSource]:
        """Frames of 1920x1080: of a film, and of cameras where there are any."""
        clip = self.films.enlarge(FULL_HD, FULL_HD_FRAMES)
        self._step("1920x1080, live")
        live = self.run_pipeline(f"--source=clip={clip.path}", "--delivery=live", "--pace=realtime")
        self._step("1920x1080, lossless")
        fast = self.run_lossless(clip=clip)
        found = [
            FullHdSource(
                name="film", live=summarise_live(live, clip, 1, 1, slow_ms=P99_MS, rate=RATE),
                lossless=summarise_lossless(fast, clip, clip.frames / RATE),
            )
        ]  # fmt: skip
        return found + [self._camera(pixels, clip) for pixels in full_hd_cameras.FORMATS]

    def _camera(self, pixels: full_hd_cameras.PixelFormat, clip: Clip) -> FullHdSource:
        name = f"camera, {pixels.name}"
        self._step(f"1920x1080, {name}")
        opener = full_hd_cameras.find_camera(pixels)
        if isinstance(opener, str):
            return FullHdSource(name=name, reason=opener)
        try:
            with opener(clip, self._folder) as camera:
                observer = Observer(self._out(), *camera.arguments, environment=camera.environment)
                recording = observer.run()
                offered = 1 + max(seq for _, seq in recording.emotions) + camera.count_lost()
            shown = clip._replace(frames=offered)
            live = summarise_live(recording, shown, 1, 1, slow_ms=P99_MS, rate=RATE)
        except Exception as error:  # the film counts without the camera
            return FullHdSource(name=name, reason=describe_failure(error))
        return FullHdSource(name=name, live=live)

    def faces(self) -> list[GrowthPoint]:
        """One face in a frame, then more."""
        points = []
        for count in FACES:
            clip = self.films.faces(count, FACES_FRAMES)
            self._step(f"faces: {count}")
            run = summarise_lossless(self.run_lossless(clip=clip), clip, clip.frames / RATE)
            points.append(_point(count, run))
        return points

    def sizes(self) -> list[GrowthPoint]:
        """Frames of several sizes, in megapixels; those of other parts are added later."""
        points = []
        for size, frames in SIZES:
            clip = self.films.enlarge(size, frames)
            self._step(f"{size[0]}x{size[1]}, lossless")
            run = summarise_lossless(self.run_lossless(clip=clip), clip, clip.frames / RATE)
            points.append(_point(_megapixels(size), run))
        return points

    def long_film(self) -> Lossless:
        """A film of ten minutes."""
        rate = read_rate(self.clip.path)
        return self._lossless_film(LONG_S, round(LONG_S * rate), None)

    def lengths(self) -> list[GrowthPoint]:
        """A film of two hours, at a low rate; others are added later."""
        return [
            _point(seconds / 60, self._lossless_film(seconds, frames, frames / seconds))
            for seconds, frames in LENGTHS
        ]

    def _lossless_film(self, seconds: float, frames: int, rate: float | None) -> Lossless:
        clip = self.films.loop(frames, rate)
        self._step(f"film of {seconds / 60:g} minutes")
        run = self.run_lossless(clip=clip, patience_s=LONG_PATIENCE_S)
        return summarise_lossless(run, clip, seconds)

    def dashboard_load(self) -> list[DashboardLoad]:
        """Load by pages in a browser; empty if there is no browser."""
        if not shutil.which(CHROMIUM) or find_spec("playwright") is None:
            return []
        clip = self.films.live(LIVE_FRAMES)
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
        # All may be stopped so early
        return FirstEmotion(received=Spread.of(received), reported=Spread.of(reported or received))

    def measure_short(self, results: Results) -> None:
        """Measure what needs no networks: short commands, an hour's session, lists of sessions."""
        results.commands = self.optional("commands", self._with_step(
            "commands", short_commands.measure_commands
        ))  # fmt: skip
        hour = self.optional("hour", self._with_step("an hour's session", short_commands.find_hour))
        if hour is None:
            return
        results.report = self.optional("report", self._with_step(
            "report", lambda: short_commands.measure_report(hour, self._folder)
        ))  # fmt: skip
        results.replay = self.optional("replay", self._with_step(
            "replay", lambda: short_commands.measure_replay(hour, self._folder)
        ))  # fmt: skip
        if reason := hour_page.has_browser():
            self.not_measured["page"] = reason
        else:
            results.hour_page = self.optional("page", self._with_step(
                "page of an hour", lambda: hour_page.measure_hour_page(hour, self._folder)
            ))  # fmt: skip

    def small_operations(self) -> list[Micro]:
        """Small operations, each alone in this process."""
        self._step("small operations")
        return micro_benchmarks.measure(self.clip.path)

    def sessions(self) -> list[GrowthPoint]:
        """Lists of more and more sessions."""
        self._step("lists of sessions")
        self.run_lossless(1, "--privacy", "features")
        recorded = self._folder / f"run{self._runs}"
        return short_commands.measure_sessions(recorded, self._folder)

    def floor(self) -> Any:
        """What the arithmetic costs at the least."""
        self._step("floor")
        return floor.measure_floor(self.clip.path)

    def _with_step(self, name: str, measure_it: Callable[[], Part]) -> Callable[[], Part]:
        def run() -> Part:
            self._step(name)
            return measure_it()

        return run


def describe_failure(error: Exception) -> str:
    """The last line of an error, in one line."""
    lines = str(error).strip().splitlines()
    return lines[-1][:300] if lines else type(error).__name__


@contextmanager
def opened(step: Step) -> Iterator[Session]:
    """A session with a folder of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="affectline-bench-") as folder:
        yield Session(Path(folder), step)


def measure(step: Step, clock: Callable[[], float] = time.monotonic) -> Results:
    """Measure everything.

    Args:
        step: Called with the name of each measurement as it begins.
        clock: The time in seconds.
    """
    machine = describe_machine()
    with opened(step) as session:
        make_films(session.films)
        started, before = clock(), psutil.cpu_times()
        memory = session.needed("memory", session.memory)
        rounds = session.needed("throughput", session.throughput)
        live = session.needed("live", session.live)
        first = session.needed("first emotion", session.first_emotion)
        small = session.needed("small operations", session.small_operations)
        results = Results(
            machine=machine, clip=session.clip.path.name, size=session.clip.size,
            clip_frames=session.clip.frames, paper=_baseline([one.paper for one in rounds]),
            fer=_baseline([one.fer for one in rounds]),
            ours=[_throughput(n, [one.ours[n] for one in rounds]) for n in CLASSIFIER_COUNTS],
            live=live, memory=memory, first=first, micro=small, duration_s=0.0,
            record=_record_cost(rounds, session.clip),
        )  # fmt: skip
        _measure_rest(session, results)
        _add_growth(results, rounds, session.clip)
        results.noise, results.part_s = session.meter.noise(), session.meter.seconds()
        results.not_measured = session.not_measured
        results.duration_s = clock() - started
    after = psutil.cpu_times()
    stolen = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)
    machine.stolen_percent = 100 * stolen / (sum(after) - sum(before))
    return results


def _measure_rest(session: Session, results: Results) -> None:
    """Measure what may fail by itself."""
    if with_all := session.optional(PART_WITH_ALL, session.live_with_all):
        results.live.insert(1, with_all)
    results.long_film = session.optional("long film", session.long_film)
    results.full_hd = session.optional("full HD", session.full_hd) or []
    results.live += session.optional("streams", session.few_streams) or []
    for name, measure_it in (
        ("faces", session.faces), ("sizes", session.sizes), ("lengths", session.lengths),
        ("sessions", session.sessions),
    ):  # fmt: skip
        results.growth[name] = session.optional(name, measure_it) or []
    session.measure_short(results)
    results.floor = session.optional("floor", session.floor)
    results.dashboard_load = session.optional("dashboard", session.dashboard_load) or []
    results.detector = session.optional("detector", session.detector_times) or []


def make_films(films: FilmShelf) -> None:
    """Make the films that are not there yet, so that this takes no time of the run."""
    rate = read_rate(films.clip.path)
    films.live(LIVE_FRAMES)
    films.live(GROWTH_FRAMES)
    films.loop(round(LONG_S * rate))
    for seconds, frames in LENGTHS:
        films.loop(frames, frames / seconds)
    for size, frames in (*SIZES, (FULL_HD, FULL_HD_FRAMES)):
        films.enlarge(size, frames)
    for count in FACES:
        films.faces(count, FACES_FRAMES)


def _add_growth(results: Results, rounds: Sequence[Round], clip: Clip) -> None:
    """Add the points that other parts have measured."""
    base = summarise_lossless(rounds[0].ours[1], clip, clip.frames / read_rate(clip.path))
    sizes = [_point(_megapixels(clip.size), base)]
    if results.full_hd and (film := results.full_hd[0].lossless):
        sizes.append(_point(_megapixels(FULL_HD), film))
    results.growth["sizes"] = _in_order([*sizes, *results.growth["sizes"]])
    lengths = [_point(base.film_s / 60, base)]
    if results.long_film:
        lengths.append(_point(LONG_S / 60, results.long_film))
    results.growth["lengths"] = _in_order([*lengths, *results.growth["lengths"]])
    results.growth["streams"] = stream_points(results.live)


def stream_points(live: Sequence[Live]) -> list[GrowthPoint]:
    """One point for each number of streams, by the run that skipped the fewest frames."""
    by_number: dict[int, list[Live]] = {}
    for one in live:
        if not one.beside:
            by_number.setdefault(one.streams, []).append(one)
    points = []
    for number, runs in by_number.items():
        best = min(runs, key=lambda one: one.skipped_percent)
        figures = {
            "cpu_ms": sum(best.cpu_ms.values()), "p50_ms": best.p50, "p99_ms": best.p99,
            "skipped_percent": best.skipped_percent, "cores": best.cores,
        }  # fmt: skip
        for one in runs:
            if one.rss_mb is not None and one.pss_mb is not None:
                figures |= {"rss_mb": one.rss_mb, "pss_mb": one.pss_mb}
        points.append(GrowthPoint(at=number, figures=figures))
    return _in_order(points)


def _in_order(points: Sequence[GrowthPoint]) -> list[GrowthPoint]:
    return sorted(points, key=lambda point: point.at)


def _point(at: float, run: Lossless) -> GrowthPoint:
    figures = {
        "cpu_ms": run.frame_ms, "rate": run.rate, "whole_rate": run.whole_rate,
        "frames": run.frames, "faces": run.faces,
    } | {f"{kind}_ms": ms for kind, ms in run.cpu_ms.items()}  # fmt: skip
    if run.rss_mb:
        figures["rss_mb"] = max(run.rss_mb)
    return GrowthPoint(at=at, figures=figures)


def _megapixels(size: tuple[int, int]) -> float:
    return size[0] * size[1] / 1e6


def _record_cost(rounds: Sequence[Round], clip: Clip) -> RecordCost:
    pairs = [(one.ours[1].cpu_ms(), one.recorded.cpu_ms()) for one in rounds]
    return RecordCost(
        added_ms=Spread.of(sum(more.values()) - sum(less.values()) for less, more in pairs),
        recorder_ms=Spread.of(more.get("recorder", 0.0) for _, more in pairs),
        mb_per_s=rounds[0].recorded_bytes / MB / (clip.frames / read_rate(clip.path)),
    )


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
        cpu_ms={kind: Spread.of(one.get(kind, 0.0) for one in cpu) for kind in cpu[0]},
        observer_ms=Spread.of(1e3 * run.observer_cpu_s / len(run.emotions) for run in runs),
        frames=min(run.summary["frames"] for run in runs),
    )
