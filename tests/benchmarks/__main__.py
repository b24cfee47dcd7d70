"""``make bench``: runs the benchmarks, and writes ``docs/benchmarks.md``."""

import argparse
import time
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks import page
from tests.benchmarks.environment import ROOT, ensure_environment
from tests.benchmarks.results import Results
from tests.benchmarks.session import STEPS, measure, measure_dashboard_load
from tests.benchmarks.targets import compare_with_targets

DOCS: Final = ROOT / "docs"
RESULTS: Final = DOCS / "benchmarks.json"


def main() -> None:
    """Run the benchmarks that the command line names, and write the page."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--page", action="store_true", help="measure nothing, write the page from the last results"
    )
    which.add_argument(
        "--dashboard", "--viewing", action="store_true", help="measure the dashboard's load alone"
    )
    options = parser.parse_args()
    console = Console()
    if options.page or options.dashboard:
        results = Results.model_validate_json(RESULTS.read_text(encoding="utf-8"))
        if options.dashboard:
            results.dashboard_load = measure_dashboard_load(console.print)
            _save(results)
    else:
        ensure_environment(console)
        results = _measure(console)
        _save(results)
    (DOCS / "benchmarks.svg").write_text(page.draw_chart(results), encoding="utf-8")
    (DOCS / "benchmarks.md").write_text(page.format_page(results), encoding="utf-8")
    for target in compare_with_targets(results):
        mark = f"[{'green' if target.verdict == 'met' else 'yellow'}]{target.verdict:<9}[/]"
        console.print(f"{mark} {target.name}: {target.measured} ({target.required})")
    console.print("Written: docs/benchmarks.md")


def _save(results: Results) -> None:
    RESULTS.write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _measure(console: Console) -> Results:
    columns = (TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=STEPS)
        started = 0

        def step(name: str) -> None:
            nonlocal started
            progress.update(task, description=name, completed=started)
            started += 1
            if not console.is_terminal:
                console.print(f"{started}/{STEPS} {name}")

        results = measure(step, time.monotonic)
        progress.update(task, description="finished", completed=STEPS)
    return results


if __name__ == "__main__":
    main()
