"""From deviations to nervousness: a logistic model with two fitted weights, and one set by hand.

The weights of heart and skin are fitted to the people of Stress-Predict (docs/validation.md) by
``affectline validate stress-predict FOLDER --fit FILE`` and kept in ``coefficients.json``.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

BODY: Final = ("heart", "skin")
"""The signals whose weights are fitted."""
COEFFICIENTS: Final = Path(__file__).with_name("coefficients.json")
FARTHEST: Final = 5.0
"""Deviations count up to here: what is beyond is an artefact more often than a feeling."""


@dataclass(frozen=True)
class Evidence:
    """What one signal says now."""

    deviation: float
    """Distance from rest in standard deviations of the person's own signal."""
    trust: float = 1.0
    """0 to 1; below 1 the deviation is drawn towards what it usually is."""


@dataclass(frozen=True)
class Term:
    """One signal's part in the model."""

    weight: float
    """Log-odds for each standard deviation."""
    usual: float
    """Mean deviation over the people fitted: assumed while the signal is missing."""
    importance: float
    """Share of this signal in what the body's signals can tell, 0 to 1."""


@dataclass(frozen=True)
class StressModel:
    """The table of coefficients."""

    intercept: float
    terms: Mapping[str, Term]


@dataclass(frozen=True)
class StressEstimate:
    """What the model says."""

    nervousness: float
    """0 to 100."""
    log_odds: float
    """Of stress against rest, by the signals present; 0 where they say nothing."""
    contributions: Mapping[str, float]
    """Points that each signal adds to the nervousness of the same person at rest."""


@cache
def shipped() -> StressModel:
    """The model fitted on everybody in Stress-Predict."""
    return read_model(COEFFICIENTS.read_text(encoding="utf-8"))


def read_model(text: str) -> StressModel:
    """Read a table of coefficients."""
    content = json.loads(text)
    return StressModel(content["intercept"], {k: Term(**v) for k, v in content["terms"].items()})


def write_model(model: StressModel, about: str) -> str:
    """Write a table of coefficients as JSON, rounded to what matters."""
    terms = {
        name: {
            "weight": round(term.weight, 4),
            "usual": round(term.usual, 4),
            "importance": round(term.importance, 4),
        }
        for name, term in model.terms.items()
    }
    content = {"about": about, "intercept": round(model.intercept, 4), "terms": terms}
    return json.dumps(content, indent=2) + "\n"


def judge(
    model: StressModel, evidence: Mapping[str, Evidence], face_weight: float = 0.0
) -> StressEstimate:
    """Judge a moment.

    Args:
        model: The coefficients.
        evidence: By signal: ``heart``, ``skin``, ``face``; missing ones are left out.
        face_weight: Log-odds for each deviation of the face.
    """
    calm = model.intercept
    parts: dict[str, float] = {}
    for name, term in model.terms.items():
        found = evidence.get(name)
        trust = found.trust if found else 0.0
        calm += term.weight * term.usual * (1 - trust)
        if found:
            parts[name] = term.weight * trust * _limit(found.deviation)
    if "face" in evidence:
        face = evidence["face"]
        parts["face"] = face_weight * face.trust * _limit(face.deviation)
    log_odds = calm + sum(parts.values())
    return StressEstimate(100 * _logistic(log_odds), log_odds, _share_out(calm, parts))


def _share_out(calm: float, parts: Mapping[str, float]) -> dict[str, float]:
    """Points of nervousness for each part of the log-odds; their sum is exact.

    The integrated gradients of a logistic function along the straight way from calm to now
    (Sundararajan et al. 2017): each part in proportion.
    """
    total = sum(parts.values())
    if abs(total) > 1e-6:
        scale = 100 * (_logistic(calm + total) - _logistic(calm)) / total
    else:
        scale = 100 * _logistic(calm) * (1 - _logistic(calm))
    return {name: scale * part for name, part in parts.items()}


def _limit(deviation: float) -> float:
    return max(-FARTHEST, min(FARTHEST, deviation))


def _logistic(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))
