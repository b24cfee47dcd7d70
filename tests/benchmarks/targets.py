"""The targets, the measurements, and what limits the ones that are missed.

Times, rates and sizes are targets for a machine with VNNI, instructions for dot products of 8-bit
integers; ratios hold on every machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Required, Self, TypedDict, Unpack

from tests.benchmarks.noise import explain_noise
from tests.benchmarks.results import (
    Baseline,
    ClipTimes,
    FullHdSource,
    GrowthPoint,
    Live,
    Noise,
    Results,
    Throughput,
)
from tests.benchmarks.run_figures import LOST

PAPER_TIMES: Final = 40
FER_TIMES: Final = 9
FRAME_MS: Final = 9.0
"""CPU milliseconds of a frame of 640x360."""
LONG_PERCENT: Final = 5.0
"""How far the whole command may be behind the steady rate, on a film of ten minutes."""
SHORT_RATE: Final = 110.0
"""Frames a second of the whole command, on the clip of 20 s."""
P50_MS: Final = 8.0
P99_MS: Final = 30.0
MAX_MS: Final = 100.0
"""After the first second."""
SEVERAL_P99_MS: Final = 60.0
SKIPPED_PERCENT: Final = 1.0
STREAMS: Final = 4
MOST_STREAMS: Final = 6
FAIR_TIMES: Final = 1.1
"""The largest share of a stream in that of the smallest."""
RATE: Final = 30
FULL_HD_RATE: Final = 60.0
FACES_TIMES: Final = 2.5
"""Cost of eight faces in that of one."""
MEMORY_MB: Final = 450.0
STREAM_MB: Final = 60.0
FIRST_S: Final = 1.2
SHORT_MS: Final = 150.0
"""``import affectline`` and ``affectline --help``."""
RECORD_MS: Final = 0.5
REPLAY_RATE: Final = 500.0
REPORT_S: Final = 10.0
REPORT_MB: Final = 500.0
PAGE_MS: Final = 50.0
"""From one frame of a page to the next, of 95 in 100: what still looks fluent."""
FIRST_VIEWER_PERCENT: Final = 25.0
NET_TIMES: Final = 1.0
"""Time of ``haar+net`` in that of ``haar``."""
SIGNS_MS: Final = 5.0
"""CPU milliseconds that landmarks, pose and eyes may add to a face."""
SIGNS: Final = "landmarks + pose + eyes"
EXPECTED_MODEL_MS: Final = 2.3
"""Time of the model for a face on the machine for which the targets were set."""
BESIDE: Final = "recording, page and sensors"
"""What else the pipeline does in one of the live runs."""
PART_WITH_ALL: Final = "live with all"
"""Name of the part of the run that measures it."""
EARLIER: Final = "this run did not measure it"


class Target(NamedTuple):
    """One row of the table of targets."""

    key: str
    """Its name in the history."""
    name: str
    required: str
    measured: str
    met: bool | None
    """None: not measured, for the reason in ``limit``."""
    gap: str
    """Distance from the target."""
    limit: str
    """What limits it."""
    value: float | None = None
    unit: str = ""
    disturbed: str = ""
    """Why the measurement proves little; empty: it was quiet."""
    is_ratio: bool = False
    """A ratio, which holds on every machine, and proves nothing when disturbed: other work may slow
    either side."""
    is_judged: bool = True
    """Whether this machine is one for which the target was set."""

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, or why it is neither.

        ``undecided``: something else on the machine may be the cause. ``not judged here``: the
        target is for other machines.
        """
        if self.met is None:
            return "not measured"
        if not self.is_judged and not self.is_ratio:
            return "not judged here"
        if self.disturbed and (self.is_ratio or not self.met):
            return "undecided"
        return "met" if self.met else "missed"


class Facts(TypedDict, total=False):
    """What is known of a target beside its value; texts that are missing have defaults."""

    unit: Required[str]
    part: Required[str]
    """The part of the run that measured it."""
    limit: str
    """What limits it."""
    measured: str
    """The value in words."""
    required: str
    """What is wanted, in words."""
    reason: str
    """Why there is no value."""
    other_cores: float
    """Cores of other work, where the part's runs have counted them by themselves."""
    kind: Literal["time", "ratio", "memory"]
    """Other work changes times and rates, and ratios of them, but no memory."""


