"""Measures of how well scores separate two classes of seconds, and their JSON form."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Vector = NDArray[np.float64]
Labels = NDArray[np.bool_]


def auc(labels: Labels, scores: Vector) -> float:
    """Return the area under the ROC curve.

    It is the probability that a stressed second scores above a calm one; ties count half
    (Mann-Whitney). NaN if one of the two classes is missing.
    """
    positive = int(labels.sum())
    negative = len(labels) - positive
    if not positive or not negative:
        return float("nan")
    ranks = rankdata(scores)
    above = ranks[labels].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def roc(labels: Labels, scores: Vector, points: int = 101) -> list[tuple[float, float]]:
    """Return at most ``points`` (false positive rate, true positive rate) of the ROC curve."""
    order = np.argsort(-scores, kind="stable")
    true_positive = np.concatenate([[0.0], np.cumsum(labels[order]) / max(1, labels.sum())])
    false_positive = np.concatenate([[0.0], np.cumsum(~labels[order]) / max(1, (~labels).sum())])
    chosen = np.unique(np.linspace(0, len(true_positive) - 1, points).astype(int))
    return [(float(false_positive[i]), float(true_positive[i])) for i in chosen]


def balanced_accuracy(labels: Labels, scores: Vector, threshold: float) -> float:
    """Return the balanced accuracy: the mean of sensitivity and specificity.

    NaN if one of the two classes is missing.
    """
    if labels.all() or not labels.any():
        return float("nan")
    above = scores >= threshold
    return float((above[labels].mean() + (~above[~labels]).mean()) / 2)


def nan_mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def nan_to_none(value: float) -> float | None:
    """Return None for NaN, which JSON does not have."""
    return None if math.isnan(value) else value
