"""Trainings of the paper's head on synthetic features: stopping and going on."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.progress import Progress

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.fit.hyperparameters import HeadSettings
from affectline.training.reproduce import checkpoint, schedule
from affectline.training.reproduce.checkpoint import Checkpoint
from affectline.training.reproduce.data import ReproductionData
from affectline.training.reproduce.grid import RunConfig
from affectline.training.reproduce.single_run import train_run

ROOT = Path(__file__).parents[4]
PYTHONPATH = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
SETTINGS = HeadSettings(epochs=3, batch_size=16, hidden=(8, 8, 8))


class Made(ReproductionData):
    """Features that no picture went through VGG16 for."""

    def load(self, preprocessing: str) -> NDArray[np.float32]:
        return np.random.default_rng(0).normal(size=(50, 512)).astype(np.float32)


def made() -> Made:
    return Made(
        np.eye(7, dtype=np.float32)[np.arange(50) % 7],
        np.arange(50) >= 40,
        {"data_sha256": "a", "backbone_sha256": "b"},
    )


def train_all(runs: list[RunConfig], work: Path) -> dict[str, Checkpoint]:
    """Run runs one after the other, in this process."""
    data, checkpoints = made(), {}
    for run in runs:
        at, _ = checkpoint.load(work / run.name, {**run.identity, **data.identity})
        checkpoints[run.name] = train_run(run, at, data, work)
    return checkpoints


def equal(one: Checkpoint, other: Checkpoint) -> bool:
    pairs = [(getattr(one.state, kind), getattr(other.state, kind)) for kind in checkpoint.ARRAYS]
    same = all(
        np.array_equal(a, b) for left, right in pairs for a, b in zip(left, right, strict=True)
    )
    return same and one.curve == other.curve and one.state.step == other.state.step


@pytest.mark.slow
def test_stopped_and_taken_up_again_a_run_ends_the_same(tmp_path: Path) -> None:
    whole, half = RunConfig(SETTINGS), RunConfig(replace(SETTINGS, epochs=1))
    undisturbed = train_all([whole], tmp_path / "one")
    train_all([half], tmp_path / "two")
    taken_up = train_all([whole], tmp_path / "two")
    assert equal(undisturbed[whole.name], taken_up[whole.name])
    assert [point.epoch for point in taken_up[whole.name].curve] == [1, 2, 3]


KILLED = """
    import sys
    from pathlib import Path
    from dataclasses import replace
    from tests.unit.training.reproduce import test_single_run as here
    from affectline.training.reproduce import single_run
    from affectline.training.reproduce.grid import RunConfig

    single_run.SAVE_SECONDS = 0.0
    run = RunConfig(replace(here.SETTINGS, epochs=int(sys.argv[2])))
    here.train_all([run], Path(sys.argv[1]))
"""


@pytest.mark.timeout(400)
@pytest.mark.long
def test_killed_in_the_middle_a_run_ends_the_same(tmp_path: Path) -> None:
    last = 40
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "killed"), "100000"]
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = RunConfig(replace(SETTINGS, epochs=last))
    folder = tmp_path / "killed" / run.name
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not (folder / checkpoint.BEFORE).exists():
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    data = made()
    identity = {**run.identity, **data.identity}
    reached, remarks = checkpoint.load(folder, identity)
    assert reached is not None
    assert not remarks
    last = max(last, reached.state.epoch + 5)
    run = RunConfig(replace(SETTINGS, epochs=last))
    taken_up = train_all([run], tmp_path / "killed")
    undisturbed = train_all([run], tmp_path / "undisturbed")
    assert equal(taken_up[run.name], undisturbed[run.name])


def test_what_is_finished_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunConfig(SETTINGS)
    before = train_all([run], tmp_path)

    def never(runs: list[RunConfig], *_: object) -> Generator[tuple[RunConfig, int]]:
        assert not runs
        yield from ()

    monkeypatch.setattr(schedule, "run_in_parallel", never)
    with Progress(disable=True) as progress:
        there = schedule.load_checkpoints([run], made(), tmp_path, progress)
        again = schedule.run_all([run], made(), tmp_path, progress, there)
    assert equal(again[run.name], before[run.name])


def test_variants_have_folders_and_rows_of_their_own() -> None:
    plain = RunConfig(SETTINGS)
    other = replace(plain, random_split=True)
    scaled = replace(plain, standardised=True)
    assert len({plain.name, other.name, scaled.name}) == 3
    data = made()
    train, test = data.rows(other)
    assert (len(train[0]), len(test[0])) == (40, 10)
    assert not np.array_equal(data.masks(random=True)[1], data.masks(random=False)[1])
    features = data.rows(scaled)[0][0]
    assert features.mean(axis=0) == pytest.approx(np.zeros(512), abs=1e-5)
    assert features.std(axis=0) == pytest.approx(np.ones(512), abs=1e-4)
