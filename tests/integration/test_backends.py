"""The served int8 model and its TensorFlow reference, side by side in the classifier."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common import artifact
from services.classifier import open_model, to_probabilities
from tests.conftest import SHARED

pytest.importorskip("tensorflow", reason="needs the training extra")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    # TensorFlow's own imports warn; nothing of ours runs under these two
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, trained and exported with its reference as a user would."""
    data = SHARED / "fer2013.csv.xz"
    weights = SHARED / "vgg16_imagenet_notop.weights.h5"
    if not (data.exists() and weights.exists()):
        pytest.skip("../shared/data with FER2013 and the ImageNet weights is not here")
    folder = tmp_path_factory.mktemp("reference")
    rows = pd.read_csv(data, nrows=240)
    rows.loc[200:219, "Usage"] = "PublicTest"
    rows.loc[220:, "Usage"] = "PrivateTest"
    rows.to_csv(folder / "faces.csv", index=False)
    train = [sys.executable, "-m", "training.cli"]
    common = ["--data", str(folder / "faces.csv")]
    for command in (
        ["fit", *common, "--backbone-weights", str(weights), "--epochs", "5", "--out",
         str(folder / "run")],
        ["export", str(folder / "run"), *common, "--out", str(folder / "model"),
         "--with-reference"],
    ):  # fmt: skip
        done = subprocess.run([*train, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


def test_int8_keras_and_saved_model_agree(reference: Path) -> None:
    loaded = artifact.load(reference / "model")
    rows = pd.read_csv(reference / "faces.csv")["pixels"][200:]
    faces = np.stack([np.array(r.split(), np.uint8).reshape(48, 48) for r in rows])
    outputs = {
        "litert": open_model(loaded, "litert").predict(faces),
        "keras": open_model(loaded, "tensorflow").predict(faces),
    }
    without_keras = loaded.manifest.model_copy(
        update={"files": {k: v for k, v in loaded.manifest.files.items() if k != "keras"}}
    )
    graph = artifact.Artifact(loaded.folder, without_keras)
    outputs["saved_model"] = open_model(graph, "tensorflow").predict(faces)
    judged = {name: to_probabilities(o, loaded.manifest) for name, o in outputs.items()}
    assert judged["keras"] == pytest.approx(judged["saved_model"], abs=1e-4)
    # 8 bits through 16 layers: measured 0.03 at most, most faces far below
    assert np.abs(judged["litert"] - judged["keras"]).max() < 0.1
    assert np.abs(judged["litert"] - judged["keras"]).mean() < 0.02
