"""The served int8 model and its TensorFlow reference, side by side in the classifier."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectline.common.model import artifact
from affectline.common.model.artifact import to_probabilities
from affectline.services.classifier.backends import open_model

pytest.importorskip("tensorflow", reason="needs the training extra")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    # TensorFlow's own imports warn; nothing of ours runs under these two
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def test_int8_keras_and_saved_model_agree(trained: Path, some_faces: Path) -> None:
    loaded = artifact.load(trained / "model")
    rows = pd.read_csv(some_faces)["pixels"][100:]
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
