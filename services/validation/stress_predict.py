"""Validates the stress estimate on Stress-Predict (Iqbal et al. 2022, Sensors 22(21)).

The data are from wrist sensors (Empatica E4) of people who did a Stroop test, an interview and
hyperventilation, with rest before, between and after.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from affectline.common.settings.fusion import FusionSettings
from affectline.services.fusion.feature_settings import FeatureSettings
from affectline.services.fusion.stress_model import MEASURES, StressModel, load_default_model
from affectline.services.fusion.subject import SubjectState
from affectline.services.validation.fitting import (
    SIGNAL_SETS,
    LabelledEvidence,
    score_seconds,
)
from affectline.services.validation.held_out import model_without
from affectline.services.validation.metrics import (
    Labels,
    Vector,
    auc,
    balanced_accuracy,
    nan_mean,
    nan_to_none,
    reliability_curve,
    roc,
)
from affectline.services.validation.nested import (
    MIN_PEOPLE,
    SETTINGS,
    HeldOut,
    leave_one_out,
    score_held_out,
    thin,
)
from affectline.services.validation.stress_predict_reader import (
    ParticipantRecording,
    read_recordings,
)

SECOND: Final = 1_000_000_000
NO_STATES: Final = FusionSettings(rate=0.001, face_weight=0)
"""The evidence is read every second; states are not needed."""
EVEN_ODDS: Final = 50.0
CALIBRATIONS_S: Final = (0.0, 60.0, 120.0, 300.0, 600.0)
"""Lengths of rest of the calibration curve; 0: a continuous baseline."""
CURVE_FROM_S: Final = 600.0
"""The calibration curve counts seconds from here on, the same for all lengths."""
CURVE_EVERY: Final = 5
"""Every how many seconds it counts one."""
HELD_OUT: Final = "models chosen and fitted without the person who is scored"
SHIPPED: Final = "the shipped model"


def collect_evidence(
    recording: ParticipantRecording,
    settings: FeatureSettings | None = None,
    calibration_s: float = 0.0,
    every: int = 1,
) -> LabelledEvidence:
    """Run a recording through the live estimator; return its evidence at each labelled second.

    It is causal: the evidence at a second depends only on samples up to that second.

    Args:
        recording: A person's signals and labels.
        settings: Constants of the measures; None: those of the shipped model.
        calibration_s: Length of a timed calibration from the first second; 0 for none.
        every: Every how many seconds the evidence is read.
    """
    chosen = load_default_model().settings if settings is None else settings
    person = SubjectState("person", NO_STATES, StressModel(0.0, {}, chosen))
    evidence = []
    messages = iter(recording.samples)
    pending = next(messages, None)
    for i, second in enumerate(recording.seconds):
        while pending is not None and pending[0] <= second:
            person.add_samples(pending[1])
            pending = next(messages, None)
        if calibration_s and i == 0:
            person.calibrate(round(second * SECOND), calibration_s)
        if i % every == 0:
            evidence.append(person.evidence(round(second * SECOND)))
    return LabelledEvidence(recording.name, tuple(evidence), recording.labels[::every])


def list_signals(recording: ParticipantRecording) -> dict[str, Vector]:
    """Return a person's values by signal, to recognise the person by."""
    found: dict[str, list[float]] = {}
    for _, samples in recording.samples:
        found.setdefault(samples.signal, []).extend(samples.values)
    return {signal: np.array(values) for signal, values in found.items()}


def evidence_by_settings(
    recording: ParticipantRecording, every: int = 1
) -> dict[FeatureSettings, LabelledEvidence]:
    """Return a person's evidence with all constants that there are to choose from."""
    return {settings: collect_evidence(recording, settings, 0.0, every) for settings in SETTINGS}


