"""The cells of the matrix: what goes wrong, in which mode, to which processes."""

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

from tests.chaos.modes import MODES, Mode

Fault = Literal["SIGKILL", "SIGSTOP", "full disk", "clock", "camera"]
HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix.

    Attributes:
        mode: How the pipeline runs.
        fault: The fault to inject.
        processes: The kinds of process that are hit at the same time.
        clock_s: By how much the clock is set, in seconds.
    """

    mode: Mode
    fault: Fault
    processes: tuple[str, ...] = ()
    clock_s: float = 0.0

    @property
    def is_all(self) -> bool:
        """Whether every process is hit."""
        return len(self.processes) == len(self.mode.processes)

    @property
    def target(self) -> str:
        """What is hit, in words."""
        if self.fault == "clock":
            return f"{self.clock_s / HOUR_S:+.0f} h"
        if self.is_all:
            return f"all {len(self.processes)}"
        return " + ".join(self.processes)

    @property
    def name(self) -> str:
        """A name such as ``record/SIGKILL/hub+sink``, for patterns on the command line."""
        parts = (self.mode.name, self.fault, self.target)
        return "/".join(part.replace(" ", "") for part in parts if part)

    @property
    def ends_run(self) -> bool:
        """Whether the run cannot continue, and must report that."""
        return self.fault == "full disk" or "replay" in self.processes


def single_faults() -> Iterator[Cell]:
    """Yield each process of each mode, killed and stopped."""
    for mode in MODES.values():
        for fault in ("SIGKILL", "SIGSTOP"):
            for process in mode.processes:
                yield Cell(mode, fault, (process,))


def total_faults() -> Iterator[Cell]:
    """Yield all processes of each mode at once, except a replay's player, which ends the run."""
    for mode in MODES.values():
        for fault in ("SIGKILL", "SIGSTOP"):
            hit = tuple(kind for kind in mode.processes if kind != "replay")
            yield Cell(mode, fault, hit)


def pairs() -> Iterator[Cell]:
    """Yield all pairs of processes of a recorded lossless run."""
    for pair in combinations(MODES["record"].processes, 2):
        yield Cell(MODES["record"], "SIGKILL", pair)


def other_faults() -> Iterator[Cell]:
    """Yield faults of disks, clocks and cameras."""
    for name in ("lossless", "record", "blurred", "page"):
        yield Cell(MODES[name], "full disk")
    for name in ("live", "record", "page"):
        for clock_s in (HOUR_S, -HOUR_S):
            yield Cell(MODES[name], "clock", clock_s=clock_s)
    for name in ("live", "page"):
        yield Cell(MODES[name], "camera")


def matrix() -> list[Cell]:
    """Return all cells, in the order of the page."""
    return [*single_faults(), *total_faults(), *pairs(), *other_faults()]


def select(patterns: list[str]) -> list[Cell]:
    """Return the cells with names that match a pattern; all cells if there is no pattern."""
    cells = matrix()
    if not patterns:
        return cells
    return [one for one in cells if any(fnmatch.fnmatch(one.name, p) for p in patterns)]
