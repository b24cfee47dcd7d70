"""Writes ``docs/reliability.md``."""

from collections.abc import Callable, Iterable
from typing import Final

from tests.attacks.results import read_section
from tests.benchmarks import key_cost
from tests.chaos.judge import NEXT_FRAME_S
from tests.chaos.modes import MODES
from tests.chaos.results import CellResult, Matrix, SoakResult
from tests.chaos.trial import AFTERWARDS, CAMERA_AWAY_S, FAULT_AT
from tests.markdown import format_table

SIGNALS: Final = ("SIGKILL", "SIGSTOP")


def format_page(found: Matrix) -> str:
    """Return the page as Markdown."""
    parts = [_head(found), _targets(found), *_modes(found), _disks(found), _clocks(found)]
    parts += [_cameras(found), *([_soak(found.soak)] if found.soak else []), _method()]
    parts += [read_section(), key_cost.read_section()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(found: Matrix) -> str:
    cells = found.cells
    broken = [one for one in cells if one.verdict == "broken"]
    left_out = sum(one.verdict == "left out" for one in cells)
    undecided = sum(one.verdict == "undecided" for one in cells)
    text = (
        "# Reliability\n\n"
        "`make chaos` writes this page. It starts real pipelines and injects a fault into each: "
        f"{len(cells)} cells and a long run, {found.seconds / 60:.0f} minutes in total, "
        f"{found.date}, at `{found.commit}`, on {found.machine}, shared with other work. "
        f"{sum(one.verdict == 'kept' for one in cells)} cells kept every promise, "
        f"{len(broken)} did not"
    )
    if undecided:
        text += f", {undecided} were too slow while other work took more than a quarter of a core"
    text += f", {left_out} could not be tried here." if left_out else "."
    return text + " The results of each cell are in [`reliability.json`](reliability.json)."


def _targets(found: Matrix) -> str:
    signalled = [one for one in found.cells if one.fault in SIGNALS and one.pause_s is not None]
    going_on = [one for one in signalled if one.mode != "replay" or "replay" not in one.target]
    killed = [one for one in going_on if one.fault == "SIGKILL"]
    hung = [one for one in going_on if one.fault == "SIGSTOP"]
    everybody = [one for one in killed if one.target.startswith("all")]
    lossless = [c for c in found.cells if MODES[c.mode].is_lossless and c.unaccounted is not None]
    live = [c for c in found.cells if not MODES[c.mode].is_lossless and c.unaccounted is not None]
    lost = sum((c.lost or 0) + (c.skipped or 0) + (c.unaccounted or 0) for c in lossless)
    recorded = [c for c in lossless if c.recorded is not None]
    missing = sum(2 * (c.sent or 0) - (c.recorded or 0) - (c.answers or 0) for c in recorded)
    rows = [
        (
            "time to the next frame after a kill",
            f"{NEXT_FRAME_S:.0f} s",
            f"{_longest(killed)}; all processes at once: {_longest(everybody)}",
        ),
        (
            "time to the next frame after a process hangs",
            f"{NEXT_FRAME_S:.0f} s after the hang is detected",
            f"{_longest(hung)} in total; detecting the hang: {_longest_hung(hung)}",
        ),
        (
            "lossless: frames without a row",
            "0",
            f"{lost} of {sum(c.sent or 0 for c in lossless)} in {len(lossless)} runs",
        ),
        (
            "lossless: frames and results missing in the recording",
            "0",
            f"{missing} of {2 * sum(c.sent or 0 for c in recorded)} in {len(recorded)} runs",
        ),
        (
            "live: frames without a row that are not counted as lost",
            "0",
            f"{sum(c.unaccounted or 0 for c in live)} of {sum(c.sent or 0 for c in live)} "
            f"({sum(c.lost or 0 for c in live)} lost and counted)",
        ),
        (
            "frames and results missing in a recording that `affectline check` does not name",
            "0",
            str(sum(c.unsaid or 0 for c in found.cells)),
        ),
    ]
    if found.soak:
        steepest = max(found.soak.processes, key=lambda one: one.mb_per_hour)
        more = sum(o.last.descriptors - o.first.descriptors for o in found.soak.processes)
        rows.append(
            (
                f"growth in {found.soak.seconds / 60:.0f} minutes with everything on",
                "none",
                f"{_sum_mb(found.soak):+.0f} MB, {more:+d} descriptors; steepest: "
                f"{steepest.process}, {steepest.mb_per_hour:+.0f} MB an hour",
            )
        )
    text = "## Targets\n\n" + format_table("measure | target | result", rows)
    broken = [one for one in found.cells if one.verdict == "broken"]
    broken += [found.soak.cell] if found.soak and found.soak.cell.verdict == "broken" else []
    if broken:
        text += "\n\nBroken promises:\n\n" + _list(broken)
    if late := [one for one in found.cells if one.verdict == "undecided"]:
        text += "\n\nUndecided; run `make chaos` on an idle machine to decide:\n\n" + _list(late)
    return text


def _list(cells: list[CellResult]) -> str:
    return "\n".join(f"* `{one.name}`: {'; '.join(one.broken)}" for one in cells)


def _longest(cells: list[CellResult]) -> str:
    pauses = [one.pause_s for one in cells if one.pause_s is not None]
    return f"at most {max(pauses):.1f} s" if pauses else "not tried"


def _longest_hung(cells: list[CellResult]) -> str:
    hung = [one.hung_s for one in cells if one.hung_s is not None]
    return f"at most {max(hung):.1f} s" if hung else "not tried"


def _sum_mb(found: SoakResult) -> float:
    return sum(one.last.memory_mb - one.first.memory_mb for one in found.processes)


def _modes(found: Matrix) -> Iterable[str]:
    for mode in MODES.values():
        cells = [c for c in found.cells if c.mode == mode.name and c.fault in SIGNALS]
        if cells:
            yield f"## {mode.name.capitalize()}: {mode.summary}\n\n" + _cells(cells)


def _cells(cells: list[CellResult]) -> str:
    """Return a table of cells, without columns that none of them fills."""
    head = ["target", "signal"]
    optional: dict[str, Callable[[CellResult], str]] = {
        "next frame:": lambda c: _seconds(c.pause_s),
        "of which hung:": lambda c: _seconds(c.hung_s),
        "healthy again:": lambda c: _seconds(c.back_s),
        "page:": lambda c: _seconds(c.page_pause_s),
        "other work:": lambda c: "" if c.pause_s is None else f"{c.other_cores:.1f}",
        "frames:": lambda c: _count(c.sent),
        "rows:": lambda c: _count(c.rows),
        "counted as lost:": lambda c: _count(c.lost),
        "skipped:": lambda c: _count(c.skipped),
        "unaccounted:": lambda c: _count(c.unaccounted),
        "recorded:": lambda c: _count(c.recorded),
        "results recorded:": lambda c: _count(c.answers),
        "not named:": lambda c: _count(c.unsaid),
        "samples:": lambda c: _count(c.samples),
        "MB:": lambda c: _from_to(c.before.memory_mb, c.after.memory_mb),
        "descriptors:": lambda c: _from_to(c.before.descriptors, c.after.descriptors),
    }
    shown = {name: show for name, show in optional.items() if any(show(c) for c in cells)}
    rows = [(c.target, c.fault, *(show(c) for show in shown.values()), _verdict(c)) for c in cells]
    return format_table(" | ".join([*head, *shown, ""]), rows)


def _verdict(cell: CellResult) -> str:
    if cell.verdict == "left out":
        return f"left out: {cell.broken[0]}"
    return "**not kept**" if cell.verdict == "broken" else cell.verdict


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def _from_to(before: float, after: float) -> str:
    return f"{before:.0f} to {after:.0f}" if before and after else ""


def _disks(found: Matrix) -> str:
    cells = [one for one in found.cells if one.fault == "full disk"]
    if not cells:
        return ""
    rows = [
        (c.mode, _count(c.rows), _count(c.recorded), _shorten(c.said), _verdict(c)) for c in cells
    ]
    return (
        "## A full disk\n\nThe run ends with exit code 1 and reports what it could not write; "
        "everything written before can be read.\n\n"
        + format_table("mode | rows: | recorded: | message | ", rows)
    )


def _shorten(said: str) -> str:
    """Remove the names of folders, which differ between runs."""
    words = [word.rsplit("/", 1)[-1] if "/" in word else word for word in said.split()]
    return " ".join(words).replace("|", "\\|")


def _clocks(found: Matrix) -> str:
    cells = [one for one in found.cells if one.fault == "clock"]
    if not cells:
        return ""
    by_mode = [one.model_copy(update={"fault": one.mode}) for one in cells]
    return (
        "## Clocks set by an hour\n\nThe clocks of all processes are set at the same moment, "
        "forwards or back. A recording must report by how much.\n\n"
        + _cells(by_mode).replace("target | signal", "by | mode", 1)
    )


def _cameras(found: Matrix) -> str:
    cells = [one for one in found.cells if one.fault == "camera"]
    rows = [
        (
            c.mode, _seconds(c.pause_s), _count(c.sent), _count(c.rows), _count(c.lost),
            _count(c.skipped), _count(c.recorded), _verdict(c),
        )
        for c in cells
    ]  # fmt: skip
    return (
        f"## A camera that disconnects and returns\n\nA network camera is switched off for "
        f"{CAMERA_AWAY_S:.0f} s. The time to the next frame counts from its return; the source "
        "retries after 0.5 s, 1 s, 2 s and so on.\n\n"
        + format_table(
            "mode | next frame: | frames: | rows: | counted as lost: | skipped: | recorded: | ",
            rows,
        )
        if cells
        else ""
    )


def _soak(found: SoakResult) -> str:
    cell = found.cell
    rows = [
        (
            one.process, f"{one.first.memory_mb:.1f}", f"{one.last.memory_mb:.1f}",
            f"{one.mb_per_hour:+.1f}", one.first.descriptors, one.last.descriptors,
        )
        for one in found.processes
    ]  # fmt: skip
    return (
        f"## {found.seconds / 60:.0f} minutes with everything on\n\n"
        "A looped film at 25 frames/s in live delivery, with a simulated sensor. It is recorded "
        "with privacy `blurred`, written as an annotated video, shown on a page, and received by a "
        "subscriber to everything. "
        f"{cell.sent} frames: {cell.rows} rows, {cell.lost} lost, {cell.skipped} skipped, "
        f"{cell.recorded} recorded: {_verdict(cell)}. Memory is PSS, measured after a third of the "
        "time, when buffers and caches are full.\n\n"
        + format_table(
            "process | MB: | at the end: | MB an hour: | descriptors: | at the end: ", rows
        )
    )


def _method() -> str:
    return (
        "## How it is measured\n\n"
        "A pipeline analyses a film of known length at 25 frames/s; each frame shows its own "
        f"number. When {FAULT_AT} frames have results and every process has reported its "
        f"health, the signal is sent; at least {AFTERWARDS} frames follow.\n\n"
        "* *next frame*: the longest time without the result of a new frame, as a subscriber "
        "outside the pipeline sees it, from the signal to the end of the film.\n"
        "* *of which hung*: time until the stopped process was recognized as hung and killed: it "
        "sends no heartbeat for three seconds.\n"
        "* *healthy again*: time until the last target process has reported its health again; "
        "health is reported once a second.\n"
        "* *other work*: cores busy with other work from the signal until frames flowed again.\n"
        "* *page*: the longest time without a new image on the page.\n"
        "* *rows*, *counted as lost*, *skipped*: frames in `emotions.csv`; the summary of the run "
        "must agree. *unaccounted*: frames in none of these.\n"
        "* *recorded*, *results recorded*: distinct frames and results in `session.mcap`; each "
        "image must show its frame's number, unless it is pixelated. "
        "*not named*: missing ones that `affectline check` does not name.\n"
        "* *MB*, *descriptors*: memory (PSS) and open files of the processes that were not hit, "
        "before and after. A process that has just started still grows: the long run shows lasting "
        "growth.\n\n"
        "Pairs are all pairs of processes of a recorded lossless run. The player of a replay is "
        "not restarted: the run ends and reports it. Two pipelines run at a time, but only one of "
        "them starts or recovers at any moment. `python -m tests.chaos --only "
        "'record/SIGKILL/*'` runs some cells, `--list` names them."
    )
