"""Fits the fusion model's coefficients to people whose stress is known."""

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
from affectline.services.validation.metrics import Labels, Vector, balance, fit_logistic

SETS: Final[dict[str, tuple[str, ...]]] = {
    "heart": ("heart",),
    "skin": ("skin",),
    "together": ("heart", "skin"),
}
"""The sets of signals that are compared."""


@dataclass(frozen=True)
class Course:
    """One person's evidence, second by second, with what is known of each."""

    name: str
    evidence: tuple[Mapping[str, Evidence], ...]
    labels: Labels
    """True in the seconds of stress."""

    @cached_property
    def deviations(self) -> Vector:
        """``(N, signals)``, limited as the model limits them; NaN where a signal is missing."""
        return self._table(
            lambda found: max(-MAX_DEVIATION, min(MAX_DEVIATION, found.deviation)), math.nan
        )

    @cached_property
    def trusts(self) -> Vector:
        """``(N, signals)``, 0 to 1; 0 where a signal is missing."""
        return self._table(lambda found: found.reliability, 0.0)

    def _table(self, figure: Callable[[Evidence], float], missing: float) -> Vector:
        rows = [
            [figure(moment[name]) if name in moment else missing for name in PHYSIOLOGICAL]
            for moment in self.evidence
        ]
        return np.array(rows, np.float64).reshape(-1, len(PHYSIOLOGICAL))


def fit(courses: Iterable[Course]) -> StressModel:
    """Fit intercept and weights; everybody counts the same, and so do stress and rest.

    Raises:
        AffectlineError: All seconds are of one kind.
    """
    people = list(courses)
    labels = np.concatenate([person.labels for person in people])
    if labels.all() or not labels.any():
        raise AffectlineError(
            f"nothing can be fitted to {', '.join(person.name for person in people)}: all of their "
            f"{len(labels)} seconds are {'stress' if labels.any() else 'rest'}",
            "labels.csv needs people with seconds of both kinds",
        )
    usual = _usual(people)
    features = np.concatenate(
        [p.trusts * np.nan_to_num(p.deviations) + (1 - p.trusts) * usual for p in people]
    )
    weights = np.concatenate([balance(person.labels) for person in people])
    intercept, slopes = fit_logistic(features, labels, weights)
    # What a signal can tell is how far it moves the log-odds
    moves = np.abs(slopes) * features.std(axis=0)
    shares = (
        moves / moves.sum() if moves.sum() else np.full(len(PHYSIOLOGICAL), 1 / len(PHYSIOLOGICAL))
    )
    return StressModel(
        intercept,
        {
            name: Term(float(slopes[i]), float(usual[i]), float(shares[i]))
            for i, name in enumerate(PHYSIOLOGICAL)
        },
    )


def _usual(people: list[Course]) -> Vector:
    """Mean deviation of each signal where it is there; 0 for one that nobody has."""
    deviations = np.concatenate([person.deviations for person in people])
    known = ~np.isnan(deviations)
    usual: Vector = np.nan_to_num(deviations).sum(axis=0) / np.maximum(1, known.sum(axis=0))
    return usual


def score(course: Course, model: StressModel, signals: Iterable[str]) -> Vector:
    """Nervousness in each second, by those signals alone."""
    wanted = set(signals)
    return np.array(
        [
            estimate_stress(model, {k: v for k, v in moment.items() if k in wanted}).nervousness
            for moment in course.evidence
        ]
    )
