"""Makes a person's calibration, and keeps it in the session folder."""

import time
from pathlib import Path

from affectline.common import atomic_file, file_access
from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.model.answer import answer_of
from affectline.common.model.calibration import CALIBRATION_FILE, Calibration, CrossValidation
from affectline.services.calibration.person_faces import PersonFaces
from affectline.services.calibration.shift import (
    STRENGTH,
    HeldOutFigures,
    cross_validate,
    fit_shift,
    typical_results,
)

DIGITS = 4
"""Decimal places of a shift."""


def make_calibration(
    faces: PersonFaces, person: str | None, strength: float = STRENGTH
) -> tuple[Calibration, HeldOutFigures]:
    """Fit a shift to a person's faces; it is off if it does not help on faces left out of the fit.

    Args:
        faces: The person's faces.
        person: The participant's code.
        strength: How strongly the shift is pulled towards 0.

    Returns:
        The calibration, and its figures by expression.
    """
    answer = answer_of(faces.model)
    typical = typical_results(answer)
    figures = cross_validate(faces.blocks, typical, strength)
    fitted = tuple(round(float(one), DIGITS) for one in fit_shift(faces.blocks, typical, strength))
    validation = CrossValidation(
        blocks=len(faces.blocks),
        log_loss=round(float(figures.log_loss.mean()), 4),
        calibrated_log_loss=round(float(figures.calibrated_log_loss.mean()), 4),
        accuracy=round(float(figures.accuracy.mean()), 4),
        calibrated_accuracy=round(float(figures.calibrated_accuracy.mean()), 4),
    )
    calibration = Calibration(
        person=person,
        made_at=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        material=faces.material,
        model=faces.model,
        answer=answer,
        faces=faces.counts(),
        strength=strength,
        fitted=fitted,
        shift=fitted if figures.helps else (0.0,) * len(LABELS),
        validation=validation,
    )
    return calibration, figures


def write_calibration(calibration: Calibration, folder: Path) -> Path:
    """Write ``calibration.json`` into a session folder, replacing an earlier one.

    Args:
        calibration: The calibration.
        folder: The session folder; created if missing.

    Raises:
        AffectlineError: It cannot be written.
    """
    path = folder / CALIBRATION_FILE
    try:
        # Readable by its owner alone, or like the session that it is in
        with file_access.restricted(group=False), file_access.as_the_session(path):
            file_access.make_folder(folder)
            atomic_file.write_text(path, calibration.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise AffectlineError(
            f"--out {path}: {error.strerror or error}", "name a folder of your own"
        ) from error
    return path


def describe_figures(figures: HeldOutFigures) -> list[str]:
    """The figures by expression, as lines of a table."""
    lines = [f"{'faces left out of the fit':<26}{'log loss':>18}{'recognised':>20}"]
    for i, label in enumerate(figures.labels):
        lines.append(
            f"  {LABELS[label]:<24}{figures.log_loss[i]:>7.3f} -> "
            f"{figures.calibrated_log_loss[i]:<7.3f}{figures.accuracy[i]:>9.0%} -> "
            f"{figures.calibrated_accuracy[i]:.0%}"
        )
    return lines
