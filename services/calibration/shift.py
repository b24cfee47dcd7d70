"""Fits a person's shift of the seven log-probabilities, and tests it on faces left out of the fit.

A model that is right for people as a whole may see one person's resting face as sad or angry. The
shift ``b`` is added to the log-probabilities of every face of that person. It minimizes

    J(b) = sum over expressions k of CE(t_k, mean softmax(z + b)) + strength / 2 * |b|^2

where ``z`` are the log-probabilities of the faces that show ``k``, and ``t_k`` is what the model
gives a typical face with that label (`TYPICAL`), so that the gradient of an expression is the
person's mean result minus the typical one: a person whose faces are judged like everybody's gets no
shift. The second term is a normal prior with mean 0 and variance 1 / strength: the minimum is the
most probable shift. J is convex; Newton's method finds its minimum.

Sources: a shift of log-probabilities as a change of the prior: Saerens, Latinne and Decaestecker
2002, "Adjusting the outputs of a classifier to new a priori probabilities"; biases of logits fitted
by log loss: vector scaling in Guo et al. 2017, "On calibration of modern neural networks"; a
person's own neutral as the reference: Baltrusaitis, Mahmoud and Robinson 2015, "Cross-dataset
learning and person-specific normalisation for automatic action unit detection".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.model.answer import Answer
from affectline.common.model.calibration import LARGEST_SHIFT

Floats = NDArray[np.float64]
STRENGTH: Final = 2.0
"""How strongly the shift is pulled towards 0: chosen so that typical people lose about 0.005 of log
loss at most (docs/calibration.md)."""
LEAST_GAIN: Final = 0.01
"""By how much the mean log loss has to fall on faces left out of the fit."""
LARGEST_LOSS: Final = 0.1
"""By how much the log loss of a single expression may grow on them."""
LEAST_SEEN: Final = 0.1
"""Minimum mean probability of an expression other than neutral: below it, nobody knows whether the
person showed it."""
GAP_S: Final = 0.5
"""Faces this near to a block that is left out are left out with it, in s: they are the same
face."""
STEPS: Final = 100
PRECISION: Final = 1e-9

TYPICAL: Final[Mapping[Answer, Any]] = {
    "labels": (
        (0.515, 0.023, 0.140, 0.053, 0.139, 0.032, 0.098),
        (0.285, 0.408, 0.084, 0.037, 0.133, 0.022, 0.032),
        (0.109, 0.009, 0.405, 0.039, 0.233, 0.085, 0.120),
        (0.022, 0.005, 0.027, 0.824, 0.023, 0.034, 0.065),
        (0.109, 0.010, 0.141, 0.042, 0.493, 0.027, 0.179),
        (0.037, 0.006, 0.134, 0.055, 0.031, 0.703, 0.033),
        (0.082, 0.008, 0.087, 0.101, 0.181, 0.027, 0.514),
    ),
    "votes": (
        (0.680, 0.028, 0.020, 0.047, 0.054, 0.059, 0.112),
        (0.254, 0.359, 0.008, 0.057, 0.157, 0.014, 0.152),
        (0.048, 0.003, 0.555, 0.010, 0.110, 0.217, 0.058),
        (0.005, 0.000, 0.001, 0.926, 0.006, 0.019, 0.043),
        (0.025, 0.008, 0.010, 0.031, 0.659, 0.013, 0.254),
        (0.018, 0.000, 0.041, 0.034, 0.009, 0.834, 0.064),
        (0.017, 0.004, 0.002, 0.039, 0.109, 0.019, 0.811),
    ),
    "consensus": (
        (0.672, 0.030, 0.089, 0.041, 0.057, 0.042, 0.069),
        (0.302, 0.368, 0.056, 0.044, 0.123, 0.015, 0.092),
        (0.048, 0.005, 0.658, 0.011, 0.083, 0.160, 0.035),
        (0.013, 0.003, 0.014, 0.891, 0.012, 0.024, 0.043),
        (0.054, 0.011, 0.107, 0.031, 0.609, 0.016, 0.172),
        (0.029, 0.003, 0.104, 0.039, 0.017, 0.763, 0.044),
        (0.063, 0.007, 0.066, 0.050, 0.188, 0.026, 0.601),
    ),
}
"""Mean probabilities of the faces with each label (rows, in the order of `LABELS`), by answer:
vgg16-48@2c6b8f1b on FER2013's PublicTest, and on its faces by the majority of FER+'s annotators.
``python -m tests.calibration_figures`` prints them for the model that is shipped."""


class FaceBlock(NamedTuple):
    """Faces of a person that follow each other and show one expression."""

    label: int
    """Index into `LABELS`."""
    log_probabilities: Floats
    """``(N, 7)``, N >= 1."""
    times_s: Floats
    """``(N,)``, in s on any clock that all blocks share."""


@dataclass(frozen=True)
class HeldOutFigures:
    """Figures by expression, on blocks left out of the fit, without and with the shift.

    The arrays are ``(E,)``, one value for each expression, in the order of ``labels``.
    """

    labels: tuple[int, ...]
    log_loss: Floats
    calibrated_log_loss: Floats
    accuracy: Floats
    calibrated_accuracy: Floats

    @property
    def helps(self) -> bool:
        """Whether the mean log loss falls with the shift, and that of no expression grows much."""
        gain = self.log_loss - self.calibrated_log_loss
        return bool(gain.mean() >= LEAST_GAIN and gain.min() >= -LARGEST_LOSS)


def typical_results(answer: Answer) -> Floats:
    """What a model gives typical faces, ``(7, 7)``; rows are labels, and sum to 1."""
    table = np.asarray(TYPICAL[answer], np.float64)
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def split_unseen(blocks: Sequence[FaceBlock]) -> tuple[list[FaceBlock], list[int]]:
    """Separate expressions that the model hardly sees: they were not shown, or it cannot tell.

    Args:
        blocks: The person's faces.

    Returns:
        The blocks of the other expressions, and the labels left out; neutral always stays.
    """
    unseen = [
        label
        for label, faces in _by_label(blocks).items()
        if LABELS[label] != "neutral" and np.exp(faces[:, label]).mean() < LEAST_SEEN
    ]
    return [block for block in blocks if block.label not in unseen], unseen


def fit_shift(blocks: Sequence[FaceBlock], typical: Floats, strength: float = STRENGTH) -> Floats:
    """Fit the shift.

    Args:
        blocks: The person's faces; every expression counts the same, and in it every face.
        typical: As of `typical_results`.
        strength: How strongly the shift is pulled towards 0, above 0.

    Returns:
        ``(7,)``, within `LARGEST_SHIFT`.
    """
    groups = _by_label(blocks)
    shift = np.zeros(len(LABELS))
    for _ in range(STEPS):
        gradient, curvature = _derivatives(groups, typical, strength, shift)
        step = np.linalg.solve(curvature, gradient)
        size, before = 1.0, _objective(groups, typical, strength, shift)
        while _objective(groups, typical, strength, shift - size * step) > before and size > 1e-6:
            size /= 2
        shift = shift - size * step
        if np.abs(step).max() < PRECISION:
            break
    return np.asarray(np.clip(shift, -LARGEST_SHIFT, LARGEST_SHIFT))


def cross_validate(
    blocks: Sequence[FaceBlock], typical: Floats, strength: float = STRENGTH
) -> HeldOutFigures:
    """Leave out each block once, fit the shift to the others, and judge the block with it.

    Faces within `GAP_S` of the block are left out as well.

    Args:
        blocks: The person's faces, at least two blocks of some expression.
        typical: As of `typical_results`.
        strength: As of `fit_shift`.
    """
    figures: dict[int, list[Floats]] = {}
    for number, block in enumerate(blocks):
        others = [
            kept
            for i, other in enumerate(blocks)
            if i != number and (kept := _away_from(other, block)) is not None
        ]
        shift = fit_shift(others, typical, strength) if others else np.zeros(len(LABELS))
        plain, shifted = block.log_probabilities, block.log_probabilities + shift
        figures.setdefault(block.label, []).append(
            np.array([
                _log_loss(plain, block.label), _log_loss(shifted, block.label),
                _accuracy(plain, block.label), _accuracy(shifted, block.label),
            ])
        )  # fmt: skip
    labels = tuple(sorted(figures))
    means = np.array([np.mean(figures[label], axis=0) for label in labels])
    return HeldOutFigures(labels, means[:, 0], means[:, 1], means[:, 2], means[:, 3])


def _by_label(blocks: Sequence[FaceBlock]) -> dict[int, Floats]:
    labels = sorted({block.label for block in blocks})
    return {
        label: np.concatenate([b.log_probabilities for b in blocks if b.label == label])
        for label in labels
    }


def _away_from(block: FaceBlock, left_out: FaceBlock) -> FaceBlock | None:
    """The faces of a block that are not near to another in time; None if all are."""
    first, last = left_out.times_s.min() - GAP_S, left_out.times_s.max() + GAP_S
    is_away = (block.times_s < first) | (block.times_s > last)
    if not is_away.any():
        return None
    return FaceBlock(block.label, block.log_probabilities[is_away], block.times_s[is_away])


def _normalized(log_values: Floats) -> Floats:
    """Log-softmax of each row."""
    shifted = log_values - log_values.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _objective(
    groups: Mapping[int, Floats], typical: Floats, strength: float, shift: Floats
) -> float:
    entropy = sum(
        -(typical[label] * _normalized(faces + shift).mean(axis=0)).sum()
        for label, faces in groups.items()
    )
    return float(entropy + strength / 2 * (shift @ shift))


def _derivatives(
    groups: Mapping[int, Floats], typical: Floats, strength: float, shift: Floats
) -> tuple[Floats, Floats]:
    gradient, curvature = strength * shift, strength * np.eye(len(shift))
    for label, faces in groups.items():
        probabilities = np.exp(_normalized(faces + shift))
        mean = probabilities.mean(axis=0)
        gradient = gradient + mean - typical[label]
        curvature = curvature + np.diag(mean) - probabilities.T @ probabilities / len(faces)
    return gradient, curvature


def _log_loss(log_values: Floats, label: int) -> float:
    return float(-_normalized(log_values)[:, label].mean())


def _accuracy(log_values: Floats, label: int) -> float:
    return float((log_values.argmax(axis=1) == label).mean())
