"""Logistic regression with class weights, using only numpy."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.services.validation.metrics import Labels, Vector

MAX_STEPS: Final = 30
RIDGE: Final = 1e-3
"""L2 penalty on standardised weights, relative to the total weight of the data: two weights and
tens of thousands of seconds hardly need any."""


def class_weights(labels: Labels) -> Vector:
    """Return weights that sum to one and give both classes the same total."""
    positive = max(1, int(labels.sum()))
    negative = max(1, int((~labels).sum()))
    return np.where(labels, 0.5 / positive, 0.5 / negative)


def fit_logistic(
    features: Vector,
    labels: NDArray[np.bool_] | Vector,
    weights: Vector,
    ridge: float = RIDGE,
) -> tuple[float, Vector]:
    """Fit a logistic regression by Newton's method.

    Args:
        features: ``(N, K) float64``.
        labels: ``(N,)``, bool or probabilities of the class.
        weights: ``(N,) float64``, how much each row counts.
        ridge: L2 penalty on standardised weights.

    Returns:
        Intercept, and ``(K,)`` weights for the unscaled features.
    """
    centre, scale = features.mean(axis=0), features.std(axis=0) + 1e-9
    design = np.column_stack([np.ones(len(features)), (features - centre) / scale])
    penalty = ridge * weights.sum() * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    solution = np.zeros(design.shape[1])
    for _ in range(MAX_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ solution, -50, 50)))
        gradient = design.T @ (weights * (probability - labels)) + penalty @ solution
        hessian = (design.T * (weights * probability * (1 - probability))) @ design + penalty
        step = np.linalg.solve(hessian, gradient)
        solution -= step
        if np.abs(step).max() < 1e-6:
            break
    slopes = solution[1:] / scale
    return float(solution[0] - slopes @ centre), slopes


def fit_nonnegative(
    features: Vector, labels: NDArray[np.bool_] | Vector, weights: Vector, ridge: float = RIDGE
) -> tuple[float, Vector]:
    """Fit a logistic regression without negative weights.

    Features whose weight is negative are left out, the most negative first, until none is. The
    arguments and the result are those of `fit_logistic`.
    """
    kept = list(range(features.shape[1]))
    slopes = np.zeros(features.shape[1])
    while True:
        intercept, found = fit_logistic(features[:, kept], labels, weights, ridge)
        effects = found * features[:, kept].std(axis=0)
        if not len(found) or effects.min() >= 0:
            slopes[kept] = found
            return intercept, slopes
        kept.pop(int(np.argmin(effects)))
