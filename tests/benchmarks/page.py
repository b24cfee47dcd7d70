"""Writes ``docs/benchmarks.md``."""

from collections.abc import Iterable

from tests.benchmarks import chart
from tests.benchmarks.detector_page import format_detector
from tests.benchmarks.results import Baseline, DashboardLoad, Results, Spread, Throughput
from tests.benchmarks.targets import (
    DISTURBED_CORES,
    EXPECTED_MODEL_MS,
    FER_TIMES,
    PAPER_TIMES,
    ceiling_rate,
    compare_with_targets,
    vgg16_macs,
)
from tests.markdown import format_table

KINDS = ("capture", "hub", "detector", "classifier", "sink", "launcher")


def format_page(results: Results) -> str:
    """Return the page as Markdown."""
    parts = [
        _head(results), _targets(results), _throughput(results), _cpu_time(results),
        _model(results), _live(results), _memory(results), _first_emotion(results),
        *_dashboard(results), *format_detector(results.detector), _micro(results),
        _machine(results),
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
        "timings are noisy: each run waits for an idle machine, the programs alternate, and only "
        "ratios within one run are meaningful. Where a value has a spread, it is the median with "
        "the lowest and highest run. "
        "The results behind the page are in [`benchmarks.json`](benchmarks.json)."
    )


def _targets(results: Results) -> str:
    targets = compare_with_targets(results)
    rows = [
        (
            t.name,
            t.required,
            t.measured,
            t.verdict if t.verdict == "met" else f"**{t.verdict}**",
            t.gap,
        )
        for t in targets
    ]
    missed = [t for t in targets if t.verdict != "met"]
    text = "## Targets\n\n" + format_table("target | wanted | measured | | by", rows)
    if missed:
        text += (
            "\n\nUndecided are targets whose result other work on the machine may have caused: "
            f"more than {DISTURBED_CORES} cores of it. `make bench` on an idle machine decides. "
            "What limits those that are not met:\n\n"
        )
        text += "\n".join(f"* **{t.name}**: {t.gap}. {t.limit}" for t in missed)
    return text


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
        "face with the same VGG16 as in (a), quantised to int8."
    )


def _cpu_time(results: Results) -> str:
    rows = []
    for kind in KINDS:
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


def _model(results: Results) -> str:
    one, two = (results.micro_value(f"model, threads: {n}") for n in (1, 2))
    served, work = results.micro_value("model as served"), vgg16_macs()
    missing = [name for name in ("avx_vnni", "avx512_vnni") if not results.machine.simd[name]]
    explanation = (
        f" The processor has no int8 dot products ({', '.join(missing)})."
        if len(missing) == 2
        else ""
    )
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
    rows = [
        (
            one.streams, one.classifiers, f"{one.p50:.1f}", f"{one.p95:.1f}", f"{one.p99:.1f}",
            *(f"{one.stages.get(stage, 0):.1f}" for stage in ("detect", "classify", "publish")),
            f"{one.skipped_percent:.1f} %", f"{one.skipped} of {one.offered}", f"{one.cores:.2f}",
            f"{one.other_cores:.2f}",
        )
        for one in results.live
    ]  # fmt: skip
    head = (
        "streams: | classifiers: | p50: | p95: | p99: | to crops: | to scores: | to publication: "
        "| skipped: | frames: | cores busy: | other work, cores:"
    )
    return (
        "## Live\n\n"
        "The clip at 30 frames/s and 640x360 (re-encoded as MPEG-4 part 2), "
        "`--delivery live --pace realtime`; several streams are the same clip under several names. "
        "Milliseconds from `captured_at` to `published_at` of all classified frames, the first "
        "ones included, and medians of the three stages. Skipped are all frames of the clip "
        "that were not classified, for whatever reason.\n\n" + format_table(head, rows)
    )


def _memory(results: Results) -> str:
    memory = results.memory
    rows = [
        (kind, *(f"{value:.0f}" for value in memory.processes[kind]))
        for kind in KINDS
        if kind in memory.processes
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
        "conductance. Server: CPU time of the dashboard's process. p50 and p95: ms from "
        "`captured_at` to `published_at`. Sockets exchange the same messages as "
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


def _machine(results: Results) -> str:
    machine = results.machine
    simd = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in machine.simd.items())
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    return (
        "## Machine\n\n"
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb:.0f} GB; instructions: {simd}; "
        f"{machine.kernel}; Python {machine.python}; {packages}. Load average before the run "
        f"{machine.load_before:.2f}; {machine.stolen_percent:.1f} % of the cores' time went to "
        "other guests of the host during it."
    )
