"""``make bench``: runs the benchmarks, and writes ``docs/benchmarks.md``.

What the detector finds goes to ``docs/detection.md``.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from affectline.common.errors import AffectlineError
from tests.benchmarks import key_cost, page, recall, recall_chart, recall_page
from tests.benchmarks.environment import ROOT, ensure_environment
from tests.benchmarks.films import Film, find_clips, find_films
from tests.benchmarks.results import Results
from tests.benchmarks.session import STEPS, Session, measure, measure_part
from tests.benchmarks.targets import compare_with_targets

DOCS: Final = ROOT / "docs"
RESULTS: Final = DOCS / "benchmarks.json"


def main() -> None:
    """Run the benchmarks that the command line names, and write the pages."""
    options = _read_command_line()
    console = Console()
    before = _load()
    if options.page:
        results = before
    elif options.dashboard or options.detector or options.recall:
        results = _measure_parts(before, options, console)
    else:
        ensure_environment(console)
        results = _measure(console, _films(options.clips))
        results.recall = recall.merge(before.recall, results.recall)
        key_cost.write(key_cost.measure())
    RESULTS.write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
    _write_pages(results)
    for target in compare_with_targets(results):
        mark = f"[{'green' if target.verdict == 'met' else 'yellow'}]{target.verdict:<9}[/]"
        console.print(f"{mark} {target.name}: {target.measured} ({target.required})")
    console.print("Written: docs/benchmarks.md, and the table of faces found in docs/detection.md")


def _read_command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--page", action="store_true", help="measure nothing, write the pages from the last results"
    )
    which.add_argument(
        "--dashboard", "--viewing", action="store_true", help="measure the dashboard's load alone"
    )
    which.add_argument(
        "--detector", action="store_true", help="measure the detector's CPU time alone"
    )
    which.add_argument(
        "--recall", action="store_true", help="measure alone what the detector finds"
    )
    parser.add_argument(
        "--clips",
        type=Path,
        metavar="FOLDER",
        help="further films to look for faces in, each with a NAME.json that says where they are",
    )
    return parser.parse_args()


def _load() -> Results:
    return Results.model_validate_json(RESULTS.read_text(encoding="utf-8"))


def _films(folder: Path | None) -> list[Film]:
    return find_clips() + (find_films(folder) if folder else [])


def _measure_parts(before: Results, options: argparse.Namespace, console: Console) -> Results:
    """The last results, with the parts that the command line names measured again."""
    if options.dashboard:
        before.dashboard_load = measure_part(console.print, Session.dashboard_load)
    if options.detector:
        before.detector = measure_part(console.print, Session.detector_times)
    if options.recall:
        films = _films(options.clips)
        found = measure_part(console.print, lambda session: session.recall(films))
        before.recall = recall.merge(before.recall, found)
    return before


def _write_pages(results: Results) -> None:
    (DOCS / "benchmarks.svg").write_text(page.draw_chart(results), encoding="utf-8")
    (DOCS / "benchmarks.md").write_text(page.format_page(results), encoding="utf-8")
    (DOCS / recall_chart.PICTURE).write_text(
        recall_chart.draw_recall(results.recall), encoding="utf-8"
    )
    detection = DOCS / recall_page.PAGE
    text = recall_page.write_part(detection.read_text(encoding="utf-8"), results.recall)
    detection.write_text(text, encoding="utf-8")


def _measure(console: Console, films: Sequence[Film]) -> Results:
    columns = (TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn())
    steps = STEPS + len(find_clips()) + len(films)
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=steps)
        started = 0

        def step(name: str) -> None:
            nonlocal started
            progress.update(task, description=name, completed=started)
            started += 1
            if not console.is_terminal:
                console.print(f"{started}/{steps} {name}")

        results = measure(step, time.monotonic, films)
        progress.update(task, description="finished", completed=steps)
    return results


if __name__ == "__main__":
    try:
        main()
    except AffectlineError as error:
        raise SystemExit(str(error)) from error
