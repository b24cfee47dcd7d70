"""Settings of the detectors: each its own, and files that were written when all had the same."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from affectline.common.settings.detector import DetectorSettings
from affectline.common.settings.pipeline import PipelineSettings, load
from affectline.services.detector.detector_settings import (
    HaarNetSettings,
    HaarSettings,
    YuNetSettings,
)

EARLIER = """
detector:
  backend: {backend}
  yunet_model: {model}
  scan_size: 400
  scan_interval: 9
  search_interval: 2
  scale_factor: 1.3
  min_neighbours: 3
  min_face: 0.2
  max_faces: 2
  max_misses: 5
  margin: 0.02
"""


def read(tmp_path: Path, text: str) -> DetectorSettings:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return load(path).detector


@pytest.mark.parametrize("model", ["null", "face.onnx"])
def test_earlier_files_for_the_cascade_are_read(tmp_path: Path, model: str) -> None:
    assert read(tmp_path, EARLIER.format(backend="haar", model=model)) == HaarSettings(
        scan_size=400, scan_interval=9, search_interval=2, scale_factor=1.3, min_neighbours=3,
        min_face=0.2, max_faces=2, max_misses=5, margin=0.02,
    )  # fmt: skip


def test_earlier_files_for_yunet_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, EARLIER.format(backend="yunet", model="face.onnx"))
    assert found == YuNetSettings(
        model=Path("face.onnx"), scan_size=400, scan_interval=9, search_interval=2,
        min_face=0.2, max_faces=2, max_misses=5, margin=0.02,
    )  # fmt: skip
    now = "detector: {backend: yunet, model: face.onnx}"
    assert read(tmp_path, now) == YuNetSettings(model=Path("face.onnx"))


def test_the_cascade_with_a_network_is_the_default() -> None:
    assert PipelineSettings().detector == HaarNetSettings()
    assert DetectorSettings.model_validate({"max_faces": 1}) == HaarNetSettings(max_faces=1)


def test_settings_survive_a_file_of_settings() -> None:
    written = PipelineSettings(detector=YuNetSettings(model=Path("face.onnx"))).model_dump_json()
    assert PipelineSettings.model_validate_json(written).detector == YuNetSettings(
        model=Path("face.onnx")
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "eyes"}, "there is no backend 'eyes'"),
        ({"backend": "haar", "model": "face.onnx"}, "the backend haar has no such setting"),
        ({"backend": "yunet", "model": "face.onnx", "score": 1}, "has no such setting"),
        ({"scan_size": 5}, "greater than or equal to 64"),
        ({"mesh": False, "landmarks": True}, "landmarks: true needs mesh: true"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DetectorSettings.model_validate(settings)
