"""How much of each expression was seen, in two figures.

Share of frames
    Share of the frames with a classified face in which that emotion is the label. A frame with two
    faces counts once for each: it has two rows in ``emotions.csv``.
Mean probability
    Mean of that emotion's probability over the same rows.

Both use the smoothed distribution. Terminal, ``session.json`` and report all get them from here.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from affectline.common.circumplex import Affect, map_to_circumplex
from affectline.common.labels import LABELS
from affectline.common.wire.messages import FaceEmotion

SHARE_OF_FRAMES: Final = "share of frames"
MEAN_PROBABILITY: Final = "mean probability"
MILLION: Final = 1_000_000
DIGITS: Final = 4
"""Decimal places of both figures."""


class Expression(NamedTuple):
    """One emotion's figures, 0 to 1."""

    label: str
    share_of_frames: float
    mean_probability: float


class ExpressionFigures(BaseModel):
    """Counts faces with a result; part of a session's checkpoint."""

    model_config = ConfigDict(extra="forbid")

    labels: dict[str, int] = Field(default_factory=lambda: dict.fromkeys(LABELS, 0))
    """Faces by label."""
    millionths: dict[str, int] = Field(default_factory=lambda: dict.fromkeys(LABELS, 0))
    """Sum of each emotion's probabilities in millionths, rounded as in the tables: the sum of
    integers does not depend on their order."""

    def add(self, face: FaceEmotion) -> None:
        """Count a face, if it has a result."""
        if face.label is None or face.probabilities is None:
            return
        self.labels[face.label] += 1
        for label, probability in zip(LABELS, face.probabilities, strict=True):
            self.millionths[label] += round(probability * MILLION)

    def merge(self, others: Iterable["ExpressionFigures"]) -> "ExpressionFigures":
        """The combined figures of this object and others."""
        merged = self.model_copy(deep=True)
        for other in others:
            for label in LABELS:
                merged.labels[label] += other.labels.get(label, 0)
                merged.millionths[label] += other.millionths.get(label, 0)
        return merged

    @property
    def faces(self) -> int:
        """Number of faces with a result."""
        return sum(self.labels.values())

    def share_of_frames(self) -> dict[str, float]:
        """Share of frames by emotion, 0 to 1; all 0 without a result."""
        return {label: round(n / (self.faces or 1), DIGITS) for label, n in self.labels.items()}

    def mean_probability(self) -> dict[str, float]:
        """Mean probability by emotion, 0 to 1; all 0 without a result."""
        total = MILLION * (self.faces or 1)
        return {label: round(n / total, DIGITS) for label, n in self.millionths.items()}

    def by_share(self) -> list[Expression]:
        """All seven expressions, most frequent first."""
        shares, means = self.share_of_frames(), self.mean_probability()
        all_seven = [Expression(label, shares[label], means[label]) for label in LABELS]
        return sorted(all_seven, key=lambda one: (-one.share_of_frames, -one.mean_probability))

    def affect(self) -> Affect | None:
        """Mean valence and arousal of all faces; None without a result.

        Both are linear in the distribution, so the mean distribution gives the means.
        """
        if not self.faces:
            return None
        return map_to_circumplex([self.millionths[label] for label in LABELS])

    def to_dict(self) -> dict[str, object]:
        """The figures as in ``session.json`` and the summary of a run."""
        affect = self.affect()
        return {
            "share_of_frames": self.share_of_frames(),
            "mean_probability": self.mean_probability(),
            "valence": None if affect is None else round(affect.valence, DIGITS),
            "arousal": None if affect is None else round(affect.arousal, DIGITS),
            "emotion_shares": self.share_of_frames(),  # its name until version 0.1
        }