class Judge:
    """Makes targets of measurements.

    Args:
        noise: What disturbed each part of the run.
        not_measured: Parts that could not be measured, and why.
        has_vnni: Whether the machine is one for which times, rates and sizes are targets.
    """

    def __init__(
        self,
        noise: Mapping[str, Noise] = {},
        not_measured: Mapping[str, str] = {},
        *,
        has_vnni: bool = True,
    ) -> None:
        self._noise, self._not_measured, self._has_vnni = noise, not_measured, has_vnni

    @classmethod
    def of(cls, results: Results) -> Self:
        """A judge of a run."""
        has_vnni = results.machine.has_vnni
        return cls(results.noise, results.not_measured, has_vnni=has_vnni)

    def at_most(
        self, key: str, name: str, value: float | None, most: float, **facts: Unpack[Facts]
    ) -> Target:
        """A target that is met by values up to one; None: there is no value."""
        met = value is not None and value <= most
        return self._judge(key, name, value, most, f"at most {_with_unit(most, facts)}", met, facts)

    def at_least(
        self, key: str, name: str, value: float | None, least: float, **facts: Unpack[Facts]
    ) -> Target:
        """A target that is met by values from one on; None: there is no value."""
        met = value is not None and value >= least
        bound = f"at least {_with_unit(least, facts)}"
        return self._judge(key, name, value, least, bound, met, facts)

    def _judge(
        self, key: str, name: str, value: float | None, wanted: float, bound: str, met: bool,
        facts: Facts,
    ) -> Target:  # fmt: skip
        part, unit, required = facts["part"], facts["unit"], facts.get("required", bound)
        if value is None:
            reason = facts.get("reason") or self._not_measured.get(part, EARLIER)
            return Target(key, name, required, "", None, "", reason, unit=unit)
        kind = facts.get("kind", "time")
        return Target(
            key, name, required, facts.get("measured") or format_figure(value, unit), met,
            _gap(value, wanted, unit), facts.get("limit", ""), value, unit,
            "" if kind == "memory" else self._disturbance(part, facts.get("other_cores", 0.0)),
            kind == "ratio", self._has_vnni,
        )  # fmt: skip

    def _disturbance(self, part: str, other_cores: float) -> str:
        noise = self._noise.get(part) or Noise()
        most = max(noise.other_cores, other_cores)
        return explain_noise(noise.model_copy(update={"other_cores": most}))


def format_figure(value: float, unit: str) -> str:
    """A value with its unit, with as many digits as it deserves."""
    digits = 2 if unit in ("s", "times") or abs(value) < 1 else 1 if abs(value) < 100 else 0
    text = f"{value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}".strip()


def _with_unit(value: float, facts: Facts) -> str:
    return format_figure(value, facts["unit"])


def _gap(value: float, wanted: float, unit: str) -> str:
    if unit == "%":
        points = f"{abs(value - wanted):.1f} percentage points"
        return f"{points} {'over' if value > wanted else 'under'}"
    if not wanted:
        return "" if value == wanted else f"{format_figure(abs(value - wanted), unit)} over"
    return f"{abs(value / wanted - 1):.0%} {'above' if value >= wanted else 'below'}"


def vgg16_macs(side: int = 48) -> float:
    """Return the multiplications of VGG16's convolutions (Simonyan & Zisserman 2014)."""
    total, channels = 0, 3
    for block, (layers, filters) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))):
        for _ in range(layers):
            total += (side >> block) ** 2 * 9 * channels * filters
            channels = filters
    return float(total)


def compare_with_targets(results: Results) -> list[Target]:
    """Compare the results with all targets, the most important ones first."""
    judge = Judge.of(results)
    return [
        _throughput(judge, results, "paper", "the paper's way", results.paper, PAPER_TIMES),
        _throughput(judge, results, "fer", "`fer`", results.fer, FER_TIMES),
        _frame_cost(judge, results),
        *_whole_command(judge, results),
        *_latencies(judge, results),
        *_streams(judge, results),
        *_full_hd(judge, results),
        *_faces(judge, results),
        *_memory(judge, results),
        *_starts(judge, results),
        *_recordings(judge, results),
        *_pages(judge, results),
        *_detector(judge, results),
    ]


def least_skipping(results: Results, streams: int = STREAMS) -> Live | None:
    """Return the run of so many streams that skips the fewest frames."""
    several = [one for one in results.live if one.streams == streams and one.rss_mb is None]
    return min(several, key=lambda one: one.skipped_percent, default=None)


