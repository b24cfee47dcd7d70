"""The stress model: a logistic regression from signals' deviations to nervousness.

Weights, and the constants of the measures, are chosen and fitted by ``affectline validate
stress-predict FOLDER --drives FOLDER --fit FILE`` (docs/validation.md) and kept in
``coefficients.json``; the weight of the face is a setting.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from affectline.services.fusion.feature_settings import FeatureSettings

PHYSIOLOGICAL: Final = ("heart", "skin", "breathing")
"""The signals whose weights are fitted."""
MEASURES: Final = {
    "heart": "heart", "heart_rise": "heart", "skin": "skin", "skin_slow": "skin",
    "skin_responses": "skin", "breathing": "breathing", "face": "face",
}  # fmt: skip
"""The signal of each measure: heart rate over two minutes against its mean, and over half a minute
above its low; skin conductance above its low, the same over the last minutes, and responses a
minute against those of a timed calibration; breaths a minute against their mean."""
COEFFICIENTS: Final = Path(__file__).with_name("coefficients.json")
MAX_DEVIATION: Final = 5.0
"""Deviations are clipped here: larger ones are more often artefacts than stress."""


@dataclass(frozen=True)
class Evidence:
    """One measure of a signal: an input to the model."""

    deviation: float
    """Distance from baseline in standard deviations of the person's own signal."""
    reliability: float = 1.0
    """0 to 1; below 1 the deviation is pulled towards its population mean."""


@dataclass(frozen=True)
class Term:
    """One measure's coefficients."""

    weight: float
    """Log-odds for each standard deviation."""
    mean_deviation: float
    """Mean over the people fitted, assumed while the signal is missing; ``usual`` in files."""
    importance: float
    """Share of this measure in what all of them explain, 0 to 1."""


@dataclass(frozen=True)
class StressModel:
    """The coefficients of all measures of physiological signals."""

    intercept: float
    terms: Mapping[str, Term]
    """By name of the measure, see `MEASURES`."""
    settings: FeatureSettings = field(default_factory=FeatureSettings)
    """Constants of the measures that the coefficients were fitted to."""

    @cached_property
    def importances(self) -> dict[str, float]:
        """Share of each signal in what all of them explain; 0 for one that the model lacks."""
        shares = {"heart": 0.0, "skin": 0.0, "breathing": 0.0}
        for name, term in self.terms.items():
            shares[MEASURES[name]] += term.importance
        return shares


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
    """Load the model that was fitted to all people of the public datasets."""
    return parse_model(COEFFICIENTS.read_text(encoding="utf-8"))


def parse_model(text: str) -> StressModel:
    """Parse a model from JSON."""
    return read_model(json.loads(text))


def read_model(content: Mapping[str, Any]) -> StressModel:
    """Return the model in parsed JSON."""
    terms = {
        name: Term(values["weight"], values["usual"], values["importance"])
        for name, values in content["terms"].items()
    }
    settings = FeatureSettings(**content.get("settings", {}))
    return StressModel(content["intercept"], terms, settings)


def format_model(model: StressModel, about: str) -> str:
    """Format a model as JSON, rounded to four decimals."""
    return json.dumps({"about": about} | write_model(model), indent=2) + "\n"


def write_model(model: StressModel) -> dict[str, Any]:
    """Return a model as JSON values, rounded to four decimals."""
    terms = {
        name: {
            "weight": round(term.weight, 4),
            "usual": round(term.mean_deviation, 4),
            "importance": round(term.importance, 4),
        }
        for name, term in model.terms.items()
    }
    return {
        "intercept": round(model.intercept, 4),
        "settings": asdict(model.settings),
        "terms": terms,
    }


def estimate_stress(
    model: StressModel, evidence: Mapping[str, Evidence], face_weight: float = 0.0
) -> StressEstimate:
    """Estimate nervousness at one time.

    Args:
        model: The coefficients.
        evidence: Evidence by measure, see `MEASURES`; missing ones are left out.
        face_weight: Log-odds for each standard deviation of the face.
    """
    baseline = model.intercept
    parts: dict[str, float] = {}
    for name, term in model.terms.items():
        found = evidence.get(name)
        reliability = found.reliability if found else 0.0
        baseline += term.weight * term.mean_deviation * (1 - reliability)
        if found:
            signal = MEASURES[name]
            part = term.weight * reliability * _clip(found.deviation)
            parts[signal] = parts.get(signal, 0.0) + part
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
