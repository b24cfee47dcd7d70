"""From a few rows of FER2013 to an artifact, by the command that users type."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.progress import Progress

from common import artifact
from common.images import to_three_channels, to_vgg16
from training import dataset
from training.evaluate import open_served, softmax, to_probabilities
from training.splits import Split

keras = pytest.importorskip("keras", reason="training needs TensorFlow (the training extra)")

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
FER2013 = SHARED / "fer2013.csv.xz"
WEIGHTS = SHARED / "vgg16_imagenet_notop.weights.h5"
TOLERANCE = 0.1
"""Largest difference of any probability that int8 may cause; 0.03 is what it caused when tried."""

pytestmark = [
    pytest.mark.slow,
    # A minute on a free machine; the clock runs on when others use the processor too.
    pytest.mark.timeout(400),
    pytest.mark.skipif(not FER2013.exists(), reason=f"no FER2013 at {FER2013}"),
    pytest.mark.skipif(not WEIGHTS.exists(), reason=f"no VGG16 weights at {WEIGHTS}"),
    # TensorFlow's SavedModel loader touches NumPy and its own deprecated names.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
]


def train(*arguments: str | Path, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, a run of two epochs and its artifact with reference."""
    folder = tmp_path_factory.mktemp("training")
    # The file starts with training rows alone; calling some of them test rows spares reading on.
    frame = pd.read_csv(FER2013, dtype=str, nrows=160)
    frame.loc[100:129, "Usage"] = "PublicTest"
    frame.loc[130:, "Usage"] = "PrivateTest"
    frame.to_csv(folder / "faces.csv", index=False)
    data = ("--data", folder / "faces.csv")
    fitted = train(
        *("fit", *data, "--backbone-weights", WEIGHTS, "--epochs", "2", "--out", folder / "run"),
        cache=folder / "cache",
    )
    assert fitted.returncode == 0, fitted.stderr
    exported = train(
        *("export", folder / "run", *data, "--out", folder / "model", "--with-reference"),
        cache=folder / "cache",
    )
    assert exported.returncode == 0, exported.stderr
    return folder


def test_a_run_records_how_it_came_to_be(folder: Path) -> None:
    record = json.loads((folder / "run" / "run.json").read_text())
    assert record["settings"]["epochs"] == 2
    assert record["data"]["rows"] == {
        "Training": 100,
        "PublicTest": 30,
        "PrivateTest": 30,
        "Test": 60,
    }
    assert len((folder / "run" / "history.csv").read_text().splitlines()) == 3
    assert len(list((folder / "cache" / "affectline").iterdir())) == 1


def test_a_used_run_folder_is_refused(folder: Path) -> None:
    data = ("--data", folder / "faces.csv")
    again = train("fit", *data, "--out", folder / "run", cache=folder / "cache")
    assert again.returncode == 1
    assert "is not empty" in again.stderr.splitlines()[-1]


def test_the_manifest_tells_no_places(folder: Path) -> None:
    manifest = (folder / "model" / "manifest.json").read_text()
    assert str(folder) not in manifest
    assert str(SHARED) not in manifest
    assert WEIGHTS.name in manifest


def test_int8_and_both_references_agree_on_held_out_faces(folder: Path) -> None:
    opened = artifact.load(folder / "model")
    held_out = dataset.load(folder / "faces.csv").only(Split.PRIVATE_TEST)
    with Progress(disable=True) as progress:
        served = to_probabilities(
            open_served(opened).run(held_out.pixels, progress), opened.manifest
        )
    pictures = to_vgg16(to_three_channels(held_out.pixels))
    model = keras.models.load_model(opened.verified("keras"), compile=False)
    logits = np.asarray(model(pictures))
    graph = keras.layers.TFSMLayer(opened.verified("saved_model"), call_endpoint="serve")
    assert np.asarray(graph(pictures)) == pytest.approx(logits, abs=1e-3)
    reference = softmax(logits, opened.manifest.temperature)
    assert np.abs(served - reference).max() < TOLERANCE


def test_a_run_s_own_model_ends_in_its_softmax(folder: Path) -> None:
    model = keras.models.load_model(folder / "run" / "model.keras", compile=False)
    given = np.asarray(model(np.zeros((2, 48, 48, 3), np.float32)))
    assert given.shape == (2, 7)
    assert given.sum(axis=1) == pytest.approx(1)


def test_evaluate_speaks_json(folder: Path) -> None:
    done = train(
        *("evaluate", "--artifact", folder / "model", "--data", folder / "faces.csv", "--json"),
        cache=folder / "cache",
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    opened = artifact.load(folder / "model")
    assert figures["split"] == "PrivateTest"
    assert figures["model"] == opened.model_id
    assert figures["accuracy"] == opened.manifest.metrics["litert-int8"]["PrivateTest"]["accuracy"]
