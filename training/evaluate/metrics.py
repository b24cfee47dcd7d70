"""Evaluation metrics: pure arithmetic, without models or files."""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.model.artifact import LEAST

BINS: Final = 15
"""Bins of the expected calibration error, as in Guo et al. (2017)."""
THRESHOLDS: Final = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Least confidences for which coverage is computed."""
TEMPERATURE_PRIOR: Final = 0.5
"""Standard deviation of the logarithm of a fitted temperature before any row is seen: 95 % of
models are expected between 0.37 and 2.7."""
NORMAL_95: Final = 1.959964
"""95 % of a normal distribution lies within this many standard deviations of its mean."""

Scores = NDArray[np.float32] | NDArray[np.float64]


def softmax(logits: Scores, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities ``(N, K)`` of logits ``(N, K)`` divided by a temperature above 0."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def accuracy(scores: Scores, emotions: NDArray[np.int64]) -> float:
    """Share of rows, 0 to 1, whose highest score is that of the right emotion."""
    return float((scores.argmax(axis=1) == emotions).mean())


def log_loss(logits: Scores, emotions: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean negative log-likelihood in nats of the right emotions."""
    scaled = logits.astype(np.float64) / temperature
    top = scaled.max(axis=1)
    norm = top + np.log(np.exp(scaled - top[:, np.newaxis]).sum(axis=1))
    return float((norm - scaled[np.arange(len(emotions)), emotions]).mean())


def calibration_error(probabilities: Scores, emotions: NDArray[np.int64]) -> float:
    """Expected calibration error, 0 to 1: how far confidence is from accuracy, on average.

    Confidences fall into ``BINS`` bins of equal width (Guo et al. 2017, equation 3).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == emotions
    bins = bins_of(confidence)
    gaps = [
        abs(float(right[bins == index].sum()) - float(confidence[bins == index].sum()))
        for index in range(BINS)
    ]
    return sum(gaps) / len(emotions)


def bins_of(confidence: Scores) -> NDArray[np.int64]:
    """The bin of each confidence: a bin includes its lower edge but not its upper one."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def fit_temperature(logits: Scores, emotions: NDArray[np.int64]) -> float:
    """The temperature between 0.01 and 100 with the lowest log loss (Guo et al. 2017).

    A normal prior with standard deviation ``TEMPERATURE_PRIOR`` on its logarithm is added to the
    sum over the rows. Without it, a few rows that are all right would make every answer certain.
    Thousands of rows outweigh it, and without rows the temperature is 1.
    """
    if not len(emotions):
        return 1.0

    def loss(log_temperature: float) -> float:
        prior = (log_temperature / TEMPERATURE_PRIOR) ** 2 / 2
        return log_loss(logits, emotions, math.exp(log_temperature)) * len(emotions) + prior

    # On a grid first: over the logarithm, the sum may have more than one minimum
    end = math.log(100.0)
    grid = np.linspace(-end, end, 101)
    best, step = min(grid.tolist(), key=loss), float(grid[1] - grid[0])
    low, high = max(-end, best - step), min(end, best + step)
    while high - low > 1e-6:
        third = (high - low) / 3
        if loss(low + third) < loss(high - third):
            high -= third
        else:
            low += third
    return math.exp((low + high) / 2)


