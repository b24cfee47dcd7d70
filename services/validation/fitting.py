"""Fits the stress model to people whose stress is known, and scores their seconds with it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.services.fusion.feature_settings import FeatureSettings
from affectline.services.fusion.stress_model import (
    MAX_DEVIATION,
    MEASURES,
    Evidence,
    StressModel,
    Term,
)
from affectline.services.validation.logistic_regression import (
    RIDGE,
    class_weights,
    fit_nonnegative,
)
from affectline.services.validation.metrics import Labels, Vector

SIGNAL_SETS: Final[dict[str, tuple[str, ...]]] = {
    "heart": ("heart",),
    "skin": ("skin",),
    "together": ("heart", "skin", "breathing"),
}
"""The compared sets of signals."""
ALL: Final = tuple(MEASURES)
PHYSIOLOGY: Final = tuple(name for name in MEASURES if name != "face")


@dataclass(frozen=True)
class Contrast:
    """Two kinds of seconds that scores should separate."""

    name: str
    labels: Labels
    """True in seconds that should score higher."""
    counted: Labels
    """False in seconds of neither kind."""


@dataclass(frozen=True)
class LabelledEvidence:
    """One person's evidence second by second, with the ground truth."""

    name: str
    evidence: tuple[Mapping[str, Evidence], ...]
    labels: Labels
    """True in the seconds of stress."""
    stress: Vector | None = None
    """How much stress, 0 to 1, if there is more than two degrees of it."""
    contrasts: tuple[Contrast, ...] = ()
    """What scores should separate; empty: the labels."""

    @cached_property
    def deviations(self) -> Vector:
        """``(N, measures)`` in the order of `ALL`, clipped as in the model; NaN where missing."""

        def clip(found: Evidence) -> float:
            return max(-MAX_DEVIATION, min(MAX_DEVIATION, found.deviation))

        return self._table(clip, math.nan)

    @cached_property
    def reliabilities(self) -> Vector:
        """``(N, measures)``, 0 to 1; 0 where a measure is missing."""
        return self._table(lambda found: found.reliability, 0.0)

    @property
    def targets(self) -> Vector:
        """How much stress in each second, 0 to 1."""
        return self.labels.astype(np.float64) if self.stress is None else self.stress

    @property
    def all_contrasts(self) -> tuple[Contrast, ...]:
        """What scores should separate."""
        everything = np.ones(len(self.labels), bool)
        return self.contrasts or (Contrast("stress", self.labels, everything),)

    def thin(self, step: int) -> "LabelledEvidence":
        """Return every ``step``-th second."""
        return LabelledEvidence(
            self.name, self.evidence[::step], self.labels[::step],
            None if self.stress is None else self.stress[::step],
            tuple(
                Contrast(one.name, one.labels[::step], one.counted[::step])
                for one in self.contrasts
            ),
        )  # fmt: skip

    def _table(self, value: Callable[[Evidence], float], missing: float) -> Vector:
        rows = [
            [value(moment[name]) if name in moment else missing for name in ALL]
            for moment in self.evidence
        ]
        return np.array(rows, np.float64).reshape(-1, len(ALL))


def fit_model(
    people: Iterable[LabelledEvidence],
    measures: Sequence[str] = PHYSIOLOGY,
    ridge: float = RIDGE,
    settings: FeatureSettings | None = None,
) -> StressModel:
    """Fit intercept and weights; all people count equally, and so do stress and rest.

    No weight is negative: more of a measure never means less stress.

    Args:
        people: Their evidence, made with ``settings``.
        measures: What the model may use.
        ridge: Penalty on weights, see `fit_nonnegative`.
        settings: Kept in the model; None: the defaults.

    Raises:
        AffectlineError: All seconds are of one class.
    """
    people = list(people)
    labels = np.concatenate([person.labels for person in people])
    if labels.all() or not labels.any():
        raise AffectlineError(
            f"nothing can be fitted to {', '.join(person.name for person in people)}: all "
            f"{len(labels)} seconds are {'stress' if labels.any() else 'rest'}",
            "people with seconds of both kinds are needed",
        )
    columns = [ALL.index(name) for name in measures]
    means = _mean_deviations(people)[columns]
    features = np.concatenate([_fill(person, columns, means) for person in people])
    weights = np.concatenate([class_weights(person.labels) for person in people])
    targets = np.concatenate([person.targets for person in people])
    intercept, slopes = fit_nonnegative(features, targets, weights / len(people), ridge)
    # A measure's importance is how much it moves the log-odds
    effects = np.abs(slopes) * features.std(axis=0)
    equal = np.full(len(columns), 1 / max(1, len(columns)))
    importances = effects / effects.sum() if effects.sum() else equal
    return StressModel(
        intercept,
        {
            name: Term(float(slopes[i]), float(means[i]), float(importances[i]))
            for i, name in enumerate(measures)
        },
        settings or FeatureSettings(),
    )


def _fill(person: LabelledEvidence, columns: Sequence[int], means: Vector) -> Vector:
    """Return the deviations, pulled to their population means where they are unreliable."""
    reliability = person.reliabilities[:, columns]
    known = reliability * np.nan_to_num(person.deviations[:, columns])
    filled: Vector = known + (1 - reliability) * means
    return filled


def _mean_deviations(people: list[LabelledEvidence]) -> Vector:
    """Return each measure's mean deviation where present; 0 for one that nobody has."""
    total, count = np.zeros(len(ALL)), np.zeros(len(ALL))
    for person in people:
        known = ~np.isnan(person.deviations)
        total += np.nan_to_num(person.deviations).sum(axis=0)
        count += known.sum(axis=0)
    means: Vector = total / np.maximum(1, count)
    return means


def log_odds(
    person: LabelledEvidence, model: StressModel, signals: Iterable[str] | None = None
) -> Vector:
    """Return the log-odds of stress in each second, as `estimate_stress` does one by one.

    Args:
        person: The evidence.
        model: The coefficients.
        signals: The only signals to use; None for all.
    """
    chosen = set(MEASURES.values() if signals is None else signals)
    result = np.full(len(person.labels), model.intercept)
    for name, term in model.terms.items():
        column = ALL.index(name)
        reliability = person.reliabilities[:, column] * float(MEASURES[name] in chosen)
        known = reliability * np.nan_to_num(person.deviations[:, column])
        result += term.weight * (known + (1 - reliability) * term.mean_deviation)
    return result


def score_seconds(
    person: LabelledEvidence, model: StressModel, signals: Iterable[str] | None = None
) -> Vector:
    """Return the nervousness in each second, 0 to 100, estimated only from these signals."""
    scores: Vector = 100 / (1 + np.exp(-np.clip(log_odds(person, model, signals), -50, 50)))
    return scores
