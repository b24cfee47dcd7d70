"""``python -m tests.attacks``: attacks real runs, and updates ``docs/reliability.md``."""

import argparse
import platform
import re
import sys
import tempfile
from pathlib import Path

from tests.attacks.attacks import GROUPS
from tests.attacks.keyed import KEYED_GROUPS
from tests.attacks.results import RESULTS, Figures, RunResult, find_broken
from tests.attacks.trial import Expected, attack
from tests.benchmarks.environment import describe_machine
from tests.chaos import page
from tests.chaos.__main__ import PAGE
from tests.chaos.__main__ import RESULTS as CHAOS
from tests.chaos.results import Matrix


def main() -> int:
    """Attack, print the results, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    every = [*GROUPS, *KEYED_GROUPS]
    parser.add_argument(
        "group", nargs="*", help=f"some of: {'; '.join(every)}. The others keep their results"
    )
    chosen = parser.parse_args().group or every
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder:
        expected = Expected(Path(folder))
        runs: list[RunResult] = []
        for group in chosen:
            runs.append(_attack(group, Path(folder), expected))
            _write(runs, every)
    return int(any(find_broken(run) for run in runs))


def _write(runs: list[RunResult], every: list[str]) -> None:
    """Write the results, together with earlier results of other groups, and the page."""
    machine = describe_machine()
    described = f"{machine.cores} cores ({machine.cpu or platform.machine()})"
    known = {run.group: run.model_copy(update={"date": machine.date}) for run in runs}
    if RESULTS.exists():
        earlier = Figures.model_validate_json(RESULTS.read_text(encoding="utf-8"))
        dated = (run.model_copy(update={"date": run.date or earlier.date}) for run in earlier.runs)
        known = {run.group: run for run in dated} | known
    ordered = [known[group] for group in every if group in known]
    if len({run.date for run in ordered}) == 1:
        ordered = [run.model_copy(update={"date": ""}) for run in ordered]
    figures = Figures(date=machine.date, machine=described, runs=ordered)
    RESULTS.write_text(figures.model_dump_json(indent=1) + "\n", encoding="utf-8")
    found = Matrix.model_validate_json(CHAOS.read_text(encoding="utf-8"))
    PAGE.write_text(page.format_page(found), encoding="utf-8")


def _attack(group: str, folder: Path, expected: Expected) -> RunResult:
    """Run a group of attacks, and print the results."""
    own = folder / re.sub(r"\W+", "-", group)
    own.mkdir()
    if group in KEYED_GROUPS:
        key, attacks = KEYED_GROUPS[group]
        run = attack(group, attacks, own, expected, key)
    else:
        run = attack(group, GROUPS[group], own, expected)
    for one in run.attacks:
        told = f"sent {one.sent}, cut {one.closed}, {one.refused}, {one.grown_mb:.1f} MB"
        sys.stdout.write(f"{group}: {one.name}: {told}\n")
    for text in find_broken(run):
        sys.stdout.write(f"{group}: FAILED: {text}\n")
    return run


if __name__ == "__main__":
    raise SystemExit(main())
