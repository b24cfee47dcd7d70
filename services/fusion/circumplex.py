"""Valence and arousal of a face, from its seven probabilities."""

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
"""Valence and arousal, -1 to 1, of the words angry, disgusted, fearful, happy, sad and surprised as
people rated them (Russell and Mehrabian 1977, Journal of Research in Personality 11)."""
_FEAR: Final = math.hypot(*CIRCUMPLEX["fear"])
TENSE: Final = (CIRCUMPLEX["fear"][0] / _FEAR, CIRCUMPLEX["fear"][1] / _FEAR)
"""Direction of fear and tension on the circumplex."""


@dataclass(frozen=True)
class Affect:
    """Where a face is on the circumplex."""

    valence: float
    """-1 displeased to 1 pleased."""
    arousal: float
    """-1 asleep to 1 agitated; the seven emotions reach from -0.27 to 0.67."""

    @property
    def tension(self) -> float:
        """How far the look goes towards fear, in units of the circumplex; relief is negative."""
        return self.valence * TENSE[0] + self.arousal * TENSE[1]


def place(distribution: Sequence[float]) -> Affect:
    """Where a distribution over the seven emotions, in FER2013's order, is on the circumplex."""
    total = sum(distribution) or 1.0
    pairs = [(p / total, CIRCUMPLEX[label]) for p, label in zip(distribution, LABELS, strict=True)]
    return Affect(
        valence=sum(p * point[0] for p, point in pairs),
        arousal=sum(p * point[1] for p, point in pairs),
    )
