from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.settings.detector import DetectorSettings
from affectline.services.detector.detector_settings import YuNetSettings
from affectline.services.detector.detectors.yunet import YuNetDetector, to_detection


def test_yunet_needs_a_model_file(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="the backend yunet needs it"):
        DetectorSettings.model_validate({"backend": "yunet"})
    broken = tmp_path / "yunet.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(AffectlineError, match="cannot be read"):
        YuNetDetector(YuNetSettings(model=broken))


def test_yunet_faces_are_framed_like_those_of_the_cascade() -> None:
    upright = np.array([0, 0, 0, 0, 80, 80, 120, 80, 100, 100, 85, 120, 115, 120, 0.9], float)
    x, y, side, angle, evidence, _ = to_detection(upright)
    assert (x, angle) == (100, 0)
    assert side == pytest.approx(103, abs=1)
    assert y == pytest.approx(80 + 0.113 * side, abs=0.5)
    assert evidence > 20
    leaning = upright.copy()  # the eye on the right is the higher one: counter-clockwise
    leaning[6:8] = (115, 60)
    assert to_detection(leaning).angle == pytest.approx(29.7, abs=0.1)


def test_places_are_scaled_to_the_image() -> None:
    row = np.array([0, 0, 0, 0, 80, 80, 120, 80, 100, 100, 85, 120, 115, 120, 0.9], float)
    x, y, side, angle, evidence, _ = to_detection(row, scale=2.5)
    small = to_detection(row)
    assert (x, y, side) == pytest.approx((2.5 * small.x, 2.5 * small.y, 2.5 * small.side))
    assert (angle, evidence) == (small.angle, small.evidence)