def find_live(results: Results, beside: str = "") -> Live | None:
    """Return the run of one stream, alone or beside something else."""
    found = (one for one in results.live if one.streams == 1 and one.rss_mb is None)
    return next((one for one in found if one.beside == beside), None)


def _throughput(
    judge: Judge, results: Results, key: str, name: str, base: Baseline, times: int
) -> Target:
    best, cores, rate = results.best, results.machine.cores, base.rate.median
    ours, wanted = best.rate.median, times * rate
    ceiling = ceiling_rate(results, best)
    limit = (
        f"A frame costs {best.frame_ms:.1f} ms of CPU time over all processes, so {cores} cores "
        f"give at most {ceiling:.0f} frames/s; {wanted:.0f} frames/s would take "
        f"{wanted * best.frame_ms / 1e3:.1f} such cores. {best.cores.median:.2f} cores were busy "
        f"with the pipeline. In CPU time a frame of {name} costs "
        f"{base.cpu_ms.median / best.frame_ms:.1f} times as much."
    )
    return judge.at_least(
        f"times_{key}", f"throughput against {name}", ours / rate, times,
        required=f"at least {times} times {rate:.1f} = {wanted:.0f} frames/s",
        measured=f"{ours:.1f} frames/s, {ours / rate:.1f} times", unit="times", part="throughput",
        other_cores=max(best.other_cores.median, base.other_cores.median), limit=limit,
        kind="ratio",
    )  # fmt: skip


def ceiling_rate(results: Results, one: Throughput) -> float:
    """Return frames a second if all cores spent all of their time on frames."""
    return results.machine.cores * 1e3 / one.frame_ms


def _frame_cost(judge: Judge, results: Results) -> Target:
    cpu_ms = {kind: spread.median for kind, spread in results.best.cpu_ms.items()}
    return judge.at_most(
        "frame_cpu_ms", "CPU time of a frame of 640x360, all processes", results.best.frame_ms,
        FRAME_MS, unit="ms", part="throughput", other_cores=results.best.other_cores.median,
        limit=_list_costs(cpu_ms),
    )  # fmt: skip


def _list_costs(cpu_ms: Mapping[str, float]) -> str:
    """CPU time of a frame by process, the dearest first."""
    dearest = sorted(cpu_ms.items(), key=lambda item: -item[1])
    return ", ".join(f"{kind} {ms:.1f} ms" for kind, ms in dearest) + "."


def _whole_command(judge: Judge, results: Results) -> Iterator[Target]:
    film = results.long_film
    yield judge.at_most(
        "long_film_loss_percent", "film of 10 minutes: whole command behind the steady rate",
        film.loss_percent if film else None, LONG_PERCENT, unit="%", part="long film", kind="ratio",
        measured=f"{film.loss_percent:.1f} % ({film.whole_rate:.0f} of {film.rate:.0f} frames/s)"
        if film
        else "",
        limit="What is more is spent on starting and ending.",
    )  # fmt: skip
    whole, best = results.best.whole_rate.median, results.best
    extra_s = best.frames / whole - best.frames / best.rate.median
    yield judge.at_least(
        "short_film_rate", "clip of 20 s, whole command", whole, SHORT_RATE, unit="frames/s",
        part="throughput", other_cores=best.other_cores.median,
        limit=f"Starting and ending take {extra_s:.1f} s, frames "
        f"{best.frames / best.rate.median:.1f} s.",
    )  # fmt: skip


def _latencies(judge: Judge, results: Results) -> Iterator[Target]:
    for key, beside, part in (("", "", "live"), ("all_", BESIDE, PART_WITH_ALL)):
        live = find_live(results, beside)
        what = f"live, one stream at {RATE} frames/s" + (f", with {beside}" if beside else "")
        if live is None:
            live_limit, p50, p99, longest, cores = "", None, None, None, 0.0
        else:
            live_limit, p50, p99, longest = _explain_latency(live), live.p50, live.p99, live.max_ms
            cores = live.other_cores
        for name, value, most in (
            ("p50", p50, P50_MS), ("p99", p99, P99_MS), ("longest after 1 s", longest, MAX_MS),
        ):  # fmt: skip
            short = name.split(" ")[0]
            yield judge.at_most(
                f"live_{key}{short}_ms", f"{what}: {name}", value, most, unit="ms", part=part,
                limit=live_limit, other_cores=cores,
            )  # fmt: skip


