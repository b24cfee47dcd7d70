"""The figures of earlier runs of ``make bench``: one entry for each, in a file that grows."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, TypeAdapter

from tests.benchmarks.panels import Line, Panel, draw_panels
from tests.benchmarks.results import Results
from tests.benchmarks.targets import Target

FILE: Final = "benchmarks-history.json"
PICTURE: Final = "benchmarks-history.svg"
RATIOS: Final = (("times_paper", "times the paper's way"), ("times_fer", "times fer"))
"""Figures that are compared across machines."""
ABSOLUTE: Final = (
    ("frame_cpu_ms", "CPU, ms a frame"), ("live_p99_ms", "live, p99, ms"),
    ("memory_mb", "memory, MB"), ("first_s", "first emotion, s"),
)  # fmt: skip
"""Figures that are compared only among machines of one kind."""
SHOWN: Final = 24
"""Entries in the chart, the last ones."""


class HistoryEntry(BaseModel):
    """One run."""

    commit: str
    date: str
    machine: str
    """Its kind: figures that are no ratios are compared only within it."""
    figures: dict[str, float]
    """The value of each target that was measured, by its key."""
    disturbed: list[str] = []
    """Keys of those that something else on the machine may have changed."""


_ENTRIES: Final = TypeAdapter(list[HistoryEntry])


def read_history(path: Path) -> list[HistoryEntry]:
    """Read all entries, the oldest first; none where there is no file."""
    return _ENTRIES.validate_json(path.read_bytes()) if path.exists() else []


def write_history(path: Path, entries: Sequence[HistoryEntry]) -> None:
    """Write all entries."""
    path.write_bytes(_ENTRIES.dump_json(list(entries), indent=1) + b"\n")


def make_entry(results: Results, targets: Sequence[Target]) -> HistoryEntry:
    """The entry of a run."""
    measured = [one for one in targets if one.value is not None]
    return HistoryEntry(
        commit=results.machine.commit, date=results.machine.date, machine=results.machine.kind,
        figures={one.key: float(f"{one.value:.4g}") for one in measured},
        disturbed=[one.key for one in measured if one.disturbed],
    )  # fmt: skip


def add_entry(entries: Sequence[HistoryEntry], entry: HistoryEntry) -> list[HistoryEntry]:
    """The history with one more run; a run with the same date replaces itself."""
    kept = [one for one in entries if (one.date, one.machine) != (entry.date, entry.machine)]
    return [*kept, entry]


def draw_history(entries: Sequence[HistoryEntry]) -> str:
    """Draw figures over commits: ratios of all machines together, others by kind of machine.

    The latter are of that machine's commits alone, and only where it had two runs or more.
    """
    shown = list(entries)[-SHOWN:]
    names = [_commit(one) for one in shown]
    kinds = list(dict.fromkeys(one.machine for one in shown))
    ratios = [
        _line(shown, key, kind, name, number)
        for number, (key, name) in enumerate(RATIOS)
        for kind in kinds
    ]
    panels = [Panel("Ratios, all machines", "commit", ratios, x_names=names)]
    for number, kind in enumerate(kinds):
        for key, name in ABSOLUTE:
            own = [one for one in shown if one.machine == kind and key in one.figures]
            line = _line(own, key, kind, kind, number + len(RATIOS))
            title, names = f"{name}: machine {number + 1}", [_commit(one) for one in own]
            if len(own) > 1:
                panels.append(Panel(title, "commit", [line], x_names=names))
    return draw_panels(panels, columns=3)


def describe_machines(entries: Sequence[HistoryEntry]) -> str:
    """The kinds of machines in the chart, by the numbers that they have there."""
    runs = Counter(one.machine for one in list(entries)[-SHOWN:])
    return "; ".join(
        f"machine {number}: {kind}" + (" (one run, shown in the ratios only)" if count < 2 else "")
        for number, (kind, count) in enumerate(runs.items(), start=1)
    )


def _commit(entry: HistoryEntry) -> str:
    return entry.commit.split(" ")[0]


def _line(entries: Sequence[HistoryEntry], key: str, kind: str, name: str, colour: int) -> Line:
    """A figure on one kind of machine; what was disturbed is hollow."""
    there = [
        (float(number), one)
        for number, one in enumerate(entries)
        if key in one.figures and one.machine == kind
    ]
    doubtful = frozenset(at for at, one in there if key in one.disturbed)
    points = [(at, one.figures[key]) for at, one in there]
    return Line(name, points, colour=colour, doubtful=doubtful)
