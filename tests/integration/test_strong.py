"""The strong recipe by the command that users type: killed, resumed, divided, exported, served."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from affectline.common.model import artifact
from affectline.common.model.shipped_digests import DEFAULT_MODEL
from affectline.services.classifier.backends import open_model
from affectline.training.run_folder import CHECKPOINTS, HISTORY, LOGITS_FILE, TENSORBOARD
from tests.integration.conftest import PYTHONPATH, Train

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
SIZE = 32
EPOCHS = 4
"""One of each kind: the head, everything, all but the low blocks, whole faces."""


@pytest.fixture(scope="module")
def options(some_faces: Path, imagenet: Path) -> tuple[str | Path, ...]:
    return (
        *("fit", "--data", some_faces, "--backbone-weights", imagenet, "--image-size", str(SIZE)),
        *("--epochs", str(EPOCHS), "--batch-size", "32"),
    )


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, train: Train, options: tuple[str | Path, ...]
) -> Path:
    folder = tmp_path_factory.mktemp("strong") / "run"
    done = train(*options, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def figures(folder: Path) -> list[list[str]]:
    """The history without its times, which never repeat themselves."""
    with (folder / HISTORY).open(newline="") as stream:
        return [row[:-1] for row in csv.reader(stream)]


def events(folder: Path) -> dict[tuple[int, str], float]:
    """What TensorBoard shows: values by epoch and name."""
    import tensorflow as tf

    return {
        (event.step, value.tag): float(tf.make_ndarray(value.tensor))
        for file in sorted(folder.iterdir())
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }


def test_a_run_logs_each_epoch_and_keeps_two_checkpoints(undisturbed: Path) -> None:
    assert [row[0] for row in figures(undisturbed)] == ["epoch", *map(str, range(1, EPOCHS + 1))]
    assert len(list((undisturbed / CHECKPOINTS).glob("*.index"))) == 2
    table = pd.read_csv(undisturbed / HISTORY).melt("epoch")
    told = {(epoch, name): value for epoch, name, value in table.itertuples(index=False)}
    assert events(undisturbed / TENSORBOARD) == pytest.approx(told, rel=1e-5)
    record = json.loads((undisturbed / "run.json").read_text())
    assert record["settings"]["image_size"] == SIZE
    assert record["data"]["rows"]["Training"] == 100


def test_a_killed_run_resumes_to_the_same_result(
    tmp_path: Path, train: Train, undisturbed: Path, options: tuple[str | Path, ...]
) -> None:
    folder = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "affectline.training",
        *map(str, options),
        "--out",
        str(folder),
    ]
    killed = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": PYTHONPATH}
    )
    # TensorFlow writes this file when the first checkpoint is whole.
    ended = threading.Event()
    while not (folder / CHECKPOINTS / "checkpoint").exists():
        assert killed.poll() is None
        ended.wait(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(figures(folder)) <= EPOCHS
    other = train(*options, "--seed", "7", "--out", folder, "--resume")
    assert other.returncode == 1
    assert "was started with seed 0, not 7" in other.stderr.splitlines()[-1]
    again = train(*options, "--out", folder)
    assert again.returncode == 1
    assert "is not empty" in again.stderr.splitlines()[-1]
    resumed = train(*options, "--out", folder, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert figures(folder) == figures(undisturbed)
    assert np.array_equal(np.load(folder / LOGITS_FILE), np.load(undisturbed / LOGITS_FILE))


def test_runs_from_one_start_are_averaged(tmp_path: Path, train: Train, some_faces: Path) -> None:
    runs = [tmp_path / name for name in ("a", "b")]
    for run, options in zip(runs, (("--degraded", "0.15"), ("--polish",)), strict=True):
        done = train(
            *("fit", "--data", some_faces, "--start", DEFAULT_MODEL, "--image-size", str(SIZE)),
            *("--epochs", "1", "--batch-size", "32", "--out", run),
            *options,
        )
        assert done.returncode == 0, done.stderr
    settings = [json.loads((run / "run.json").read_text())["settings"] for run in runs]
    assert [one["sharpness"] > 0 for one in settings] == [False, True]
    mean = tmp_path / "mean"
    done = train("average", *runs, "--data", some_faces, "--out", mean)
    assert done.returncode == 0, done.stderr
    record = json.loads((mean / "run.json").read_text())
    assert record["averaged"]
    assert set(record["averaged"]) <= {"a", "b"}
    exported = train("export", mean, "--data", some_faces, "--out", tmp_path / "model")
    assert exported.returncode == 0, exported.stderr
    assert "the mean of" in (tmp_path / "model/MODEL_CARD.md").read_text()


def test_without_votes_there_is_nothing_to_weigh(
    tmp_path: Path, train: Train, undisturbed: Path, some_faces: Path
) -> None:
    model = tmp_path / "model"
    done = train(
        "export", undisturbed, "--data", some_faces, "--votes-weight", "0.5", "--out", model
    )
    assert done.returncode == 1
    assert "has no layer trained on votes" in done.stderr.splitlines()[-1]
    assert not model.exists()


def test_another_size_is_exported_and_served_as_it_is(
    tmp_path: Path, train: Train, undisturbed: Path, some_faces: Path
) -> None:
    model = tmp_path / "model"
    done = train("export", undisturbed, "--data", some_faces, "--out", model)
    assert done.returncode == 0, done.stderr
    opened = artifact.load(model)
    assert (opened.manifest.input_height, opened.manifest.input_width) == (SIZE, SIZE)
    assert "It reads expressions, not feelings" in (model / "MODEL_CARD.md").read_text()
    scores = open_model(opened, "litert").predict(np.zeros((2, SIZE, SIZE), np.uint8))
    assert scores.shape == (2, 7)
    told = train("evaluate", "--artifact", model, "--data", some_faces, "--json")
    assert told.returncode == 0, told.stderr
    served = opened.manifest.metrics["litert-int8"]["PrivateTest"]
    assert json.loads(told.stdout)["accuracy"] == pytest.approx(served["accuracy"])


WORKER = """
import json, sys
import numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
from affectline.training.fit.trainer import Trainer, TrainingData
from affectline.training.fit.hyperparameters import FinetuneConfig
from affectline.training.fit.distributed import join_workers
strategy = join_workers() if len(sys.argv) > 1 else None
random = np.random.default_rng(0)
shape = (16, 24, 24)
data = TrainingData(
    random.integers(0, 256, shape, dtype=np.uint8),
    random.integers(0, 7, 16),
    random.dirichlet(np.ones(7), 16).astype(np.float32),
)
recipe = FinetuneConfig(epochs=4, batch_size=8, image_size=24, mixed=False)
trainer = Trainer(data, recipe, None, strategy)
print(json.dumps([step for _ in range(2) for step in trainer.run_epoch()]))
"""


def work(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH, **environment},
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_workers_learn_what_one_learns_from_the_joint_batch() -> None:
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    workers = [
        work("together", TF_CONFIG=json.dumps(
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        ))
        for index in range(2)
    ]  # fmt: skip
    told: list[Any] = []
    for worker in (*workers, work()):
        given, complaints = worker.communicate(timeout=200)
        assert worker.returncode == 0, complaints
        told.append(np.array(json.loads(given)))
    *divided, whole = told
    assert len(whole) == 4
    # Sums are taken in another order, and four steps make more of it.
    assert divided[0] == pytest.approx(whole, rel=5e-4)
    assert divided[1] == pytest.approx(divided[0])
    # Learning has begun, so that the slopes were summed too: the fourth loss is not the first.
    assert abs(whole[3, 0] - whole[0, 0]) > 1e-3