def _explain_latency(live: Live) -> str:
    medians, slowest = live.stages, live.stages_p99
    return (
        f"From capture to crops {medians['detect']:.1f} ms (99th percentile "
        f"{slowest['detect']:.1f}), to scores {medians['classify']:.1f} "
        f"({slowest['classify']:.1f}), to publication {medians['publish']:.1f} "
        f"({slowest['publish']:.1f}); {live.slow} of {live.offered} frames were slow, "
        f"{live.slow_at_first} of them in the first second."
    )


def _streams(judge: Judge, results: Results) -> Iterator[Target]:
    four, six = least_skipping(results), least_skipping(results, MOST_STREAMS)
    what = f"live, {STREAMS} streams at {RATE} frames/s"
    cores = four.other_cores if four else 0.0
    limit = _explain_skips(results, four) if four else ""
    yield judge.at_most(
        "four_skipped_percent", f"{what}: skipped", four.skipped_percent if four else None,
        SKIPPED_PERCENT, unit="%", part="live", limit=limit, other_cores=cores,
    )  # fmt: skip
    yield judge.at_most(
        "four_p99_ms", f"{what}: p99", four.p99 if four else None, SEVERAL_P99_MS, unit="ms",
        part="live", limit=_explain_latency(four) if four else "", other_cores=cores,
    )  # fmt: skip
    what = f"live, {MOST_STREAMS} streams at {RATE} frames/s"
    shares = ", ".join(f"{share:.0%}" for share in six.shares) if six else ""
    yield judge.at_most(
        "six_fairness", f"{what}: largest share of a stream in the smallest",
        six.fairness if six else None, FAIR_TIMES, unit="times", part="live", kind="ratio",
        limit=f"Classified: {shares}.",
    )  # fmt: skip
    reasons = f"{describe_reasons(six)}." if six else ""
    yield judge.at_most(
        "six_unexplained", f"{what}: skips without a reason",
        float(six.reasons.get(LOST, 0)) if six and six.shares else None, 0, unit="frames",
        part="live", limit=reasons, kind="ratio",
    )  # fmt: skip


def describe_reasons(live: Live) -> str:
    """What became of the frames that were skipped."""
    counts = ", ".join(f"{reason} {count}" for reason, count in live.reasons.items())
    return f"{live.skipped} of {live.offered} skipped" + (f": {counts}" if counts else "")


def _explain_skips(results: Results, live: Live) -> str:
    offered, cores = live.streams * live.rate, results.machine.cores
    cost = sum(live.cpu_ms.values())
    return (
        f"{describe_reasons(live)}. {live.streams} streams offer {offered:.0f} frames/s, and a "
        f"frame costs {cost:.1f} ms of CPU time, classified or not; {live.cores:.2f} of {cores} "
        f"cores were busy with the pipeline (classifiers: {live.classifiers})."
    )


def _full_hd(judge: Judge, results: Results) -> Iterator[Target]:
    film = next((one for one in results.full_hd if one.name == "film"), None)
    fast = film.lossless if film else None
    yield judge.at_least(
        "full_hd_rate", "film of 1920x1080, lossless", fast.rate if fast else None, FULL_HD_RATE,
        unit="frames/s", part="full HD",
        limit=_list_costs(fast.cpu_ms) if fast else "",
    )  # fmt: skip
    names = ("film", "camera, YUYV", "camera, MJPEG")
    by_name: dict[str, FullHdSource] = {one.name: one for one in results.full_hd}
    for name in names:
        source = by_name.get(name)
        live = source.live if source else None
        key = name.split(" ")[-1].lower()
        yield judge.at_most(
            f"full_hd_{key}_skipped_percent",
            f"live, 1920x1080 at {RATE} frames/s, {name}: skipped",
            live.skipped_percent if live else None, SKIPPED_PERCENT, unit="%", part="full HD",
            limit=_explain_skips(results, live) if live else "",
            reason=source.reason if source else "",
        )  # fmt: skip


def find_point(points: Sequence[GrowthPoint], at: float) -> GrowthPoint | None:
    """The figures at one size of something."""
    return next((point for point in points if point.at == at), None)


