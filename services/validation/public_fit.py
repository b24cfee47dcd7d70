"""Fits the shipped model to the public datasets, and once more without each of their people."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from affectline.common.errors import AffectlineError
from affectline.services.fusion.stress_model import StressModel
from affectline.services.validation import drivedb, stress_predict
from affectline.services.validation.drivedb_reader import read_drives
from affectline.services.validation.held_out import Marks, make_marks
from affectline.services.validation.nested import (
    THINNING,
    Choice,
    Evidence,
    HeldOut,
    choose_and_fit,
    leave_one_out,
)
from affectline.services.validation.stress_predict_reader import read_recordings


@dataclass(frozen=True)
class PublicFit:
    """The shipped model, and those without one person each."""

    choice: Choice
    model: StressModel
    held_out: tuple[tuple[Marks, HeldOut], ...]
    """With marks of the person whom each does without."""
    people: int
    drives: int

    @property
    def about(self) -> str:
        """How the model came about."""
        number = f"{self.drives} drive{'s' * (self.drives != 1)}"
        drives = f" --drives FOLDER: {number} and" if self.drives else ":"
        return f"affectline validate stress-predict FOLDER --fit FILE{drives} {self.people} people"


def fit(
    people: Path,
    drives: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
    *,
    held_out: bool = True,
) -> PublicFit:
    """Choose and fit by everybody, and without each person in turn.

    Args:
        people: Folder with the layout of Stress-Predict.
        drives: Folder with drives of drivedb; None for none.
        progress: Called with the number of models done and the total.
        held_out: Whether to make the models without one person too.

    Raises:
        AffectlineError: There are fewer than two people.
    """
    recordings = read_recordings(people)
    if len(recordings) < 2:
        raise AffectlineError(
            f"--fit: {people} has one person, too few to fit anything",
            "it needs two people or more",
        )
    marks = [make_marks(stress_predict.list_signals(one)) for one in recordings]
    evidence: list[Evidence] = [
        stress_predict.evidence_by_settings(one, THINNING) for one in recordings
    ]
    labelled = [one for one in read_drives(drives) if one.bounds] if drives else []
    marks += [make_marks(drivedb.list_signals(one)) for one in labelled]
    evidence += [drivedb.evidence_by_settings(one, THINNING) for one in labelled]
    choice, model = choose_and_fit(evidence)
    models = leave_one_out(evidence, progress=progress) if held_out else []
    return PublicFit(
        choice, model, tuple(zip(marks, models, strict=False)), len(recordings), len(labelled)
    )
