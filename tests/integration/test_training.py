"""From a few rows of FER2013 to an artifact, by the command that users type."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress

from affectline.common.model import artifact
from affectline.common.model.artifact import to_probabilities
from affectline.common.model.litert import LiteRtModel, open_litert
from affectline.common.vision.preprocessing import prepare, to_three_channels
from affectline.training.data import dataset
from affectline.training.data.splits import Split
from affectline.training.evaluate.predictions import predict_faces
from affectline.training.model.paper_network import build_backbone
from affectline.training.model.warm_start import read_weights
from tests.conftest import SHARED
from tests.integration.conftest import WEIGHTS, Train

keras = pytest.importorskip("keras", reason="training needs TensorFlow (the training extra)")

TOLERANCE = 0.1
"""Largest difference of any probability that int8 may cause; 0.03 is what it caused when tried."""

pytestmark = [
    pytest.mark.slow,
    # A minute on a free machine; the clock runs on when others use the processor too.
    pytest.mark.timeout(400),
    # TensorFlow's SavedModel loader touches NumPy and its own deprecated names.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
]


def test_a_run_records_how_it_came_to_be(trained: Path) -> None:
    record = json.loads((trained / "run" / "run.json").read_text())
    assert record["settings"]["epochs"] == 2
    assert record["data"]["rows"] == {
        "Training": 100,
        "PublicTest": 30,
        "PrivateTest": 30,
        "Test": 60,
    }
    assert len((trained / "run" / "history.csv").read_text().splitlines()) == 3


def test_a_used_run_folder_is_refused(trained: Path, train: Train, some_faces: Path) -> None:
    again = train("fit", "--data", some_faces, "--out", trained / "run")
    assert again.returncode == 1
    assert "is not empty" in again.stderr.splitlines()[-1]


def test_the_manifest_tells_no_places(trained: Path) -> None:
    manifest = (trained / "model" / "manifest.json").read_text()
    assert str(trained) not in manifest
    assert str(SHARED) not in manifest
    assert WEIGHTS.name in manifest


def test_int8_and_all_references_agree_on_held_out_faces(trained: Path, some_faces: Path) -> None:
    opened = artifact.load(trained / "model")
    held_out = dataset.load(some_faces).select(Split.PRIVATE_TEST)
    with Progress(disable=True) as progress:
        served = to_probabilities(
            predict_faces(open_litert(opened), held_out.pixels, progress), opened.manifest
        )
    pictures = prepare(to_three_channels(held_out.pixels), opened.manifest.preprocessing)
    model = keras.models.load_model(opened.verified("keras"), compile=False)
    logits = np.asarray(model(pictures))
    graph = keras.layers.TFSMLayer(opened.verified("saved_model"), call_endpoint="serve")
    assert np.asarray(graph(pictures)) == pytest.approx(logits, abs=1e-3)
    with Progress(disable=True) as progress:
        plain = LiteRtModel(opened.verified("litert-float32"), opened.manifest.preprocessing)
        assert predict_faces(plain, held_out.pixels, progress) == pytest.approx(logits, abs=1e-3)
    reference = to_probabilities(logits, opened.manifest)
    assert np.abs(served - reference).max() < TOLERANCE


def test_a_run_s_own_model_ends_in_its_softmax(trained: Path) -> None:
    model = keras.models.load_model(trained / "run" / "model.keras", compile=False)
    given = np.asarray(model(np.zeros((2, 48, 48, 3), np.float32)))
    assert given.shape == (2, 7)
    assert given.sum(axis=1) == pytest.approx(1)


def test_evaluate_speaks_json(trained: Path, train: Train, some_faces: Path) -> None:
    done = train("evaluate", "--artifact", trained / "model", "--data", some_faces, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    opened = artifact.load(trained / "model")
    assert figures["split"] == "PrivateTest"
    assert figures["model"] == opened.model_id
    assert figures["accuracy"] == opened.manifest.metrics["litert-int8"]["PrivateTest"]["accuracy"]


def test_convolutions_come_back_from_the_int8_file(trained: Path, imagenet: Path) -> None:
    weights = read_weights(artifact.load(trained / "model"))
    known = {name: pair for name, pair in weights.items() if name.startswith("block")}
    assert len(known) == 13
    vgg16 = build_backbone(imagenet)
    for name, (kernel, bias) in known.items():
        frozen, shift = vgg16.get_layer(name).get_weights()
        half_a_step = np.abs(frozen).max(axis=(0, 1, 2)) / 127 / 2
        assert (np.abs(kernel - frozen) <= half_a_step * 1.01 + 1e-7).all()
        assert bias == pytest.approx(shift, abs=0.01)
