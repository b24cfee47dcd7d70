"""``make bench``: runs the benchmarks, and writes ``docs/benchmarks.md``.

With ``--recall``, what the detector finds goes to ``docs/detection.md``.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from affectline.common.errors import AffectlineError
from tests.benchmarks import growth_page, history, page, recall, recall_chart, recall_page
from tests.benchmarks.environment import ROOT, ensure_environment
from tests.benchmarks.films import Film, find_clips, find_films
from tests.benchmarks.results import Results
from tests.benchmarks.session import STEPS, Session, measure, opened
from tests.benchmarks.targets import compare_with_targets

DOCS: Final = ROOT / "docs"
RESULTS: Final = DOCS / "benchmarks.json"
Part = TypeVar("Part")


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
        results = _measure(console)
        results.recall = before.recall
        _remember(results)
    RESULTS.write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
    _write_pages(results)
    for target in compare_with_targets(results):
        mark = f"[{'green' if target.verdict == 'met' else 'yellow'}]{target.verdict:<12}[/]"
        why = target.limit if target.met is None else target.disturbed
        said = f"{target.measured} ({target.required})" + (f": {why}" if why else "")
        console.print(f"{mark} {target.name}: {said}", highlight=False)
    console.print("Written: docs/benchmarks.md")


def _remember(results: Results) -> None:
    """Add this run to the history."""
    file = DOCS / history.FILE
    entry = history.make_entry(results, compare_with_targets(results))
    history.write_history(file, history.add_entry(history.read_history(file), entry))


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
        help="with --recall: further films to look for faces in, each with a NAME.json that says "
        "where they are",
    )
    return parser.parse_args()


def _load() -> Results:
    return Results.model_validate_json(RESULTS.read_text(encoding="utf-8"))


def _films(folder: Path | None) -> list[Film]:
    return find_clips() + (find_films(folder) if folder else [])


def _measure_parts(before: Results, options: argparse.Namespace, console: Console) -> Results:
    """The last results, with the parts that the command line names measured again."""
    if options.dashboard:
        before.dashboard_load = _measure_part(console, Session.dashboard_load)
    if options.detector:
        before.detector = _measure_part(console, Session.detector_times)
    if options.recall:
        films = _films(options.clips)
        found = _measure_part(console, lambda session: session.recall(films))
        before.recall = recall.merge(before.recall, found)
    return before


def _measure_part(console: Console, measure_it: Callable[[Session], Part]) -> Part:
    with opened(console.print) as session:
        return measure_it(session)


def _write_pages(results: Results) -> None:
    earlier = history.read_history(DOCS / history.FILE)
    for name, text in (
        ("benchmarks.svg", page.draw_chart(results)),
        ("benchmarks.md", page.format_page(results, earlier)),
        (growth_page.PICTURE, growth_page.draw_growth(results)),
        (history.PICTURE, history.draw_history(earlier)),
        (recall_chart.PICTURE, recall_chart.draw_recall(results.recall)),
    ):
        (DOCS / name).write_text(text, encoding="utf-8")
    detection = DOCS / recall_page.PAGE
    text = recall_page.write_part(detection.read_text(encoding="utf-8"), results.recall)
    detection.write_text(text, encoding="utf-8")


def _measure(console: Console) -> Results:
    columns = (TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn())
    steps = STEPS + len(find_clips())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=steps)
        started = 0

        def step(name: str) -> None:
            nonlocal started
            progress.update(task, description=name, completed=started)
            started += 1
            if not console.is_terminal:
                console.print(f"{started}/{steps} {name}")

        results = measure(step)
        progress.update(task, description="finished", completed=steps)
    return results


if __name__ == "__main__":
    try:
        main()
    except AffectlineError as error:
        raise SystemExit(str(error)) from error
