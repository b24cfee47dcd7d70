"""One person's calibration: a shift of the seven log-probabilities, kept in a small JSON file.

The shift is added to the model's logits after the temperature and before the softmax, so it
multiplies each probability by a factor and normalizes again: a change of the prior (Saerens et al.
2002), the vector scaling of Guo et al. 2017 with its biases alone. ``affectline calibrate`` makes
such files; docs/calibration.md explains how.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.model.answer import Answer, answer_of

CALIBRATION_FILE: Final = "calibration.json"
"""Name of the file in a session folder."""
CALIBRATED: Final = "+calibrated"
"""Suffix of a model's id in results that were shifted."""
LARGEST_SHIFT: Final = 4.0
"""Largest shift of a log-probability that a file may have; a probability's odds change by a factor
of 55 at most."""
LARGEST_FILE: Final = 65_536
"""In bytes; a calibration has about 1500."""

Shift = Annotated[
    tuple[Annotated[float, Field(ge=-LARGEST_SHIFT, le=LARGEST_SHIFT)], ...],
    Field(min_length=len(LABELS), max_length=len(LABELS), strict=False),
]
"""What is added to each log-probability, in the order of `LABELS`."""
Share = Annotated[float, Field(ge=0, le=1)]
Loss = Annotated[float, Field(ge=0, le=100)]
Material = Literal["camera", "film", "session", "collection"]


class CrossValidation(BaseModel):
    """What the shift changed on faces of the person that it was not fitted to.

    Each block, a piece of time or a picture, is left out once. All expressions count the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    blocks: Annotated[int, Field(ge=2, le=1_000_000)]
    log_loss: Loss
    """Mean negative log-probability of the expressions that were asked for, without the shift."""
    calibrated_log_loss: Loss
    """The same with the shift."""
    accuracy: Share
    calibrated_accuracy: Share


class Calibration(BaseModel):
    """The calibration of one person with one model; the content of ``calibration.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    calibration_version: Literal[1] = 1
    person: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The participant: a code, never a name."""
    made_at: Annotated[str, Field(max_length=64)]
    """When it was made: local time in ISO 8601."""
    material: Material
    """What it was made from."""
    model: Annotated[str, Field(min_length=1, max_length=200)]
    """Id of the model, as in messages."""
    answer: Answer
    """Whose labels the model predicted."""
    labels: Annotated[tuple[str, ...], Field(strict=False)] = LABELS
    """Names of the seven numbers of each shift, in order."""
    faces: dict[str, Annotated[int, Field(ge=1)]]
    """Number of faces for each expression that was asked for."""
    strength: Annotated[float, Field(gt=0, le=1000)]
    """How strongly the shift was pulled towards 0."""
    fitted: Shift
    """The shift as fitted."""
    shift: Shift
    """The shift that is applied: the fitted one, or zeros if it did not help."""
    validation: CrossValidation

    @model_validator(mode="after")
    def _belongs_to_the_labels(self) -> "Calibration":
        if self.labels != LABELS:
            raise ValueError(f"labels are not {', '.join(LABELS)}")
        if not self.faces or set(self.faces) - set(LABELS):
            raise ValueError(f"faces of {', '.join(self.faces) or 'no expression'}")
        if any(self.shift) and self.shift != self.fitted:
            raise ValueError("shift is neither the fitted one nor zeros")
        return self

    @property
    def is_on(self) -> bool:
        """Whether it changes any result."""
        return any(self.shift)

    def offsets(self) -> tuple[float, ...] | None:
        """What is added to the seven log-probabilities; None if it is off."""
        return self.shift if self.is_on else None

    def require_model(self, model_id: str) -> None:
        """Check that it was made with this model and answer.

        Args:
            model_id: Id of the model in use with its answer, without `CALIBRATED`.

        Raises:
            AffectlineError: It was made with another one.
        """
        if (answer := answer_of(model_id)) != self.answer:
            raise AffectlineError(
                f"the calibration was made with --answer {self.answer}, not {answer}",
                f"use --answer {self.answer}, or calibrate again with --answer {answer}",
            )
        if model_id != self.model:
            raise AffectlineError(
                f"the calibration was made with the model {self.model}, not {model_id}",
                "calibrate again with this model, or name the other one with --model",
            )

    def require_person(self, participant: str | None) -> None:
        """Check that it is of the participant, if both are known.

        Raises:
            AffectlineError: It is of somebody else.
        """
        if participant and self.person and participant != self.person:
            raise AffectlineError(
                f"participant {participant}: the calibration is of {self.person}",
                "name that person's own calibration, or none",
            )


def calibrated_id(model_id: str, calibration: Calibration | None) -> str:
    """A model's id in results: with `CALIBRATED` if a calibration shifts them."""
    return model_id + CALIBRATED if calibration and calibration.is_on else model_id


def read_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Args:
        path: The file, or the session folder that has it.

    Raises:
        AffectlineError: There is none, or it is damaged.
    """
    file = path / CALIBRATION_FILE if path.is_dir() else path
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AffectlineError(
            f"--calibration {path}: {reason}", "name a file made by affectline calibrate"
        ) from error
    if len(data) > LARGEST_FILE:
        raise AffectlineError(
            f"--calibration {path}: more than {LARGEST_FILE} bytes", "name a file made by "
            "affectline calibrate"
        )  # fmt: skip
    try:
        return Calibration.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:80] or "the file"
        message = " ".join(first["msg"].removeprefix("Value error, ").split())[:200]
        raise AffectlineError(
            f"--calibration {path}: {where}: {message}",
            "the file is damaged: calibrate again with affectline calibrate",
        ) from error


def _read_if_named(value: Any) -> Any:
    """A calibration named by its path, read; anything else as it is."""
    if not isinstance(value, str | Path):
        return value
    try:
        return read_calibration(Path(value))
    except AffectlineError as error:
        raise ValueError(str(error).removeprefix("--calibration ")) from error


CalibrationSetting = Annotated[Calibration | None, BeforeValidator(_read_if_named)]
"""A calibration, or in a settings file the path of one. Settings hold its content, so that the
processes of a run, also on other machines, and the session's files have the same."""