def _faces(judge: Judge, results: Results) -> Iterator[Target]:
    points = results.growth.get("faces", [])
    one, eight = find_point(points, 1), find_point(points, 8)
    for key, name in (("cpu_ms", "CPU time"), ("rate", "wall time, lossless")):
        ratio = None
        if one and eight:
            ratio = eight.figures[key] / one.figures[key]
            ratio = 1 / ratio if key == "rate" else ratio
        yield judge.at_most(
            f"eight_faces_{'cpu' if key == 'cpu_ms' else 'wall'}",
            f"eight faces in a frame against one: {name}", ratio, FACES_TIMES, unit="times",
            part="faces", kind="ratio", limit=_compare_points(one, eight) if one and eight else "",
        )  # fmt: skip


def _compare_points(one: GrowthPoint, other: GrowthPoint) -> str:
    kinds = [name for name in other.figures if name.endswith("_ms") and name != "cpu_ms"]
    grown = sorted(
        ((other.figures[kind] - one.figures.get(kind, 0.0), kind) for kind in kinds), reverse=True
    )
    parts = ", ".join(f"{kind.removesuffix('_ms')} {ms:.1f} ms more" for ms, kind in grown[:3])
    return (
        f"{other.figures['cpu_ms']:.1f} ms of CPU time instead of {one.figures['cpu_ms']:.1f}: "
        f"{parts}; {other.figures['faces']:.1f} faces were found in a frame."
    )


def _memory(judge: Judge, results: Results) -> Iterator[Target]:
    memory = results.memory
    largest_first = sorted(memory.processes.items(), key=lambda item: -item[1][0])
    processes = ", ".join(f"{kind} {use[0]:.0f}" for kind, use in largest_first)
    yield judge.at_most(
        "memory_mb", "resident memory of all processes, one stream", memory.rss, MEMORY_MB,
        measured=f"{memory.rss:.0f} MB (PSS: {memory.pss:.0f} MB)", unit="MB", part="memory",
        limit=f"MB by process: {processes}.", kind="memory",
    )  # fmt: skip
    more = stream_memory(results)
    yield judge.at_most(
        "stream_mb", "resident memory of each further stream", more[0] if more else None, STREAM_MB,
        unit="MB", part="streams", kind="memory",
        measured=f"{more[0]:.0f} MB (PSS: {more[1]:.0f} MB)" if more else "",
        limit="A capture and a detector process.",
    )  # fmt: skip


def stream_memory(results: Results) -> tuple[float, float] | None:
    """MB that each further stream takes, as RSS and as PSS; None: not measured."""
    read = sorted(
        (one.streams, one.rss_mb, one.pss_mb)
        for one in results.live
        if one.rss_mb is not None and one.pss_mb is not None
    )
    if len(read) < 2 or read[0][0] == read[-1][0]:
        return None
    (few, rss, pss), (many, most_rss, most_pss) = read[0], read[-1]
    more = many - few
    return (most_rss - rss) / more, (most_pss - pss) / more


def _starts(judge: Judge, results: Results) -> Iterator[Target]:
    yield judge.at_most(
        "first_s", "from the command to its first emotion", results.first.received.median, FIRST_S,
        unit="s", part="first emotion",
        limit=f"{len(results.memory.processes)} processes start on {results.machine.cores} cores "
        "and import what they need.",
    )  # fmt: skip
    times = results.commands
    for key, name, spread in (
        ("import", "`import affectline`", times.import_ms if times else None),
        ("help", "`affectline --help`", times.help_ms if times else None),
    ):
        yield judge.at_most(
            f"{key}_ms", name, spread.median if spread else None, SHORT_MS, unit="ms",
            part="commands",
            limit=f"`python -c pass` takes {times.nothing_ms.median:.0f} ms." if times else "",
        )  # fmt: skip


