"""The limits beyond which a prediction is doubtful, read off the curves.

The rule is the same for all: a face is doubted from where the model is right on less than nine
tenths of what it is right on without damage, or is more than ten points too sure, whichever comes
first.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from affectline.training.robustness.curves import DamageCurve

KEPT: Final = 0.9
"""Share of the undamaged accuracy that a trusted face keeps."""
TOO_SURE: Final = 0.1
"""How far confidence may be above accuracy."""
BINS: Final = 24
"""Bins of equal numbers of faces along what the program measures."""

Cause = Literal["accuracy", "confidence", "none"]


@dataclass(frozen=True)
class Limit:
    """Where trust ends."""

    value: float | None
    """In the unit that the program measures, rounded; None: nowhere on the curve."""
    exact: float | None
    """The same before rounding."""
    cause: Cause
    """What ends it: accuracy lost, or too much confidence."""
    accuracy: float
    """Without damage, 0 to 1."""

    def to_json(self) -> dict[str, Any]:
        """As figures for JSON."""
        exact = None if self.exact is None else round(self.exact, 3)
        return {
            "value": self.value,
            "exact": exact,
            "cause": self.cause,
            "undamaged": round(self.accuracy, 4),
            "needed": round(KEPT * self.accuracy, 4),
        }


def read_measured_limit(curve: DamageCurve, step: float) -> Limit:
    """Read the limit of something that the program measures of each face, more being better.

    Faces of all amounts of damage are sorted by what was measured, not by the damage: a limit is
    compared with the measurement. Accuracy by measurement is made monotonic (isotonic regression),
    which evens out chance.

    Args:
        curve: Of blur, size or brightness.
        step: What the limit is rounded to, upwards.
    """
    first = curve.outcomes[0]
    accuracy = float(first.right.mean())
    measured = np.concatenate([outcome.measured for outcome in curve.outcomes])
    right = np.concatenate([outcome.right for outcome in curve.outcomes]).astype(float)
    confidence = np.concatenate([outcome.confidence for outcome in curve.outcomes])
    places, shares, surplus, weights = _bin(measured, right, confidence)
    smooth = isotonic(shares, weights)
    too_sure = isotonic(-surplus, weights)
    ends: list[tuple[float, Cause]] = []
    lost = crossing(places, smooth, KEPT * accuracy)
    if lost is not None:
        ends.append((lost, "accuracy"))
    sure = crossing(places, too_sure, -TOO_SURE)
    if sure is not None:
        ends.append((sure, "confidence"))
    if not ends:
        return Limit(None, None, "none", accuracy)
    exact, cause = max(ends)
    value = round(float(np.ceil(round(exact / step, 6)) * step), 6)
    return Limit(value, exact, cause, accuracy)


def read_turned_limit(curve: DamageCurve, step: float) -> Limit:
    """Read the limit of an angle, in degrees as the face mesh reads them.

    The angle at which trust ends is found on the angles asked for, then translated to the median of
    what the mesh reads of heads turned by it: the mesh reads less than strong turns are.

    Args:
        curve: Of yaw or pitch.
        step: What the limit is rounded to, towards zero.
    """
    accuracy = float(curve.outcomes[0].right.mean())
    levels = np.array([outcome.level for outcome in curve.outcomes])
    shares = np.array([outcome.right.mean() for outcome in curve.outcomes])
    sure = np.array([outcome.confidence.mean() for outcome in curve.outcomes])
    weights = np.ones(len(levels))
    ends: list[tuple[float, Cause]] = []
    lost = crossing(-levels[::-1], isotonic(shares[::-1], weights), KEPT * accuracy)
    if lost is not None:
        ends.append((-lost, "accuracy"))
    surplus = isotonic((shares - sure)[::-1], weights)
    late = crossing(-levels[::-1], surplus, -TOO_SURE)
    if late is not None:
        ends.append((-late, "confidence"))
    if not ends:
        return Limit(None, None, "none", accuracy)
    asked, cause = min(ends)
    read = np.array([float(np.nanmedian(outcome.measured)) for outcome in curve.outcomes])
    exact = float(np.interp(asked, levels, read))
    value = float(np.trunc(round(exact / step, 6)) * step)
    return Limit(value, exact, cause, accuracy)


def read_own_limit(
    angles: NDArray[np.float64], right: NDArray[np.bool_], accuracy: float, step: float
) -> Limit:
    """Read the limit of an angle off heads that are turned by themselves.

    Args:
        angles: ``(N,)`` degrees as the face mesh reads them, 0 and above.
        right: ``(N,)``: whether the model is right.
        accuracy: On heads that are not turned, 0 to 1.
        step: What the limit is rounded to, towards zero.
    """
    if not len(angles):
        return Limit(None, None, "none", accuracy)
    nothing = np.zeros(len(angles))
    places, shares, _, weights = _bin(-angles, right.astype(float), nothing)
    lost = crossing(places, isotonic(shares, weights), KEPT * accuracy)
    if lost is None:
        return Limit(None, None, "none", accuracy)
    value = float(np.trunc(round(-lost / step, 6)) * step)
    return Limit(value, -lost, "accuracy", accuracy)


def _bin(
    measured: NDArray[np.float64], right: NDArray[np.float64], confidence: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Bins by measurement: its median, accuracy, surplus of confidence, and number of faces."""
    values = np.unique(measured)
    if len(values) <= BINS:
        parts = [np.flatnonzero(measured == value) for value in values]
    else:
        parts = np.array_split(np.argsort(measured, kind="stable"), BINS)
    return (
        np.array([np.median(measured[part]) for part in parts]),
        np.array([right[part].mean() for part in parts]),
        np.array([(confidence[part] - right[part]).mean() for part in parts]),
        np.array([float(len(part)) for part in parts]),
    )


def isotonic(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest values that never fall, by pooling neighbours (Ayer et al. 1955).

    Args:
        values: ``(K,)``.
        weights: ``(K,)`` above 0.
    """
    pools: list[list[float]] = []  # mean, weight, count
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, heavy, count = pools.pop()
            before = pools[-1]
            total = before[1] + heavy
            pools[-1] = [(before[0] * before[1] + mean * heavy) / total, total, before[2] + count]
    return np.concatenate([np.full(int(count), mean) for mean, _, count in pools])


def crossing(
    places: NDArray[np.float64], rising: NDArray[np.float64], level: float
) -> float | None:
    """The place from which rising values stay at or above a level, between neighbours linearly.

    Returns:
        The place; the last one if all are below; None if all are at or above it.
    """
    below = np.flatnonzero(rising < level)
    if not len(below):
        return None
    last = int(below[-1])
    if last == len(places) - 1:
        return float(places[-1])
    low, high = rising[last], rising[last + 1]
    share = (level - low) / (high - low)
    return float(places[last] + share * (places[last + 1] - places[last]))


def wider(one: Limit, other: Limit) -> Limit:
    """Of two limits of an angle, the one farther from straight ahead; none if either has none."""
    if one.value is None or other.value is None:
        return one if one.value is None else other
    return one if abs(one.value) >= abs(other.value) else other


def lost_at(curve: DamageCurve) -> float | None:
    """The amount of damage at which accuracy falls below what is needed; None: at none."""
    levels = np.array([outcome.level for outcome in curve.outcomes])
    shares = np.array([outcome.right.mean() for outcome in curve.outcomes])
    order = np.argsort(-levels)
    rising = isotonic(shares[order], np.ones(len(levels)))
    lost = crossing(-levels[order], rising, KEPT * float(shares[0]))
    return None if lost is None else -lost
