"""Figures of merit, pure arithmetic: no models, no files."""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.model.artifact import LEAST

BINS: Final = 15
"""Bins of the expected calibration error, as in Guo et al. (2017)."""
THRESHOLDS: Final = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Confidences that an answer may be asked to have."""
NORMAL_95: Final = 1.959964
"""A normal variable is this many standard deviations off or less in 95 % of cases."""

Scores = NDArray[np.float32] | NDArray[np.float64]


def softmax(logits: Scores, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities ``(N, K)`` of logits ``(N, K)`` divided by a temperature above 0."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def accuracy(scores: Scores, emotions: NDArray[np.int64]) -> float:
    """Share of rows, 0 to 1, whose highest score is the right one."""
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
    bins = _bins(confidence)
    gaps = [
        abs(float(right[bins == index].sum()) - float(confidence[bins == index].sum()))
        for index in range(BINS)
    ]
    return sum(gaps) / len(emotions)


def _bins(confidence: Scores) -> NDArray[np.int64]:
    """The bin of each confidence: lower edges belong to a bin, upper ones to the next."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def fit_temperature(logits: Scores, emotions: NDArray[np.int64]) -> float:
    """The temperature between 0.01 and 100 with the least log loss (Guo et al. 2017).

    Log loss is convex in 1/T, so thirds of an interval of 1/T are cut away until it is narrow.
    """
    low, high = 0.01, 100.0
    while high - low > 1e-6 * low:
        third = (high - low) / 3
        lower, upper = low + third, high - third
        if log_loss(logits, emotions, 1 / lower) < log_loss(logits, emotions, 1 / upper):
            high = upper
        else:
            low = lower
    return 2 / (low + high)


def confusion(scores: Scores, emotions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts ``(7, 7)``: rows are true emotions, columns given ones."""
    size = len(LABELS)
    counts = np.bincount(emotions * size + scores.argmax(axis=1), minlength=size * size)
    return counts.reshape(size, size).astype(np.int64)


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson's score (Wilson 1927; Brown, Cai & DasGupta 2001).

    It shows how far chance alone, in the choice of the rows, may have moved the share. Rows are
    taken for independent: many pictures of one person make the true interval wider.

    Returns:
        Both ends, 0 to 1; of no rows at all, 0 and 1.
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
        For each of ``BINS`` bins ``from`` and ``to`` (0 to 1), ``rows`` in it, their mean
        ``confidence``, their ``accuracy`` and its ``interval``; the last three are ``None`` where
        the bin is empty.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == emotions
    bins = _bins(confidence)
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
    """What is left, and how right it is, when answers below some confidence are put aside.

    Points of the risk-coverage curve (El-Yaniv & Wiener 2010), risk being 1 minus accuracy.

    Returns:
        For each of ``THRESHOLDS`` the ``confidence`` asked for, the ``rows`` that reach it, their
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
        emotions: ``(N,)``, 0 to 6, or -1 where there is none to compare with.

    Returns:
        ``rows`` compared, their ``accuracy`` and its ``interval``, both ``None`` without rows.
    """
    known = emotions >= 0
    return _hits(probabilities[known].argmax(axis=1) == emotions[known])


def _hits(right: NDArray[np.bool_]) -> dict[str, Any]:
    """How many rows, and how many of them right, 0 to 1, with the interval of that."""
    rows, hits = len(right), int(right.sum())
    return {
        "rows": rows,
        "accuracy": hits / rows if rows else None,
        "interval": list(wilson(hits, rows)) if rows else None,
    }


def per_emotion(counts: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """Precision, recall and F1 of each emotion, from the confusion counts ``(7, 7)``.

    Returns:
        By label: ``rows`` that are it, ``given`` how often it was the answer, and ``recall``,
        ``precision`` and ``f1``, 0 to 1. An emotion that never occurs has no recall and no F1, one
        that is never given no precision: ``None``. One that occurs but is never given, or never
        rightly, has an F1 of 0.
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
        emotions: ``(N,)``, 0 to 6, the right answers.

    Returns:
        Shares are 0 to 1. ``macro_f1`` and ``balanced_accuracy`` are the means of F1 and of recall
        over the emotions that occur in the data, the others have no say (an answer that names one
        of them still counts as a mistake for the emotion that was right). ``majority`` is the
        share of the most frequent emotion: what always naming it would reach. ``log_loss`` is in
        nats, with probabilities below 1e-9 taken for 1e-9.
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