def _recordings(judge: Judge, results: Results) -> Iterator[Target]:
    cost, replay, report = results.record, results.replay, results.report
    yield judge.at_most(
        "record_ms", "CPU time that `--record` adds to a frame",
        cost.added_ms.median if cost else None, RECORD_MS, unit="ms", part="throughput",
        measured=f"{cost.added_ms.median:.2f} ms ({cost.added_ms.low:.2f} to "
        f"{cost.added_ms.high:.2f})" if cost else "",
        limit=f"The recorder itself takes {cost.recorder_ms.median:.2f} ms; it writes "
        f"{cost.mb_per_s:.1f} MB a second of film." if cost else "",
    )  # fmt: skip
    yield judge.at_least(
        "replay_rate", "replay at rate `max`, tables only", replay.rate if replay else None,
        REPLAY_RATE, unit="frames/s", part="replay",
        limit=f"{replay.frames} frames took {replay.seconds:.1f} s, the whole command "
        f"{replay.whole_s:.1f} s." if replay else "",
    )  # fmt: skip
    took = f"{report.cpu_s:.1f} s of CPU time." if report else ""
    yield judge.at_most(
        "report_s", "report of an hour with sensors", report.seconds if report else None, REPORT_S,
        unit="s", part="report", limit=took,
    )  # fmt: skip
    yield judge.at_most(
        "report_mb", "report of an hour: memory", report.peak_mb if report else None, REPORT_MB,
        unit="MB", part="report", kind="memory",
    )  # fmt: skip


def _pages(judge: Judge, results: Results) -> Iterator[Target]:
    page = results.hour_page
    yield judge.at_most(
        "page_p95_ms", "page with an hour's curves: from one frame to the next, p95",
        page.p95_ms if page else None, PAGE_MS, unit="ms", part="page",
        measured=f"{page.p95_ms:.0f} ms (complete after {page.ready_s:.1f} s)" if page else "",
        limit=f"p50 {page.p50_ms:.0f} ms, longest {page.max_ms:.0f} ms; the browser has no "
        "graphics card here, and shares the cores." if page else "",
    )  # fmt: skip
    first = next((one for one in results.dashboard_load if one.pages == 1), None)
    yield judge.at_most(
        "viewer_percent", "CPU time of the dashboard's server, one viewer, in a core",
        first.server_percent if first else None, FIRST_VIEWER_PERCENT, unit="%", part="dashboard",
        limit=f"{first.rate:.1f} frames a second got a result." if first else "",
    )  # fmt: skip


def _detector(judge: Judge, results: Results) -> Iterator[Target]:
    """Yield the detector's targets, by the clip that is farthest from each; none without clips."""
    clips = [clip for clip in results.detector if clip.find("haar").found]
    if clips:
        yield _net_ratio(judge, max(clips, key=lambda clip: clip.ratio.median))
        yield _signs(judge, max(clips, key=lambda clip: clip.added_ms(SIGNS) or 0.0))


def judge_ratio(clip: ClipTimes, judge: Judge | None = None) -> str:
    """Return the verdict on the time of ``haar+net``; empty where ``haar`` has no face."""
    return _net_ratio(judge or Judge(), clip).verdict if clip.find("haar").found else ""


def judge_signs(clip: ClipTimes, judge: Judge | None = None) -> str:
    """Return the verdict on what signs add to a face; empty where there is none."""
    there = clip.added_ms(SIGNS) is not None
    return _signs(judge or Judge(), clip).verdict if there else ""


def _net_ratio(judge: Judge, clip: ClipTimes) -> Target:
    haar, net, ratio = clip.find("haar").mean, clip.find("haar+net").mean, clip.ratio
    return judge.at_most(
        "net_times", "CPU time of the detector, `haar+net` against `haar`, farthest clip",
        ratio.median, NET_TIMES, unit="times", measured=f"{ratio.median:.2f} times ({clip.clip})",
        limit=f"{net:.2f} ms a frame instead of {haar:.2f}; {ratio.low:.2f} to {ratio.high:.2f} "
        f"times in {clip.rounds} rounds.", part="detector",
        other_cores=clip.other_cores,
        kind="ratio",
    )  # fmt: skip


def _signs(judge: Judge, clip: ClipTimes) -> Target:
    ms = clip.added_ms(SIGNS) or 0.0
    landmarks, pose = clip.added_ms("landmarks") or 0.0, clip.added_ms("landmarks + pose") or 0.0
    return judge.at_most(
        "signs_ms", "CPU time that landmarks, pose and eyes add to a face, farthest clip", ms,
        SIGNS_MS, unit="ms", measured=f"{ms:.1f} ms ({clip.clip})", part="detector",
        limit=f"Landmarks {landmarks:.1f} ms, pose {pose - landmarks:.1f} ms, eyes "
        f"{ms - pose:.1f} ms.", other_cores=clip.other_cores,
    )  # fmt: skip
