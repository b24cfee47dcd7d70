"""A model with two answers, from the run folder to what is served."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.progress import Progress

from common import artifact
from common.artifact import to_probabilities
from common.images import to_three_channels, to_vgg16
from services.classifier import open_model
from training.dataset import Faces
from training.metrics import softmax
from training.runs import LAST_LAYERS, LOGITS_FILE, MODEL_FILE, RUN_FILE
from training.splits import Split

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from training import export  # noqa: E402
from training.model import cut_softmax  # noqa: E402
from training.network import Network, answer_twice, serve  # noqa: E402

pytestmark = [
    # TensorFlow's own imports warn; nothing of ours runs under these two
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SIZE, ROWS, WEIGHT = 32, 60, 0.2


@pytest.fixture(scope="module")
def faces() -> Faces:
    rng = np.random.default_rng(0)
    usages = [Split.TRAINING] * 30 + [Split.PUBLIC_TEST] * 20 + [Split.PRIVATE_TEST] * 10
    return Faces(
        pixels=rng.integers(0, 256, (ROWS, SIZE, SIZE), dtype=np.uint8),
        emotions=rng.integers(0, 7, ROWS),
        usages=np.array([str(usage) for usage in usages]),
        votes=np.full((ROWS, 7), 1 / 7, np.float32),
    )


@pytest.fixture(scope="module")
def network() -> Network:
    tf.keras.utils.set_random_seed(0)
    return Network(mixed=False)


@pytest.fixture(scope="module")
def run_folder(network: Network, faces: Faces, tmp_path_factory: Any) -> Path:
    """What ``fit`` leaves behind, of a network with random weights."""
    folder: Path = tmp_path_factory.mktemp("run")
    model, layers = serve(network, SIZE, WEIGHT), network.last_layers()
    model.save(folder / MODEL_FILE)
    np.savez(folder / LAST_LAYERS, **layers)
    pictures = to_vgg16(to_three_channels(faces.pixels))
    np.save(folder / LOGITS_FILE, np.asarray(answer_twice(model, layers, WEIGHT)(pictures)))
    record = {
        "recipe": "none",
        "loss": "none",
        "optimizer": {"name": "none"},
        "settings": {"seed": 0, "image_size": SIZE, "votes_weight": WEIGHT},
        "data": {"sha256": faces.sha256, "rows": {"Training": 30}, "votes": True},
    }
    (folder / RUN_FILE).write_text(json.dumps(record))
    return folder


def test_both_answers_are_those_of_the_network(network: Network, faces: Faces) -> None:
    pictures = to_vgg16(to_three_channels(faces.pixels[:5]))
    model, layers = serve(network, SIZE, WEIGHT), network.last_layers()
    both = np.asarray(answer_twice(model, layers, WEIGHT)(pictures))
    assert both.shape == (5, 14)
    assert both[:, :7] == pytest.approx(np.asarray(cut_softmax(model)(pictures)), abs=1e-5)
    _, votes = network.score(faces.pixels[:5])
    assert softmax(both[:, 7:]) == pytest.approx(softmax(votes), abs=1e-4)


def test_the_served_file_gives_both_answers(run_folder: Path, faces: Faces, tmp_path: Path) -> None:
    people = np.arange(ROWS) % 8 - 1
    run, out = export.load_run(run_folder, faces), tmp_path / "two"
    export.export(run, faces, out, "two", False, Progress(disable=True), people)
    made = artifact.load(out)
    outputs = open_model(made, "litert").predict(faces.pixels)
    assert outputs.shape == (ROWS, 14)
    plain = np.load(run_folder / LOGITS_FILE)
    step = np.ptp(plain) / 255
    assert np.abs(outputs - plain).mean() < 4 * step
    asked = to_probabilities(outputs, made.manifest, "votes")
    known = (people >= 0) & (faces.usages == "PrivateTest")
    told = made.manifest.metrics["litert-int8"]["PrivateTest"]
    right = (asked.argmax(axis=1) == people)[known].mean()
    assert told["votes_accuracy"] == pytest.approx(right)
    assert f"| {right:.2%} |" in (made.folder / "MODEL_CARD.md").read_text()


def test_another_weight_changes_the_first_answer_alone(run_folder: Path, faces: Faces) -> None:
    run = export.load_run(run_folder, faces)
    before = run.logits.copy()
    other = export.reblend(run, run_folder, 1.0, faces, Progress(disable=True))
    assert other.logits[:, 7:] == pytest.approx(before[:, 7:], abs=1e-4)
    assert other.logits[:, :7] == pytest.approx(before[:, 7:], abs=1e-4)
    assert not np.allclose(before[:, :7], before[:, 7:], atol=1e-2)
