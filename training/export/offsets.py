"""Offsets of the labels' logits, so that emotions are predicted as often as they occur.

The labels' targets are softened by FER+'s votes, in which some emotions, such as fear, are much
rarer. Without offsets they would be predicted too rarely.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from affectline.training.evaluate.metrics import Scores, log_loss, softmax


def fit_offsets(logits: Scores, emotions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Offsets of each emotion's logits with the lowest log loss, together with a temperature.

    This is vector scaling (Guo et al. 2017) with the same temperature for all emotions. A normal
    prior with standard deviation 1 on each offset, in units of the temperature, keeps those of
    emotions with few or no faces near 0.

    Args:
        logits: ``(N, 7)``.
        emotions: ``(N,)``, 0 to 6.

    Returns:
        Offsets ``(7,)`` with mean 0, to be added before the division by the temperature.
    """
    plain = logits.astype(np.float64)
    truth = np.eye(plain.shape[1])[emotions]

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        sharpness, offsets = np.exp(values[0]), values[1:]
        scores = plain * sharpness + offsets
        errors = softmax(scores) - truth
        slope = [float((errors * plain).sum()) * sharpness, *(errors.sum(axis=0) + offsets)]
        total = log_loss(scores, emotions) * len(emotions) + float((offsets**2).sum()) / 2
        return total / len(emotions), np.array(slope) / len(emotions)

    start = np.zeros(1 + plain.shape[1])
    bounds = [(-3.0, 3.0)] + [(-np.inf, np.inf)] * plain.shape[1]
    values = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    sharpness, offsets = np.exp(values[0]), values[1:]
    return np.asarray((offsets - offsets.mean()) / sharpness)
