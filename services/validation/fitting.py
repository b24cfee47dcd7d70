"""Fits the stress model to people whose stress is known, and scores their seconds with it."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.services.fusion.stress_model import (
    MAX_DEVIATION,
    PHYSIOLOGICAL,
    Evidence,
    StressModel,
    Term,
    estimate_stress,
)
from affectline.services.validation.logistic_regression import class_weights, fit_logistic
from affectline.services.validation.metrics import Labels, Vector

SIGNAL_SETS: Final[dict[str, tuple[str, ...]]] = {
    "heart": ("heart",),
    "skin": ("skin",),
    "together": ("heart", "skin"),
}
"""The compared sets of signals."""


@dataclass(frozen=True)
class LabelledEvidence:
    """One person's evidence second by second, with the ground truth."""

    name: str
    evidence: tuple[Mapping[str, Evidence], ...]
    labels: Labels
    """True in the seconds of stress."""

    @cached_property
    def deviations(self) -> Vector:
        """``(N, signals)``, clipped as in the model; NaN where a signal is missing."""

        def clip(found: Evidence) -> float:
            return max(-MAX_DEVIATION, min(MAX_DEVIATION, found.deviation))

        return self._table(clip, math.nan)

    @cached_property
    def reliabilities(self) -> Vector:
        """``(N, signals)``, 0 to 1; 0 where a signal is missing."""
        return self._table(lambda found: found.reliability, 0.0)

    def _table(self, value: Callable[[Evidence], float], missing: float) -> Vector:
        rows = [
            [value(moment[name]) if name in moment else missing for name in PHYSIOLOGICAL]
            for moment in self.evidence
        ]
        return np.array(rows, np.float64).reshape(-1, len(PHYSIOLOGICAL))


def fit_model(people: Iterable[LabelledEvidence]) -> StressModel:
    """Fit intercept and weights; all people count equally, and so do stress and rest.

    Raises:
        AffectlineError: All seconds are of one class.
    """
    people = list(people)
    labels = np.concatenate([person.labels for person in people])
    if labels.all() or not labels.any():
        raise AffectlineError(
            f"nothing can be fitted to {', '.join(person.name for person in people)}: all "
            f"{len(labels)} seconds are {'stress' if labels.any() else 'rest'}",
            "labels.csv needs people with seconds of both kinds",
        )
    means = _mean_deviations(people)
    features = np.concatenate(
        [
            p.reliabilities * np.nan_to_num(p.deviations) + (1 - p.reliabilities) * means
            for p in people
        ]
    )
    weights = np.concatenate([class_weights(person.labels) for person in people])
    intercept, slopes = fit_logistic(features, labels, weights)
    # A signal's importance is how much it moves the log-odds
    effects = np.abs(slopes) * features.std(axis=0)
    equal = np.full(len(PHYSIOLOGICAL), 1 / len(PHYSIOLOGICAL))
    importances = effects / effects.sum() if effects.sum() else equal
    return StressModel(
        intercept,
        {
            name: Term(float(slopes[i]), float(means[i]), float(importances[i]))
            for i, name in enumerate(PHYSIOLOGICAL)
        },
    )


def _mean_deviations(people: list[LabelledEvidence]) -> Vector:
    """Return each signal's mean deviation where present; 0 for a signal that nobody has."""
    deviations = np.concatenate([person.deviations for person in people])
    known = ~np.isnan(deviations)
    means: Vector = np.nan_to_num(deviations).sum(axis=0) / np.maximum(1, known.sum(axis=0))
    return means


def score_seconds(person: LabelledEvidence, model: StressModel, signals: Iterable[str]) -> Vector:
    """Return the nervousness in each second, estimated only from these signals."""
    chosen = set(signals)
    return np.array(
        [
            estimate_stress(model, {k: v for k, v in moment.items() if k in chosen}).nervousness
            for moment in person.evidence
        ]
    )
