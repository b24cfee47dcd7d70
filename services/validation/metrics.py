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


def reliability_curve(
    labels: Labels, scores: Vector, bins: int = 10
) -> list[dict[str, float | int | None]]:
    """Return how often there was stress, by score: what a calibrated score would say itself.

    Both classes have the same total weight, as in the fit, so that 50 means even odds.

    Args:
        labels: ``(N,) bool``.
        scores: ``(N,) float64``, 0 to 100.
        bins: Number of ranges of the same width.

    Returns:
        By range: its bounds, the number of seconds, the mean score, and the share of stress in per
        cent; None where there are no seconds.
    """
    weights = np.where(labels, 0.5 / max(1, labels.sum()), 0.5 / max(1, (~labels).sum()))
    edges = np.linspace(0, 100, bins + 1)
    places = np.clip(np.digitize(scores, edges) - 1, 0, bins - 1)
    rows: list[dict[str, float | int | None]] = []
    for i in range(bins):
        here = places == i
        total = float(weights[here].sum())
        rows.append({
            "from": float(edges[i]), "to": float(edges[i + 1]), "seconds": int(here.sum()),
            "mean_score": float((weights * scores)[here].sum() / total) if total else None,
            "stress_percent": float(100 * weights[here & labels].sum() / total) if total else None,
            "weight": total,
        })  # fmt: skip
    return rows


def calibration_error(rows: Iterable[dict[str, float | int | None]]) -> float:
    """Return the mean distance of a reliability curve from the diagonal, in points of 100."""
    known = [row for row in rows if row["mean_score"] is not None]
    total = sum(float(row["weight"] or 0) for row in known)
    return sum(
        float(row["weight"] or 0)
        * abs(float(row["mean_score"] or 0) - float(row["stress_percent"] or 0))
        for row in known
    ) / max(total, 1e-12)


def nan_mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def nan_to_none(value: float) -> float | None:
    """Return None for NaN, which JSON does not have."""
    return None if math.isnan(value) else value