@dataclass(frozen=True)
class StressPredictResult:
    """The outcome of a validation."""

    people: tuple[LabelledEvidence, ...]
    scores: dict[str, dict[str, Vector]]
    """By set of signals and person: nervousness from a model that never saw that person."""
    held_out: tuple[str, ...] = ()
    """People that the shipped model was fitted to; others are scored by the shipped model."""
    shipped_scores: dict[str, dict[str, Vector]] = field(default_factory=dict)
    """The same from the shipped model."""
    folder_scores: dict[str, dict[str, Vector]] = field(default_factory=dict)
    """The same from models chosen and fitted to the other people of the folder; if asked for."""
    folder_models: tuple[HeldOut, ...] = ()
    calibration: tuple[dict[str, Any], ...] = ()
    """Figures by length of a timed calibration; if asked for."""
    notes: tuple[str, ...] = ()
    """Notes on data that could not be used."""

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        labels = self._labels()
        known = len(self.held_out)
        figures: dict[str, Any] = {
            "dataset": "stress-predict",
            "subjects": len(self.people),
            "seconds": len(labels),
            "stress_seconds": int(labels.sum()),
            "fitted_to": _describe(known, len(self.people)),
            "held_out": list(self.held_out),
            "notes": list(self.notes),
            "sets": self._figures(self.scores),
            "reliability": reliability_curve(labels, self._pool(self.scores["together"])),
        }
        if known:
            figures["shipped_model"] = self._figures(self.shipped_scores)
        if self.folder_scores:
            figures["this_folder"] = self._figures(self.folder_scores)
            figures["choices"] = {held.name: held.choice.describe() for held in self.folder_models}
        if self.calibration:
            figures["calibration_curve"] = list(self.calibration)
        return figures

    def _labels(self) -> Labels:
        return np.concatenate([person.labels for person in self.people])

    def _pool(self, scores: Mapping[str, Vector]) -> Vector:
        return np.concatenate([scores[person.name] for person in self.people])

    def _figures(self, all_scores: Mapping[str, Mapping[str, Vector]]) -> dict[str, Any]:
        labels = self._labels()
        sets: dict[str, Any] = {}
        for name, scores in all_scores.items():
            pooled = self._pool(scores)
            each = {person.name: auc(person.labels, scores[person.name]) for person in self.people}
            accuracy = balanced_accuracy(labels, pooled, EVEN_ODDS)
            signals = SIGNAL_SETS[name]
            sets[name] = {
                "auc_pooled": nan_to_none(auc(labels, pooled)),
                "auc_mean": nan_to_none(nan_mean(each.values())),
                "balanced_accuracy_at_50": nan_to_none(accuracy),
                "auc_by_subject": {k: nan_to_none(v) for k, v in each.items()},
                "coverage": float(np.mean([
                    any(MEASURES[one] in signals for one in moment)
                    for person in self.people for moment in person.evidence
                ])),
            }  # fmt: skip
        return sets

    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """Return the pooled ROC curve of each set of signals."""
        labels = self._labels()
        return {name: roc(labels, self._pool(scores)) for name, scores in self.scores.items()}


def _describe(known: int, people: int) -> str:
    if not known:
        return SHIPPED
    return HELD_OUT if known == people else f"{HELD_OUT} ({known} of {people}), or {SHIPPED}"


def validate(
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, of: None,
    *,
    within: bool = False,
    curve: bool = False,
) -> StressPredictResult:
    """Validate on a folder.

    A person whom the shipped model was fitted to is scored with the model that was chosen and
    fitted without them, everybody else with the shipped model.

    Args:
        folder: Folder with the layout of Stress-Predict.
        progress: Called with the number of people done and the total.
        within: Whether to choose and fit within the folder as well, leaving one person out.
        curve: Whether to measure how figures grow with the length of a timed calibration.

    Raises:
        AffectlineError: There is nobody to score, or nobody to fit to.
    """
    notes: list[str] = []
    recordings = read_recordings(folder, notes.append)
    default = load_default_model()
    people, held_out = [], []
    models: list[StressModel] = []
    scores: dict[str, dict[str, Vector]] = {name: {} for name in SIGNAL_SETS}
    shipped: dict[str, dict[str, Vector]] = {name: {} for name in SIGNAL_SETS}
    for recording in recordings:
        model, is_special, note = model_without(recording.name, list_signals(recording))
        notes += [note] if note else []
        models.append(model)
        evidence = collect_evidence(recording, model.settings)
        by_default = evidence
        if model.settings != default.settings:
            by_default = collect_evidence(recording, default.settings)
        held_out += [recording.name] if is_special else []
        people.append(evidence)
        for name, signals in SIGNAL_SETS.items():
            scores[name][recording.name] = score_seconds(evidence, model, signals)
            shipped[name][recording.name] = score_seconds(by_default, default, signals)
        progress(len(people), len(recordings))
    folder_scores: dict[str, dict[str, Vector]] = {}
    folder_models: list[HeldOut] = []
    if within and len(recordings) >= MIN_PEOPLE:
        everything = [evidence_by_settings(recording) for recording in recordings]
        folder_models = leave_one_out([thin(one) for one in everything], progress=progress)
        folder_scores = score_held_out(everything, folder_models, SIGNAL_SETS)
    elif within:
        few = "1 person is" if len(recordings) == 1 else f"{len(recordings)} people are"
        notes.append(f"{few} too few to choose and fit within the folder: {MIN_PEOPLE} are needed")
    return StressPredictResult(
        tuple(people), scores, tuple(held_out), shipped, folder_scores, tuple(folder_models),
        tuple(_measure_calibration(recordings, models)) if curve else (), tuple(notes),
    )  # fmt: skip


def _measure_calibration(
    recordings: Sequence[ParticipantRecording], models: Sequence[StressModel]
) -> list[dict[str, Any]]:
    """Return the separation after `CURVE_FROM_S`, by length of a timed calibration before."""
    rows = []
    for seconds in CALIBRATIONS_S:
        labels, pooled = [], []
        each = []
        for recording, model in zip(recordings, models, strict=True):
            person = collect_evidence(recording, model.settings, seconds, CURVE_EVERY)
            late = (recording.seconds >= recording.seconds[0] + CURVE_FROM_S)[::CURVE_EVERY]
            scores = score_seconds(person, model)[late]
            labels.append(person.labels[late])
            pooled.append(scores)
            each.append(auc(labels[-1], scores))
        rows.append({
            "seconds": seconds,
            "auc_pooled": nan_to_none(auc(np.concatenate(labels), np.concatenate(pooled))),
            "auc_mean": nan_to_none(nan_mean(each)),
        })  # fmt: skip
    return rows
