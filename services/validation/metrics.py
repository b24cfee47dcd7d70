"""Figures and fits that both datasets need, over numpy only."""

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Vector = NDArray[np.float64]
Labels = NDArray[np.bool_]
STEPS: Final = 30
RIDGE: Final = 1e-3
"""L2 penalty on standardised weights, relative to one unit of weight of all data: two weights and
tens of thousands of seconds hardly need any."""


def auc(labels: Labels, scores: Vector) -> float:
    """Area under the ROC curve: the chance that a stressed second scores above a calm one.

    Ties count half (Mann-Whitney). NaN where one of the two kinds is missing.
    """
    positive = int(labels.sum())
    negative = len(labels) - positive
    if not positive or not negative:
        return float("nan")
    ranks = rankdata(scores)
    above = ranks[labels].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def roc(labels: Labels, scores: Vector, points: int = 101) -> list[tuple[float, float]]:
    """The ROC curve as (false positive rate, true positive rate), at most ``points`` of them."""
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([[0.0], np.cumsum(labels[order]) / max(1, labels.sum())])
    alarms = np.concatenate([[0.0], np.cumsum(~labels[order]) / max(1, (~labels).sum())])
    chosen = np.unique(np.linspace(0, len(hits) - 1, points).astype(int))
    return [(float(alarms[i]), float(hits[i])) for i in chosen]


def accuracy(labels: Labels, scores: Vector, threshold: float) -> float:
    """Balanced accuracy: mean of the shares of both kinds that are on their side.

    NaN where one of the two kinds is missing.
    """
    if labels.all() or not labels.any():
        return float("nan")
    above = scores >= threshold
    return float((above[labels].mean() + (~above[~labels]).mean()) / 2)


def mean(figures: Iterable[float]) -> float:
    """Mean of the figures that are known; NaN where none is."""
    known = [figure for figure in figures if not math.isnan(figure)]
    return sum(known) / len(known) if known else math.nan


def plain(figure: float) -> float | None:
    """A figure as JSON can say it: None where it is not known."""
    return None if math.isnan(figure) else figure


def balance(labels: Labels) -> Vector:
    """Weights by which both kinds count the same, one in all."""
    positive = max(1, int(labels.sum()))
    negative = max(1, int((~labels).sum()))
    return np.where(labels, 0.5 / positive, 0.5 / negative)


def fit_logistic(features: Vector, labels: Labels, weights: Vector) -> tuple[float, Vector]:
    """Fit a logistic regression by Newton's method.

    Args:
        features: ``(N, K)``.
        labels: ``(N,)``.
        weights: ``(N,)``, how much each row counts.

    Returns:
        Intercept, and ``(K,)`` weights for the features as they are.
    """
    centre, scale = features.mean(axis=0), features.std(axis=0) + 1e-9
    design = np.column_stack([np.ones(len(features)), (features - centre) / scale])
    penalty = RIDGE * weights.sum() * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    solution = np.zeros(design.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ solution, -50, 50)))
        gradient = design.T @ (weights * (chance - labels)) + penalty @ solution
        curvature = (design.T * (weights * chance * (1 - chance))) @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        solution -= step
        if np.abs(step).max() < 1e-9:
            break
    slopes = solution[1:] / scale
    return float(solution[0] - slopes @ centre), slopes
