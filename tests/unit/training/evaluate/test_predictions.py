"""The measured model is the served one."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.model import artifact
from affectline.common.model.artifact import Artifact, ModelFile
from affectline.common.model.litert import LiteRtModel, open_litert
from affectline.common.vision.preprocessing import to_square
from affectline.services.classifier.backends import open_model
from affectline.training.data.faces import LabelledFaces
from affectline.training.evaluate.predictions import Predictions, predict_faces, to_csv


@pytest.fixture
def progress() -> Progress:
    return Progress(disable=True)


def noise(count: int, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (count, size, size), dtype=np.uint8)


def test_evaluation_and_the_classifier_run_the_same_model(progress: Progress) -> None:
    opened = artifact.load()
    faces = noise(70, 48)  # more than a batch
    measured = predict_faces(open_litert(opened), faces, progress)
    served = open_model(opened, "litert")
    assert type(served) is LiteRtModel
    outputs = np.concatenate([served.predict(faces[:32]), served.predict(faces[32:])])
    assert measured.shape == (70, 14)
    assert np.array_equal(measured, outputs)


def test_a_file_that_is_no_model_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"TFL3 but nothing else")
    digest = artifact.checksum(tmp_path / "model.tflite")
    files = {"litert-int8": ModelFile(path="model.tflite", sha256=digest)}
    manifest = artifact.load().manifest.model_copy(update={"files": files})
    with pytest.raises(AffectlineError, match="is not a readable LiteRT model"):
        open_litert(Artifact(tmp_path, manifest))


def test_faces_of_another_size_are_scaled_to_the_model_s(progress: Progress) -> None:
    opened = artifact.load()
    model = open_litert(opened)
    large = noise(3, 100)
    small = np.stack([to_square(face, 48) for face in large])
    assert np.array_equal(
        predict_faces(model, large, progress, 48), predict_faces(model, small, progress, 48)
    )


def test_raw_preprocessing_is_another_input() -> None:
    path = artifact.load().verified("litert-int8")
    faces = noise(2, 48)
    raw = LiteRtModel(path, "raw").predict(faces)
    assert not np.array_equal(raw, LiteRtModel(path, "vgg16").predict(faces))


def test_every_answer_is_a_row_of_the_predictions() -> None:
    shares = np.full((2, 7), 0.05)
    shares[:, 3] = 0.7
    sources = ("row 1", 'sad/a "b",\nc.png')
    faces = LabelledFaces(
        noise(2, 48), np.array([3, 4]), np.array(["Training"] * 2), sources=sources
    )
    rows = list(csv.reader(io.StringIO(to_csv(Predictions(faces, shares)))))
    assert rows[0] == ["source", "label", "given", "confidence", *LABELS]
    assert rows[1][:4] == ["row 1", "happy", "happy", "0.700000"]
    assert rows[2][:5] == [sources[1], "sad", "happy", "0.700000", "0.050000"]
