"""Trainings side by side: the same as one after the other, and nothing left of them."""

import contextlib
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from rich.progress import Progress

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.common.errors import AffectlineError
from affectline.training.reproduce import parallel_runs, schedule
from affectline.training.reproduce.grid import RunConfig
from affectline.training.reproduce.parallel_runs import run_in_parallel
from tests.unit.training.reproduce.test_single_run import (
    PYTHONPATH,
    SETTINGS,
    equal,
    made,
    train_all,
)


@pytest.fixture(autouse=True)
def our_tests_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes read `made` data, whose class is a test's."""
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)


def test_run_in_parallel_trials_end_as_one_after_the_other(tmp_path: Path) -> None:
    longer = RunConfig(replace(SETTINGS, epochs=5))
    runs = [RunConfig(SETTINGS), RunConfig(replace(SETTINGS, seed=1)), longer]
    seen: list[list[str]] = []
    with Progress(disable=True) as progress:
        together = schedule.run_all(
            runs, made(), tmp_path / "two", progress, {}, lambda p: seen.append(sorted(p)), 2
        )
        (bar,) = progress.tasks
        assert bar.finished
    assert equal(together[longer.name], train_all([longer], tmp_path / "one")[longer.name])
    assert seen[-1] == sorted(run.name for run in runs[:2])
    assert len(seen) == 3


KILLING = """
    from pathlib import Path
    import sys
    from dataclasses import replace
    from tests.unit.training.reproduce import test_single_run as here
    from affectline.training.reproduce.parallel_runs import run_in_parallel
    from affectline.training.reproduce.grid import RunConfig

    run = RunConfig(replace(here.SETTINGS, epochs=10**6))
    for _ in run_in_parallel([run], here.made(), Path(sys.argv[1]), 1):
        print(flush=True)
"""


def test_killed_it_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLING), str(tmp_path / "work")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # an epoch is done
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert children
    _, alive = psutil.wait_procs(children, timeout=20)
    for child in alive:
        child.kill()
    assert not alive


def test_a_trial_that_is_killed_is_one_line(tmp_path: Path) -> None:
    endless = RunConfig(replace(SETTINGS, epochs=10**6))
    passed = run_in_parallel([endless], made(), tmp_path, 1)
    run, epochs = next(passed)
    assert run == endless
    assert epochs > 0
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.ZombieProcess):  # another test's, which has ended
            if "affectline.training.reproduce.parallel_runs" in child.cmdline():
                child.kill()
    with pytest.raises(AffectlineError, match=r"unit-b16-lr0.002-seed0 ended \(exit code -9\)"):
        list(passed)


def test_a_trial_that_fails_says_why(tmp_path: Path) -> None:
    taken = tmp_path / "a.file"
    taken.touch()
    with pytest.raises(AffectlineError, match=r"a\.file.*\(Not a directory\)"):
        list(run_in_parallel([RunConfig(SETTINGS)], made(), taken, 1))


def test_a_process_that_cannot_begin_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel_runs, "COMMAND", (sys.executable, "-c", "raise SystemExit(3)"))
    much = replace(made(), targets=np.zeros((50_000, 7), np.float32))
    with pytest.raises(AffectlineError, match=r"ended \(exit code 3\)"):
        list(run_in_parallel([RunConfig(SETTINGS)], much, tmp_path, 0))
