"""The one LiteRT runner."""

import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.model import artifact
from affectline.common.model.artifact import Artifact
from affectline.common.model.litert import open_litert
from affectline.common.vision.preprocessing import prepare_faces


def noise(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def test_the_table_and_the_arithmetic_quantise_alike() -> None:
    opened = artifact.load()
    model, faces = open_litert(opened), noise(5)
    details = model._interpreter.get_input_details()[0]
    scale, zero_point = details["quantization"]
    values = prepare_faces(faces, opened.manifest.preprocessing) / scale + zero_point
    assert np.array_equal(model._input_table[faces], np.rint(values).clip(-128, 127))


def test_a_face_has_the_same_outputs_in_any_batch() -> None:
    model, faces = open_litert(artifact.load()), noise(5)
    together = model.predict(faces)
    assert together.shape == (5, 14)
    assert together.dtype == np.float32
    assert np.array_equal(together, np.concatenate([model.predict(face[None]) for face in faces]))


def test_an_artifact_without_a_litert_file_is_refused() -> None:
    opened = artifact.load()
    files = {"keras": opened.manifest.files["litert-int8"]}
    manifest = opened.manifest.model_copy(update={"files": files})
    with pytest.raises(AffectlineError, match="has no litert-int8 file \\(it has keras\\)"):
        open_litert(Artifact(opened.folder, manifest))