def confusion(scores: Scores, emotions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts ``(7, 7)``: rows are true emotions, columns are predicted ones."""
    size = len(LABELS)
    counts = np.bincount(emotions * size + scores.argmax(axis=1), minlength=size * size)
    return counts.reshape(size, size).astype(np.int64)


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson's score (Wilson 1927; Brown, Cai & DasGupta 2001).

    It shows how far chance in the choice of the rows may have moved the share. Rows are assumed
    to be independent: with many pictures of one person the true interval is wider.

    Returns:
        Both ends, 0 to 1; without rows, 0 and 1.
    """
    if rows == 0:
        return 0.0, 1.0
    share, spread = hits / rows, NORMAL_95**2 / rows
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def reliability(probabilities: Scores, emotions: NDArray[np.int64]) -> list[dict[str, Any]]:
    """The bins of the calibration error, as a reliability diagram shows them.

    Returns:
        For each of ``BINS`` bins: ``from`` and ``to`` (0 to 1), the ``rows`` in it, their mean
        ``confidence``, their ``accuracy`` and its ``interval``; the last three are ``None`` for an
        empty bin.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == emotions
    bins = bins_of(confidence)
    return [
        {
            "from": index / BINS,
            "to": (index + 1) / BINS,
            "confidence": float(confidence[bins == index].mean())
            if (bins == index).any()
            else None,
            **_hits(right[bins == index]),
        }
        for index in range(BINS)
    ]


def coverage(probabilities: Scores, emotions: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Number and accuracy of the predictions that reach some confidence.

    These are points of the risk-coverage curve (El-Yaniv & Wiener 2010); risk is 1 minus accuracy.

    Returns:
        For each of ``THRESHOLDS``: the least ``confidence``, the ``rows`` that reach it, their
        ``share`` of all, their ``accuracy`` (``None`` without rows) and its ``interval``.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == emotions
    return [
        {
            "confidence": threshold,
            "share": float((confidence >= threshold).mean()),
            **_hits(right[confidence >= threshold]),
        }
        for threshold in THRESHOLDS
    ]


def accuracy_with_interval(probabilities: Scores, emotions: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy on the rows whose emotion is known.

    Args:
        probabilities: ``(N, 7)``.
        emotions: ``(N,)``, 0 to 6, or -1 if unknown.

    Returns:
        The ``rows`` compared, their ``accuracy`` and its ``interval``, both ``None`` without rows.
    """
    known = emotions >= 0
    return _hits(probabilities[known].argmax(axis=1) == emotions[known])


def _hits(right: NDArray[np.bool_]) -> dict[str, Any]:
    """Number of rows, the share of them that is right, 0 to 1, and its interval."""
    rows, hits = len(right), int(right.sum())
    return {
        "rows": rows,
        "accuracy": hits / rows if rows else None,
        "interval": list(wilson(hits, rows)) if rows else None,
    }


def per_emotion(counts: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """Precision, recall and F1 of each emotion, from the confusion counts ``(7, 7)``.

    Returns:
        By label: ``rows`` with this label, ``given`` as the number of predictions of it, and
        ``recall``, ``precision`` and ``f1``, 0 to 1. Recall and F1 are ``None`` for an emotion that
        never occurs, precision for one that is never predicted. An emotion that occurs but is never
        predicted, or never rightly, has an F1 of 0.
    """
    found = {}
    for index, label in enumerate(LABELS):
        hits, rows = int(counts[index, index]), int(counts[index].sum())
        given = int(counts[:, index].sum())
        found[label] = {
            "rows": rows,
            "given": given,
            "recall": hits / rows if rows else None,
            "precision": hits / given if given else None,
            "f1": 2 * hits / (rows + given) if rows else None,
        }
    return found


def report(probabilities: Scores, emotions: NDArray[np.int64]) -> dict[str, Any]:
    """Every figure of an evaluation, ready for JSON.

    Args:
        probabilities: ``(N, 7)``, rows that sum to 1; N above 0.
        emotions: ``(N,)``, 0 to 6, the right emotions.

    Returns:
        Shares are 0 to 1. ``macro_f1`` and ``balanced_accuracy`` are the means of F1 and of recall
        over the emotions that occur in the data. The others are left out, but predicting one of
        them still counts as a mistake for the right emotion. ``majority`` is the share of the most
        frequent emotion: the accuracy of always predicting it. ``log_loss`` is in nats;
        probabilities below 1e-9 count as 1e-9.
    """
    counts = confusion(probabilities, emotions)
    emotion = per_emotion(counts)
    there = [figures for figures in emotion.values() if figures["rows"]]
    return {
        "rows": len(emotions),
        "accuracy": accuracy(probabilities, emotions),
        "accuracy_interval": list(wilson(int(counts.trace()), len(emotions))),
        "majority": int(counts.sum(axis=1).max()) / len(emotions),
        "macro_f1": sum(figures["f1"] for figures in there) / len(there),
        "balanced_accuracy": sum(figures["recall"] for figures in there) / len(there),
        "log_loss": log_loss(np.log(np.maximum(probabilities, LEAST)), emotions),
        "calibration_error": calibration_error(probabilities, emotions),
        "mean_confidence": float(probabilities.max(axis=1).mean()),
        "emotions": emotion,
        "confusion": counts.tolist(),
        "reliability": reliability(probabilities, emotions),
        "coverage": coverage(probabilities, emotions),
    }
