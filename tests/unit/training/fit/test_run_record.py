from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.training.data.faces import LabelledFaces
from affectline.training.fit import run_record as record
from affectline.training.run_folder import LOGITS_FILE, RUN_FILE

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

FACES = LabelledFaces(
    np.zeros((2, 48, 48), np.uint8), np.array([3, 4]), np.array(["Training", "PublicTest"])
)
LOGITS = np.eye(7, dtype=np.float32)[[3, 3]]


def model(error: Exception | None = None) -> SimpleNamespace:
    def save(file: Path, **options: object) -> None:
        if error:
            raise error
        file.touch()

    return SimpleNamespace(save=save, export=save)


def test_what_is_left_of_a_run(tmp_path: Path) -> None:
    run = record.save_run(tmp_path, model(), LOGITS, FACES, {"recipe": "r"}, None, 2.0)
    assert run["accuracy"] == {"Training": 1.0, "PublicTest": 0.0, "Test": 0.0}
    assert run["data"]["from_folder"] is False
    assert "backbone_weights" not in run  # it began with another model
    run = record.save_run(tmp_path, model(), LOGITS, FACES, {}, record.name_weights(None), 2.0)
    assert run["backbone_weights"] == "imagenet"
    assert record.name_weights(Path("/home/anna/vgg16.h5")) == "vgg16.h5"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"model.keras", "saved_model", LOGITS_FILE, RUN_FILE}


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("Can't decrement id"), OSError()]
)
def test_a_full_disk_is_one_line_and_the_run_is_not_finished(
    tmp_path: Path, error: Exception
) -> None:
    with pytest.raises(AffectlineError, match="cannot write the finished model to") as caught:
        record.save_run(tmp_path, model(error), LOGITS, FACES, {}, None, 2.0)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / RUN_FILE).exists()
