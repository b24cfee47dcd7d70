"""The matrix covers every process, and its cells can be told apart."""

from itertools import combinations

import pytest

from affectline.services.registry import SPECS
from tests.chaos.cells import matrix, select
from tests.chaos.modes import MODES

CELLS = matrix()


def test_names_are_unique() -> None:
    names = [cell.name for cell in CELLS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("fault", ["SIGKILL", "SIGSTOP"])
def test_each_process_of_each_mode_is_hit_alone_and_with_all_others(fault: str) -> None:
    hit = {(cell.mode.name, cell.processes) for cell in CELLS if cell.fault == fault}
    for mode in MODES.values():
        assert {(mode.name, (kind,)) for kind in mode.processes} <= hit
        assert (mode.name, tuple(kind for kind in mode.processes if kind != "replay")) in hit


def test_all_processes_of_a_run_are_in_some_mode() -> None:
    tried = {kind for mode in MODES.values() for kind in mode.processes}
    assert set(SPECS) - tried == {"lsl", "collect", "remote"}, "these are no part of a run"


def test_every_pair_of_a_recorded_run_is_hit() -> None:
    hit = {cell.processes for cell in CELLS if cell.mode.name == "record"}
    assert set(combinations(MODES["record"].processes, 2)) <= hit


def test_cells_are_chosen_by_patterns() -> None:
    chosen = select(["record/SIGKILL/hub", "page/clock/*"])
    assert [cell.name for cell in chosen] == [
        "record/SIGKILL/hub", "page/clock/+1h", "page/clock/-1h",
    ]  # fmt: skip
    assert select([]) == CELLS
