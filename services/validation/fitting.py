"""Fits the fusion model's coefficients to people whose stress is known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.fusion.model import BODY, FARTHEST, Evidence, Model, Term, judge
from services.validation.scoring import Labels, Vector, balance, fit_logistic

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


def fit(courses: Iterable[Course]) -> Model:
    """Fit intercept and weights; everybody counts the same, and so do stress and rest."""
    people = list(courses)
    usual = {name: _usual(people, name) for name in BODY}
    features = np.concatenate([_features(person, usual) for person in people])
    labels = np.concatenate([person.labels for person in people])
    weights = np.concatenate([balance(person.labels) for person in people])
    intercept, slopes = fit_logistic(features, labels, weights)
    # What a signal can tell is how far it moves the log-odds
    moves = np.abs(slopes) * features.std(axis=0)
    return Model(
        intercept,
        {
            name: Term(float(slopes[i]), usual[name], float(moves[i] / moves.sum()))
            for i, name in enumerate(BODY)
        },
    )


def score(course: Course, model: Model, signals: Iterable[str]) -> Vector:
    """Nervousness in each second, by those signals alone."""
    wanted = set(signals)
    return np.array(
        [
            judge(model, {k: v for k, v in moment.items() if k in wanted}).nervousness
            for moment in course.evidence
        ]
    )


def _usual(people: list[Course], signal: str) -> float:
    found = [m[signal].deviation for p in people for m in p.evidence if signal in m]
    return float(np.clip(found, -FARTHEST, FARTHEST).mean()) if found else 0.0


def _features(person: Course, usual: Mapping[str, float]) -> Vector:
    rows = np.empty((len(person.evidence), len(BODY)))
    for i, moment in enumerate(person.evidence):
        for k, name in enumerate(BODY):
            found = moment.get(name, Evidence(0.0, 0.0))
            deviation = max(-FARTHEST, min(FARTHEST, found.deviation))
            rows[i, k] = found.trust * deviation + (1 - found.trust) * usual[name]
    return rows
