import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.model.artifact import load, to_probabilities
from affectline.common.model.calibration import (
    LARGEST_FILE,
    Calibration,
    calibrated_id,
    read_calibration,
)
from affectline.common.settings.pipeline import ClassifierSettings, PipelineSettings
from affectline.common.settings.pipeline import load as load_settings
from tests.calibrations import OFF, SHIFT, calibration


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "calibration.json"
    path.write_text(json.dumps(calibration().model_dump(mode="json") | changes))
    return path


def test_a_file_is_read_by_its_path_or_its_folder(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert read_calibration(path) == read_calibration(tmp_path) == calibration()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shift": [9e9] * 7}, "shift"),
        ({"shift": [float("nan")] * 7}, "shift"),
        ({"shift": [0.1] * 7}, "neither the fitted one nor zeros"),
        ({"fitted": [0.1] * 6}, "fitted: .*at least 7"),
        ({"labels": ["joy"] * 7}, "labels are not angry"),
        ({"faces": {}}, "faces of no expression"),
        ({"faces": {"bored\n\n": 1}}, "faces of bored"),
        ({"faces": {"neutral": "many"}}, "faces.neutral"),
        ({"calibration_version": 2}, "calibration_version"),
        ({"strength": -1}, "strength"),
        ({"more": 1}, "more"),
        ({"person": "x" * 100}, "person"),
        ({"validation": None}, "validation"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(AffectlineError, match=says) as error:
        read_calibration(written(tmp_path, **changes))
    assert "\n" not in str(error.value)
    assert "calibrate again" in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"\0\xff", b"[" * 60_000, b'{"shift": 1e999}', b"null", b"{}"]
)
def test_what_is_no_calibration_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(AffectlineError, match=r"--calibration .*a\.json: "):
        read_calibration(path)


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b" " * (LARGEST_FILE + 1))
    with pytest.raises(AffectlineError, match="more than 65536 bytes"):
        read_calibration(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match=r"--calibration .*: No such file.*affectline cal"):
        read_calibration(tmp_path)


def test_another_model_or_answer_is_refused() -> None:
    one = calibration()
    one.require_model(one.model)
    with pytest.raises(AffectlineError, match=r"made with the model vgg16.*, not other@1"):
        one.require_model("other@1+consensus")
    with pytest.raises(AffectlineError, match="with --answer consensus, not votes"):
        one.require_model(load().model_id_for("votes"))


def test_results_say_that_they_are_calibrated_only_if_they_are_changed() -> None:
    assert calibrated_id("m@1", calibration()) == "m@1+calibrated"
    assert calibrated_id("m@1", calibration(shift=OFF)) == calibrated_id("m@1", None) == "m@1"
    assert calibration(shift=OFF).offsets() is None


def test_a_shift_changes_the_odds_by_a_factor() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (20, 14)).astype(np.float32)
    manifest = load().manifest
    plain = to_probabilities(logits, manifest)
    shifted = to_probabilities(logits, manifest, "labels", np.array(SHIFT))
    both = to_probabilities(logits, manifest, "consensus")
    moved = both * np.exp(SHIFT)
    assert to_probabilities(logits, manifest, "consensus", np.array(SHIFT)) == pytest.approx(
        moved / moved.sum(axis=1, keepdims=True)
    )
    expected = plain * np.exp(SHIFT)
    assert shifted == pytest.approx(expected / expected.sum(axis=1, keepdims=True))
    given = manifest.model_copy(
        update={"output": "probabilities", "temperature": 1.0, "offsets": None}
    )
    again = to_probabilities(plain, given, "labels", np.array(SHIFT))
    assert again == pytest.approx(shifted)


def test_without_a_shift_no_bit_changes() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (20, 14)).astype(np.float32)
    manifest = load().manifest
    assert manifest.offsets
    scaled = (logits[:, :7].astype(np.float64) + manifest.offsets) / manifest.temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert np.array_equal(to_probabilities(logits, manifest), expected)


def test_settings_name_a_file_and_hold_its_content(tmp_path: Path) -> None:
    path = written(tmp_path)
    file = tmp_path / "a.yaml"
    file.write_text(f"classifier: {{calibration: {path}}}")
    settings = load_settings(file)
    assert settings.classifier.calibration == calibration()
    again = PipelineSettings.model_validate_json(settings.model_dump_json())
    assert again.classifier == settings.classifier
    assert ClassifierSettings.model_validate(settings.classifier.model_dump()) == again.classifier
    assert settings.describe()["settings"]["classifier"]["calibration"]["person"] == "07"
    file.write_text("classifier: {calibration: nowhere.json}")
    with pytest.raises(AffectlineError, match=r"classifier\.calibration: nowhere\.json: No such"):
        load_settings(file)


def test_a_calibration_survives_its_own_file(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        calibration(shift=(0.1,) * 7)
    path = tmp_path / "calibration.json"
    path.write_text(calibration(shift=OFF).model_dump_json(indent=1))
    found = read_calibration(path)
    assert not found.is_on
    assert found.fitted == SHIFT
    assert isinstance(found, Calibration)
