"""Validates the stress estimate on Stress-Predict (Iqbal et al. 2022, Sensors 22(21)).

The data are from wrist sensors (Empatica E4) of people who did a Stroop test, an interview and
hyperventilation, with rest before, between and after.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from affectline.common.settings.fusion import FusionSettings
from affectline.services.fusion.stress_model import StressModel, load_default_model
from affectline.services.fusion.subject import SubjectState
from affectline.services.validation.fitting import (
    SIGNAL_SETS,
    LabelledEvidence,
    fit_model,
    score_seconds,
)
from affectline.services.validation.metrics import (
    Vector,
    auc,
    balanced_accuracy,
    nan_mean,
    nan_to_none,
    roc,
)
from affectline.services.validation.stress_predict_reader import (
    ParticipantRecording,
    read_recordings,
)

SECOND: Final = 1_000_000_000
NO_STATES: Final = FusionSettings(rate=0.001, face_weight=0)
"""The evidence is read every second; states are not needed."""
EVEN_ODDS: Final = 50.0


def collect_evidence(recording: ParticipantRecording) -> LabelledEvidence:
    """Run a recording through the live estimator; return its evidence at each labelled second.

    It is causal: the evidence at a second depends only on samples up to that second.
    """
    person = SubjectState("person", NO_STATES)
    evidence = []
    messages = iter(recording.samples)
    pending = next(messages, None)
    for second in recording.seconds:
        while pending is not None and pending[0] <= second:
            person.add_samples(pending[1])
            pending = next(messages, None)
        evidence.append(person.evidence(round(second * SECOND)))
    return LabelledEvidence(recording.name, tuple(evidence), recording.labels)


@dataclass(frozen=True)
class StressPredictResult:
    """The outcome of a validation."""

    people: tuple[LabelledEvidence, ...]
    scores: dict[str, dict[str, Vector]]
    """By set of signals and person: nervousness from a model fitted without that person."""
    model: StressModel | None
    """Model fitted to everybody; None with a single person, because nothing is fitted then."""
    notes: tuple[str, ...] = ()
    """Notes on data that could not be used."""

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        labels = np.concatenate([person.labels for person in self.people])
        sets: dict[str, Any] = {}
        for name, scores in self.scores.items():
            pooled = np.concatenate([scores[person.name] for person in self.people])
            each = {person.name: auc(person.labels, scores[person.name]) for person in self.people}
            accuracy = balanced_accuracy(labels, pooled, EVEN_ODDS)
            sets[name] = {
                "auc_pooled": nan_to_none(auc(labels, pooled)),
                "auc_mean": nan_to_none(nan_mean(each.values())),
                "balanced_accuracy_at_50": nan_to_none(accuracy),
                "auc_by_subject": {k: nan_to_none(v) for k, v in each.items()},
                "coverage": float(np.mean([
                    any(s in moment for s in SIGNAL_SETS[name])
                    for person in self.people for moment in person.evidence
                ])),
            }  # fmt: skip
        return {
            "dataset": "stress-predict",
            "subjects": len(self.people),
            "seconds": len(labels),
            "stress_seconds": int(labels.sum()),
            "fitted_to": "all other subjects" if self.model else "the people of the shipped model",
            "notes": list(self.notes),
            "sets": sets,
        }

    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """Return the pooled ROC curve of each set of signals."""
        labels = np.concatenate([person.labels for person in self.people])
        return {
            name: roc(labels, np.concatenate([scores[person.name] for person in self.people]))
            for name, scores in self.scores.items()
        }


def validate(
    folder: Path, progress: Callable[[int, int], None] = lambda done, of: None
) -> StressPredictResult:
    """Validate on a folder, leaving one person out of each fit.

    A single person is scored with the default coefficients.

    Args:
        folder: Folder with the layout of Stress-Predict.
        progress: Called with the number of people done and the total.

    Raises:
        AffectlineError: There is nobody to score, or nobody to fit to.
    """
    notes: list[str] = []
    recordings = read_recordings(folder, notes.append)
    people: list[LabelledEvidence] = []
    for recording in recordings:
        people.append(collect_evidence(recording))
        progress(len(people), len(recordings))
    scores: dict[str, dict[str, Vector]] = {name: {} for name in SIGNAL_SETS}
    for left_out in people:
        others = [person for person in people if person is not left_out]
        model = fit_model(others) if others else load_default_model()
        for name, signals in SIGNAL_SETS.items():
            scores[name][left_out.name] = score_seconds(left_out, model, signals)
    return StressPredictResult(
        tuple(people), scores, fit_model(people) if len(people) > 1 else None, tuple(notes)
    )
