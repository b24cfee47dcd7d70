"""Russell's circumplex: valence and arousal of a distribution over the seven emotions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from affectline.common.labels import LABELS

CIRCUMPLEX: Final[dict[str, tuple[float, float]]] = {
    "angry": (-0.51, 0.59),
    "disgust": (-0.60, 0.35),
    "fear": (-0.64, 0.60),
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "surprise": (0.40, 0.67),
    "neutral": (0.0, 0.0),
}
"""Valence and arousal, -1 to 1, of the words angry, disgusted, fearful, happy, sad and surprised,
as rated by people (Russell and Mehrabian 1977, Journal of Research in Personality 11)."""
_FEAR_LENGTH: Final = math.hypot(*CIRCUMPLEX["fear"])
TENSION_AXIS: Final = (
    CIRCUMPLEX["fear"][0] / _FEAR_LENGTH,
    CIRCUMPLEX["fear"][1] / _FEAR_LENGTH,
)
"""Unit vector (valence, arousal) from neutral towards fear."""


@dataclass(frozen=True)
class Affect:
    """A point on the circumplex."""

    valence: float
    """From -1 (displeased) to 1 (pleased)."""
    arousal: float
    """From -1 (asleep) to 1 (agitated); the seven emotions reach from -0.27 to 0.67."""

    @property
    def tension(self) -> float:
        """Projection on the axis from neutral to fear, in units of the circumplex.

        Relief is negative.
        """
        return self.valence * TENSION_AXIS[0] + self.arousal * TENSION_AXIS[1]


def map_to_circumplex(distribution: Sequence[float]) -> Affect:
    """Return the mean position of a distribution over the seven emotions, in FER2013's order."""
    total = sum(distribution) or 1.0
    pairs = [(p / total, CIRCUMPLEX[label]) for p, label in zip(distribution, LABELS, strict=True)]
    return Affect(
        valence=sum(p * point[0] for p, point in pairs),
        arousal=sum(p * point[1] for p, point in pairs),
    )
