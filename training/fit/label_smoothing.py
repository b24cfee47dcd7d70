"""Targets of the labels' layer: FER2013's labels, softened by FER+'s votes."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from affectline.common.labels import LABELS
from affectline.common.model.artifact import LEAST

L2_PENALTY: Final = 1e-4
"""Penalty on squared weights (L2), which stay finite even if votes determine a label."""


def temper_labels(
    emotions: NDArray[np.int64], votes: NDArray[np.float32], smoothing: float, trust: float
) -> NDArray[np.float32]:
    """Targets for FER2013's labels.

    A third of the labels are not what most of ten people see, and memorizing such a label does
    not help. All faces together show which labels are usual for given votes
    (`estimate_label_shares`); the target lies between those and the label itself.

    Args:
        emotions: Labels ``(N,)``, indices into ``LABELS``.
        votes: Shares ``(N, 7)``; rows of zeros have no votes and keep their label.
        smoothing: Share of a label that is spread over all seven (Szegedy et al. 2016).
        trust: Weight of the votes in the target.

    Returns:
        ``(N, 7)``, rows that sum to 1.
    """
    hard = np.eye(len(LABELS))[emotions] * (1 - smoothing) + smoothing / len(LABELS)
    has_votes = votes.any(axis=1)
    if has_votes.any():
        usual = estimate_label_shares(emotions[has_votes], votes[has_votes])
        hard[has_votes] = (1 - trust) * hard[has_votes] + trust * usual
    return hard.astype(np.float32)


def estimate_label_shares(
    emotions: NDArray[np.int64], votes: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The probability of each label given the votes, by logistic regression on these same rows.

    Returns:
        ``(N, 7)``.
    """
    features = np.concatenate([votes, np.sqrt(votes), np.ones((len(votes), 1))], axis=1)
    features = features.astype(np.float64)
    return _softmax(features @ fit_logistic_regression(features, np.eye(len(LABELS))[emotions]))


def fit_logistic_regression(
    features: NDArray[np.float64], targets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Multinomial logistic regression: weights ``(K, 7)`` from ``(N, K)`` to shares ``(N, 7)``.

    Rows of ``targets`` sum to 1; the loss is their cross-entropy plus `L2_PENALTY`.
    """

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(features.shape[1], len(LABELS))
        shares = _softmax(features @ weights)
        fit = -float((targets * np.log(np.maximum(shares, LEAST))).sum(axis=1).mean())
        slope = features.T @ (shares - targets) / len(targets) + 2 * L2_PENALTY * weights
        return fit + L2_PENALTY * float((weights**2).sum()), slope.ravel()

    begin = np.zeros(features.shape[1] * len(LABELS))
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return np.asarray(found.x.reshape(features.shape[1], len(LABELS)))


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
