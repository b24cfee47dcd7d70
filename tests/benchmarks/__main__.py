"""``make bench``: measures, and writes ``docs/benchmarks.md``."""

import sys
import time
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks import page
from tests.benchmarks.environment import ROOT, ensure
from tests.benchmarks.results import Results
from tests.benchmarks.session import STEPS, measure, measure_viewing
from tests.benchmarks.targets import judge

DOCS: Final = ROOT / "docs"


def main() -> None:
    """Measure everything; with ``--page`` only write the page again from the last numbers.

    ``--viewing`` measures nothing but the pages in the browser, and keeps the other numbers.
    """
    console = Console()
    numbers = DOCS / "benchmarks.json"
    if "--page" in sys.argv[1:] or "--viewing" in sys.argv[1:]:
        results = Results.model_validate_json(numbers.read_text(encoding="utf-8"))
        if "--viewing" in sys.argv[1:]:
            results.viewing = measure_viewing(console.print)
            numbers.write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
    else:
        ensure(console)
        results = _measure(console)
        numbers.write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (DOCS / "benchmarks.svg").write_text(page.draw(results), encoding="utf-8")
    (DOCS / "benchmarks.md").write_text(page.write(results), encoding="utf-8")
    for target in judge(results):
        mark = f"[{'green' if target.verdict == 'met' else 'yellow'}]{target.verdict:<9}[/]"
        console.print(f"{mark} {target.name}: {target.measured} ({target.wanted})")
    console.print("Written: docs/benchmarks.md")


def _measure(console: Console) -> Results:
    columns = (TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=STEPS)
        begun = 0

        def step(name: str) -> None:
            nonlocal begun
            progress.update(task, description=name, completed=begun)
            begun += 1
            if not console.is_terminal:
                console.print(f"{begun}/{STEPS} {name}")

        results = measure(step, time.monotonic)
        progress.update(task, description="measured", completed=STEPS)
    return results


if __name__ == "__main__":
    main()
