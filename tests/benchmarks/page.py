"""Writes ``docs/benchmarks.md``."""

from collections.abc import Iterable, Iterator, Sequence

from tests.benchmarks import chart
from tests.benchmarks.detector_page import format_detector
from tests.benchmarks.floor_page import format_floor
from tests.benchmarks.growth_page import format_growth
from tests.benchmarks.history import HistoryEntry, describe_machines
from tests.benchmarks.noise import DISTURBED_CORES, DRIFT_PERCENT, STOLEN_PERCENT
from tests.benchmarks.results import Baseline, DashboardLoad, Live, Results, Spread, Throughput
from tests.benchmarks.targets import (
    EXPECTED_MODEL_MS,
    FER_TIMES,
    PAPER_TIMES,
    Judge,
    Target,
    ceiling_rate,
    compare_with_targets,
    describe_reasons,
    vgg16_macs,
)
from tests.markdown import format_table

KINDS = ("capture", "hub", "detector", "classifier", "sink", "launcher")


def format_page(results: Results, history: Sequence[HistoryEntry]) -> str:
    """Return the page as Markdown, the most important first."""
    parts = [
        _head(results), _targets(results), *format_growth(results), *format_floor(results),
        _throughput(results), _cpu_time(results), _model(results), _live(results),
        *_full_hd(results), _memory(results), _first_emotion(results), *_dashboard(results),
        *format_detector(results.detector, Judge.of(results)), _micro(results),
        *_history(history), _machine(results),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def draw_chart(results: Results) -> str:
    """Return the chart on the page as SVG."""
    bars = [
        chart.Bar("the paper's way", results.paper.rate, ours=False),
        chart.Bar("fer, Haar and TFLite", results.fer.rate, ours=False),
    ]
    bars += [
        chart.Bar(f"affectline, classifiers: {one.classifiers}", one.rate, ours=True)
        for one in results.ours
    ]
    marks = [
        (f"{PAPER_TIMES} times the paper's way", PAPER_TIMES * results.paper.rate.median),
        (f"{FER_TIMES} times fer", FER_TIMES * results.fer.rate.median),
    ]
    return chart.draw_throughput(bars, marks)


def _spread(spread: Spread, digits: int = 1) -> str:
    if spread.n == 1 or spread.low == spread.high:
        return f"{spread.median:.{digits}f}"
    return f"{spread.median:.{digits}f} ({spread.low:.{digits}f} to {spread.high:.{digits}f})"


def _head(results: Results) -> str:
    machine = results.machine
    return (
        "# Benchmarks\n\n"
        "Written by `make bench`, which measures everything below in one run "
        f"({results.duration_s / 60:.1f} minutes, {machine.date}, at `{machine.commit}`), on "
        f"`{results.clip}` ({results.size[0]}x{results.size[1]}, {results.clip_frames} frames). "
        f"The machine has {machine.cores} cores ({machine.cpu}) and shares them with others, so "
        "each run waits for an idle machine, the programs alternate, and only ratios hold on other "
        "machines. Where a value has a spread, it is the median with the lowest and highest run. "
        "[Results](benchmarks.json), [earlier runs](benchmarks-history.json). "
        "`make bench-quick` compares two commits in two minutes."
    )


def _targets(results: Results) -> str:
    targets = compare_with_targets(results)
    measured = [target for target in targets if target.met is not None]
    rows = [
        (
            t.name,
            t.required,
            t.measured,
            t.verdict if t.verdict == "met" else f"**{t.verdict}**",
            t.gap,
        )
        for t in measured
    ]
    parts = ["## Targets", format_table("target | wanted | measured | | by", rows)]
    verdicts = {target.verdict for target in targets}
    if "undecided" in verdicts:
        parts.append(
            "Undecided are targets whose result the machine may have caused: more than "
            f"{DISTURBED_CORES} cores busy with other work, {STOLEN_PERCENT:g} % of the cores' "
            f"time taken by the host, or a fixed computation {DRIFT_PERCENT:g} % slower than at "
            "best. `make bench` on an idle machine decides."
        )
    if "not judged here" in verdicts:
        parts.append(
            "Times, rates and sizes are targets for processors with VNNI, which this one lacks; "
            "ratios hold everywhere."
        )
    if open_ones := [t for t in measured if t.verdict in ("missed", "undecided")]:
        parts.append("What limits those that are not met:")
        parts.append("\n".join(_explain(open_ones)))
    if lacking := [target for target in targets if target.met is None]:
        parts.append("Not measured:")
        parts.append("\n".join(_format_reasons(lacking)))
    return "\n\n".join(parts)


def _explain(targets: Sequence[Target]) -> Iterator[str]:
    """Targets that are not met, those with one limit in one line, and why some are undecided."""
    for limit in dict.fromkeys(target.limit for target in targets):
        alike = [target for target in targets if target.limit == limit]
        names = "; ".join(f"**{target.name}** ({target.gap})" for target in alike)
        yield f"* {names}: {limit}".rstrip(": ")
    undecided = [target for target in targets if target.verdict == "undecided"]
    for reason in dict.fromkeys(target.disturbed for target in undecided):
        names = "; ".join(target.name for target in undecided if target.disturbed == reason)
        yield f"* Undecided, because {reason}: {names}."


def _format_reasons(targets: Sequence[Target]) -> Iterator[str]:
    """Targets that were not measured, those with one reason in one line."""
    for reason in dict.fromkeys(target.limit for target in targets):
        names = "; ".join(target.name for target in targets if target.limit == reason)
        yield f"* {reason}: {names}"


def _throughput(results: Results) -> str:
    paper, fer = results.paper, results.fer

    def row(name: str, one: Baseline | Throughput, whole: str = "") -> tuple[str, ...]:
        ratios = [f"{one.rate.median / base.rate.median:.2f}" for base in (paper, fer)]
        cores = (_spread(one.cores, 2), _spread(one.other_cores, 2))
        return (name, _spread(one.rate), *ratios, *cores, whole)

    rows = [
        row("(a) the paper's way", paper),
        row("(b) `fer`, Haar and TFLite", fer),
    ]
    for one in results.ours:
        name = f"Affectline, `--classifiers {one.classifiers}`"
        rows.append(row(name, one, _spread(one.whole_rate)))
    head = (
        "| frames/s: | times (a): | times (b): | cores busy: | other work, cores: "
        "| whole command, frames/s:"
    )
    text = "## Throughput\n\n![Frames a second](benchmarks.svg)\n\n" + format_table(head, rows)
    return (
        f"{text}\n\n"
        "(a) is a single loop: read, full-size Haar (scale factor 1.1, 5 neighbours), crop, 48x48, "
        f"`model.predict` on a Keras VGG16; {paper.frames} frames or more a run. "
        f"(b) is `FER(mtcnn=False).detect_emotions` of `fer` {fer.versions['fer']}, with a "
        f"smaller model of its own, also in a single loop; {fer.frames} frames or more a run. Both "
        f"with OpenCV's and TensorFlow's own number of threads, timed after 24 frames of warm-up "
        f"(TensorFlow {paper.versions['tensorflow']}). Affectline runs `up --delivery lossless "
        f"--pace fast` over the whole clip ({results.ours[0].frames} frames), timed from the first "
        "published result to the last; the last column divides by the time from the start of the "
        "command to its end, with the session folder written. Where other work disturbed a "
        "round, one more is run, and the three least disturbed count. Affectline classifies each "
        "face with the same VGG16 as in (a), quantised to int8." + _recording_cost(results)
    )


def _recording_cost(results: Results) -> str:
    cost = results.record
    if cost is None:
        return ""
    return (
        f" Each round also has a run with `--record`, which adds {_spread(cost.added_ms, 2)} ms of "
        f"CPU time to a frame, {_spread(cost.recorder_ms, 2)} ms of them in the recorder."
    )


def _cpu_time(results: Results) -> str:
    rows = []
    for kind in _in_order(results.best.cpu_ms):
        cells = [_spread(one.cpu_ms[kind]) for one in results.ours if kind in one.cpu_ms]
        rows.append((kind, *cells))
    rows.append(("**sum**", *(f"**{one.frame_ms:.1f}**" for one in results.ours)))
    rows.append(
        (
            f"{results.machine.cores} cores give at most",
            *(f"{ceiling_rate(results, one):.0f} frames/s" for one in results.ours),
        )
    )
    rows.append(("measured", *(f"{one.rate.median:.0f} frames/s" for one in results.ours)))
    rows.append(
        ("the measuring program, in addition", *(_spread(o.observer_ms) for o in results.ours))
    )
    head = "| " + " | ".join(f"classifiers: {one.classifiers}" for one in results.ours)

    def base(name: str, one: Baseline) -> str:
        return (
            f"{name} spends {_spread(one.cpu_ms)} ms of CPU time a frame; of its wall time "
            f"{one.detect_ms.median:.1f} ms a frame are spent on detecting faces and "
            f"{one.classify_ms.median:.1f} ms on classifying one."
        )

    return (
        "### CPU milliseconds a frame\n\nSteady state of the throughput runs, by process:\n\n"
        + format_table(head, rows)
        + f"\n\n{base('(a)', results.paper)} {base('(b)', results.fer)}"
    )


def _in_order(kinds: Iterable[str]) -> list[str]:
    """Kinds of processes in the order of a frame's way, those beside it last."""
    there = list(kinds)
    return [kind for kind in KINDS if kind in there] + sorted(set(there) - set(KINDS))


def _model(results: Results) -> str:
    one, two = (results.micro_value(f"model, threads: {n}") for n in (1, 2))
    served, work = results.micro_value("model as served"), vgg16_macs()
    has_vnni = results.machine.has_vnni
    explanation = "" if has_vnni else " The processor has no int8 dot products (VNNI)."
    ratio = one / EXPECTED_MODEL_MS
    return (
        "### The model\n\n"
        f"VGG16 on 48x48 is {work / 1e9:.2f} billion multiplications a face. The int8 model takes "
        f"{one:.1f} ms on one core ({work / one / 1e6:.0f} billion a second), {two:.1f} ms on two "
        f"threads, {served:.1f} ms in the classifier.{explanation} The targets were set with "
        f"{EXPECTED_MODEL_MS} ms a face on one core in mind; here it takes {ratio:.1f} times that. "
        f"`model.predict` in (a) takes {results.paper.classify_ms.median:.0f} ms a face, "
        f"{results.paper.classify_ms.median / one:.1f} times the int8 model on one core."
    )


def _live(results: Results) -> str:
    shown = [one for one in results.live if one.rss_mb is None]
    head = (
        "streams: | classifiers: | p50: | p95: | p99: | longest: | to crops: | to scores: "
        "| to publication: | skipped: | cores busy:"
    )
    text = (
        "## Live\n\n"
        "The clip at 30 frames/s and 640x360, `--delivery live --pace realtime`; several streams "
        "are the same clip under several names. Milliseconds from when a frame is due to the "
        "publication of its result, of all classified frames, the first ones included (the longest "
        "without those of the first second), and medians of the three stages. Skipped are all "
        "frames of the clip that were not classified.\n\n"
        + format_table(head, [_live_row(one) for one in shown])
    )
    several = [one for one in shown if one.shares and one.skipped]
    if several:
        text += "\n\nWhy frames were skipped, and each stream's share of classified ones:\n\n"
        text += "\n".join(
            f"* {_live_name(one)}, classifiers: {one.classifiers}: {describe_reasons(one)} ("
            + ", ".join(f"{share:.1%}" for share in one.shares) + ")"
            for one in several
        )  # fmt: skip
    return text


def _live_name(one: Live) -> str:
    return f"{one.streams}, with {one.beside}" if one.beside else str(one.streams)


def _live_row(one: Live) -> tuple[object, ...]:
    return (
        _live_name(one), one.classifiers, f"{one.p50:.1f}", f"{one.p95:.1f}", f"{one.p99:.1f}",
        "" if one.max_ms is None else f"{one.max_ms:.1f}",
        *(f"{one.stages.get(stage, 0):.1f}" for stage in ("detect", "classify", "publish")),
        f"{one.skipped_percent:.1f} %", f"{one.cores:.2f}",
    )  # fmt: skip


def _full_hd(results: Results) -> Iterator[str]:
    """Yield the section on 1920x1080; nothing where nothing was measured."""
    rows = []
    for one in results.full_hd:
        live, fast = one.live, one.lossless
        if live is None:
            rows.append((one.name, "", "", "", "", one.reason))
            continue
        cost = "" if fast is None else f"{fast.frame_ms:.1f}"
        rate = "" if fast is None else f"{fast.rate:.0f}"
        rows.append(
            (
                one.name, f"{live.skipped_percent:.1f} %", f"{live.p50:.1f} / {live.p99:.1f}", cost,
                rate, describe_reasons(live),
            )
        )  # fmt: skip
    if rows:
        head = (
            "source | live, skipped: | p50 / p99, ms: | lossless, CPU ms a frame: | frames/s: "
            "| skipped, or why it was not measured"
        )
        yield "## 1920x1080 at 30 frames/s\n\n" + format_table(head, rows)


def _memory(results: Results) -> str:
    memory = results.memory
    rows = [
        (kind, *(f"{value:.0f}" for value in memory.processes[kind]))
        for kind in _in_order(memory.processes)
    ]
    rows.append(("**sum**", f"**{memory.rss:.0f}**", f"**{memory.pss:.0f}** (its own peak)", ""))
    return (
        "## Memory\n\nMB, one stream of the clip, at the moment of the highest sum of RSS. RSS "
        "counts shared memory once for each process; PSS divides it among them.\n\n"
        + format_table("process | RSS: | PSS: | USS:", rows)
        + f"\n\nPeak of (a): {results.paper.peak_mb.median:.0f} MB, "
        f"of (b): {results.fer.peak_mb.median:.0f} MB."
    )


def _first_emotion(results: Results) -> str:
    first = results.first
    return (
        "## First emotion\n\n"
        f"{_spread(first.received, 2)} s from the start of the command to the first emotion at a "
        f"subscriber on the outlet ({first.received.n} starts); the command itself reports "
        f"{_spread(first.reported, 2)} s (`first_emotion_s`, counted from the end of its own "
        f"imports). (a) has its first result after {_spread(results.paper.first_s)} s, "
        f"(b) after {_spread(results.fer.first_s)} s."
    )


def _dashboard(results: Results) -> Iterable[str]:
    """Yield the dashboard's section; nothing if there was no browser."""
    if not results.dashboard_load:
        return
    rows = [
        (
            _pages(one),
            f"{one.server_percent:.1f} %" if one.dashboard else "",
            ", ".join(f"{rate:.1f}" for rate in one.shown),
            f"{one.rate:.1f}",
            f"{one.classified:.0%}",
            f"{one.p50:.1f}",
            f"{one.p95:.1f}",
            f"{one.cores:.2f}",
        )
        for one in results.dashboard_load
    ]
    head = (
        "pages | server, of a core: | pictures/s shown: | frames/s with a result: | classified: "
        "| p50: | p95: | cores busy:"
    )
    yield (
        "## Dashboard\n\n"
        "The clip, live at 640x360 and 25 frames/s, with simulated heart rate and skin "
        "conductance. Server: CPU time of the dashboard's process. p50 and p95: ms from when "
        "a frame is due to its result. Sockets exchange the same messages as "
        "pages, as if those were on another machine. Pages are in a Chromium on this "
        "one, which renders without a graphics card and competes for the same cores, "
        "though at the lowest priority. The last column includes it.\n\n" + format_table(head, rows)
    )


def _pages(one: DashboardLoad) -> str:
    if not one.dashboard:
        return "no dashboard"
    what = "pages" if one.drawn else "sockets"
    return f"{what}: {one.pages}" + (f", {one.stalled} of them stalled" if one.stalled else "")


def _micro(results: Results) -> str:
    rows = [(one.name, f"{one.value:.1f} {one.unit}", one.note) for one in results.micro]
    return (
        "## Micro-benchmarks\n\nEach alone in one process; medians, but means for the detector.\n\n"
        + format_table("| takes: | ", rows)
    )


def _history(history: Sequence[HistoryEntry]) -> Iterator[str]:
    """Yield the section on earlier runs; nothing where there is none."""
    if history:
        yield (
            "## Earlier runs\n\n![Figures over commits](benchmarks-history.svg)\n\n"
            "Machines differ, so only ratios are compared across them; hollow marks are of "
            f"runs that other work disturbed; {describe_machines(history)}."
        )


def _machine(results: Results) -> str:
    machine = results.machine
    simd = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in machine.simd.items())
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    return (
        "## Machine\n\n"
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb:.0f} GB; instructions: {simd}; "
        f"{machine.kernel}; Python {machine.python}; {packages}. Load average before the run "
        f"{machine.load_before:.2f}; {machine.stolen_percent:.1f} % of the cores' time went to "
        "other guests of the host during it." + _part_times(results)
    )


def _part_times(results: Results) -> str:
    """What the run spent most of its time on; empty where that is not known."""
    longest_first = sorted(results.part_s.items(), key=lambda item: -item[1])
    if not longest_first:
        return ""
    parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in longest_first[:8])
    return (
        f" The run itself took {results.duration_s / 60:.1f} minutes, without the films that it is "
        f"made with, which are kept in `.cache/bench`: {parts}, ..."
    )
