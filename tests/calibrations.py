"""Calibrations for tests."""

from typing import Any

from affectline.common.model.artifact import load
from affectline.common.model.calibration import Calibration, CrossValidation

SHIFT = (-0.2, 0.0, -0.3, 0.1, -0.1, -0.2, 0.7)
OFF = (0.0,) * 7


def calibration(**changes: Any) -> Calibration:
    """A calibration of the shipped model that is on."""
    told: dict[str, Any] = {
        "person": "07", "made_at": "2026-11-30T10:00:00+0100", "material": "film",
        "model": load().model_id_for("consensus"), "answer": "consensus", "faces": {"neutral": 250},
        "strength": 2.0, "fitted": SHIFT, "shift": SHIFT,
        "validation": CrossValidation(
            blocks=5, log_loss=1.2, calibrated_log_loss=0.9, accuracy=0.4, calibrated_accuracy=0.6
        ),
    }  # fmt: skip
    return Calibration(**(told | changes))
