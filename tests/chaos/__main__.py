"""``make chaos``: injects faults into pipelines, and writes ``docs/reliability.md``."""

import argparse
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.environment import ROOT, describe_machine
from tests.chaos import page
from tests.chaos.cells import Cell, matrix, select
from tests.chaos.results import CellResult, Matrix, SoakResult
from tests.chaos.soak import soak
from tests.chaos.trial import Trial

DOCS: Final = ROOT / "docs"
RESULTS: Final = DOCS / "reliability.json"
PAGE: Final = DOCS / "reliability.md"
SOAK_MINUTES: Final = 10.0
MINUTES: Final = 30.0
"""Total time. Cells that have not begun by then, minus the long run, are left out."""
CELL_MINUTES: Final = 0.5
"""How long a cell that has begun may still take."""
NO_TIME: Final = "no time was left"
COLUMNS: Final = (TextColumn("{task.description:<36}"), BarColumn(), MofNCompleteColumn())


def main() -> None:
    """Run the cells named on the command line, and write the page if these are all cells."""
    parser = argparse.ArgumentParser("python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN",
        help="only cells that match, such as 'record/SIGKILL/*' or 'soak'; writes no page",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="print the names of the cells")
    parser.add_argument("--page", action="store_true", help="write the page from the last results")
    parser.add_argument(
        "--lanes", type=int, default=2, metavar="N",
        help="pipelines at a time; only one starts or recovers at any moment  [default: 2]",
    )  # fmt: skip
    parser.add_argument(
        "--soak", type=float, default=SOAK_MINUTES, metavar="MINUTES",
        help="length of the long run; 0: none  [default: 10]",
    )  # fmt: skip
    options = parser.parse_args()
    console = Console()
    if options.list:
        console.print("\n".join([*(cell.name for cell in matrix()), "soak"]), highlight=False)
    elif options.page:
        _write_page(Matrix.model_validate_json(RESULTS.read_text(encoding="utf-8")))
    else:
        raise SystemExit(_run(options, console))


def _run(options: argparse.Namespace, console: Console) -> int:
    started = time.monotonic()
    cells = select(options.only)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        has_soak = options.soak and (not options.only or "soak" in options.only)
        until = started + 60 * (MINUTES - CELL_MINUTES - (options.soak if has_soak else 0.0))
        results = list(_try_all(cells, Path(folder), options.lanes, until, console))
        long_run = None
        if has_soak:
            long_run = _soak(Path(folder), options.soak * 60, console)
    machine = describe_machine()
    found = Matrix(
        date=machine.date,
        commit=machine.commit,
        machine=f"{machine.cores} cores ({machine.cpu or platform.machine()})",
        seconds=time.monotonic() - started,
        lanes=options.lanes,
        is_whole=not options.only,
        cells=results,
        soak=long_run,
    )
    broken = [one for one in results if one.verdict == "broken"]
    broken += [long_run.cell] if long_run and long_run.cell.verdict == "broken" else []
    console.print(f"{len(results)} cells in {found.seconds / 60:.1f} minutes, {len(broken)} broken")
    if found.is_whole:
        _write_page(found)
        RESULTS.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
        console.print(f"Written: {PAGE.relative_to(ROOT)}")
    return 1 if broken else 0


def _write_page(found: Matrix) -> None:
    PAGE.write_text(page.format_page(found), encoding="utf-8")


def _try_all(
    cells: list[Cell], folder: Path, lanes: int, until: float, console: Console
) -> Iterator[CellResult]:
    """Yield the results of all cells, in order; cells that begin too late are left out."""
    quiet, results = threading.Lock(), dict[int, CellResult]()

    def run(number: int) -> CellResult:
        own = folder / f"cell-{number}"
        own.mkdir()
        trial = Trial(cells[number], own, quiet)
        return trial.leave_out(NO_TIME) if time.monotonic() > until else trial.run()

    with _progress(console) as progress, ThreadPoolExecutor(lanes) as pool:
        task = progress.add_task("", total=len(cells))
        trials = {pool.submit(run, number): number for number in range(len(cells))}
        for done in as_completed(trials):
            result = results[trials[done]] = done.result()
            progress.update(task, description=result.name, advance=1)
            console.print(_format_line(result), highlight=False)
    for number in range(len(cells)):
        yield results[number]


def _format_line(result: CellResult) -> str:
    colour = {"kept": "green", "broken": "red", "undecided": "yellow", "left out": "yellow"}[
        result.verdict
    ]
    pause = "" if result.pause_s is None else f"{result.pause_s:.1f} s"
    line = f"[{colour}]{result.verdict:<9}[/] {result.name:<40} {pause:>6}"
    return line + "".join(f"\n           {text}" for text in result.broken)


def _soak(folder: Path, seconds: float, console: Console) -> SoakResult:
    own = folder / "soak"
    own.mkdir()
    with _progress(console) as progress:
        task = progress.add_task("soak, in seconds", total=round(seconds))
        found = soak(own, seconds, lambda passed: progress.update(task, completed=round(passed)))
    console.print(_format_line(found.cell), highlight=False)
    return found


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    with Progress(*COLUMNS, TimeElapsedColumn(), console=console) as progress:
        yield progress


if __name__ == "__main__":
    main()
