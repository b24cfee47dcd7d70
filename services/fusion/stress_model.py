"""The stress model: a logistic regression from signals' deviations to nervousness.

The weights of heart and skin are fitted to the people of Stress-Predict (docs/validation.md) by
``affectline validate stress-predict FOLDER --fit FILE`` and kept in ``coefficients.json``; the
weight of the face is a setting.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

PHYSIOLOGICAL: Final = ("heart", "skin")
"""The signals whose weights are fitted."""
COEFFICIENTS: Final = Path(__file__).with_name("coefficients.json")
MAX_DEVIATION: Final = 5.0
"""Deviations are clipped here: larger ones are more often artefacts than stress."""


@dataclass(frozen=True)
class Evidence:
    """One signal's input to the model."""

    deviation: float
    """Distance from baseline in standard deviations of the person's own signal."""
    reliability: float = 1.0
    """0 to 1; below 1 the deviation is pulled towards its population mean."""


@dataclass(frozen=True)
class Term:
    """One signal's coefficients."""

    weight: float
    """Log-odds for each standard deviation."""
    mean_deviation: float
    """Mean over the people fitted, assumed while the signal is missing; ``usual`` in files."""
    importance: float
    """Share of this signal in what the physiological signals explain, 0 to 1."""


@dataclass(frozen=True)
class StressModel:
    """The coefficients of all physiological signals."""

    intercept: float
    terms: Mapping[str, Term]


@dataclass(frozen=True)
class StressEstimate:
    """The model's output at one time."""

    nervousness: float
    """0 to 100."""
    log_odds: float
    """Log-odds of stress against rest, by the signals present; 0 means even odds."""
    contributions: Mapping[str, float]
    """Points that each signal adds to the nervousness of the same person at baseline."""


@cache
def load_default_model() -> StressModel:
    """Load the model that was fitted to all people of Stress-Predict."""
    return parse_model(COEFFICIENTS.read_text(encoding="utf-8"))


def parse_model(text: str) -> StressModel:
    """Parse a model from JSON."""
    content = json.loads(text)
    terms = {
        name: Term(values["weight"], values["usual"], values["importance"])
        for name, values in content["terms"].items()
    }
    return StressModel(content["intercept"], terms)


def format_model(model: StressModel, about: str) -> str:
    """Format a model as JSON, rounded to four decimals."""
    terms = {
        name: {
            "weight": round(term.weight, 4),
            "usual": round(term.mean_deviation, 4),
            "importance": round(term.importance, 4),
        }
        for name, term in model.terms.items()
    }
    content = {"about": about, "intercept": round(model.intercept, 4), "terms": terms}
    return json.dumps(content, indent=2) + "\n"


def estimate_stress(
    model: StressModel, evidence: Mapping[str, Evidence], face_weight: float = 0.0
) -> StressEstimate:
    """Estimate nervousness at one time.

    Args:
        model: The coefficients.
        evidence: Evidence by signal: ``heart``, ``skin``, ``face``; missing ones are left out.
        face_weight: Log-odds for each standard deviation of the face.
    """
    baseline = model.intercept
    parts: dict[str, float] = {}
    for name, term in model.terms.items():
        found = evidence.get(name)
        reliability = found.reliability if found else 0.0
        baseline += term.weight * term.mean_deviation * (1 - reliability)
        if found:
            parts[name] = term.weight * reliability * _clip(found.deviation)
    if "face" in evidence:
        face = evidence["face"]
        parts["face"] = face_weight * face.reliability * _clip(face.deviation)
    log_odds = baseline + sum(parts.values())
    return StressEstimate(100 * _logistic(log_odds), log_odds, _attribute(baseline, parts))


def _attribute(baseline: float, parts: Mapping[str, float]) -> dict[str, float]:
    """Attribute points of nervousness to each part of the log-odds; their sum is exact.

    These are the integrated gradients of a logistic function along the straight path from baseline
    to now (Sundararajan et al. 2017): each part gets points in proportion.
    """
    total = sum(parts.values())
    if abs(total) > 1e-6:
        scale = 100 * (_logistic(baseline + total) - _logistic(baseline)) / total
    else:
        scale = 100 * _logistic(baseline) * (1 - _logistic(baseline))
    return {name: scale * part for name, part in parts.items()}


def _clip(deviation: float) -> float:
    return max(-MAX_DEVIATION, min(MAX_DEVIATION, deviation))


def _logistic(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))
