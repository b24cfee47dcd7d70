"""How often faces were doubted and why, blinks, PERCLOS and gaze, in figures: the same everywhere.

Terminal, ``session.json`` and report get them from here. Blinks were validated on four people,
PERCLOS on nobody; gaze is not calibrated.
"""

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from affectline.common.vision.sign_words import DOUBT_WORDS
from affectline.common.wire.face_signs import FaceSigns

MILLION: Final = 1_000_000
LONGEST_STEP_NS: Final = 1_000_000_000
"""Eyes that were seen in two frames farther apart than this were not seen in between."""
NEEDED_S: Final = 20.0
"""Seconds of seen eyes below which there is no rate of blinks, as there is no PERCLOS."""


class SignFigures(BaseModel):
    """Counts what faces say besides their emotion; part of a session's checkpoint."""

    model_config = ConfigDict(extra="forbid")

    faces: int = 0
    """Faces, in all frames; one with two faces counts twice."""
    measured: int = 0
    """Those of which something was measured besides the emotion."""
    doubted: int = 0
    """Those with at least one doubt."""
    doubts: dict[str, int] = {}
    """By reason."""
    eyes_unknown: dict[str, int] = {}
    """By reason."""
    gazes: dict[str, int] = {}
    """By direction."""
    eyes_seen_ns: int = 0
    """Time in which blinks would be seen: eyes of known opening, or whose usual is learnt."""
    blinks: dict[int, int] = {}
    """By duration in ms."""
    perclos: int = 0
    """Faces with a PERCLOS."""
    perclos_millionths: int = 0
    """Sum of them."""
    perclos_highest: float | None = None

    def add(self, face: FaceSigns, step_ns: int) -> None:
        """Count a face.

        Args:
            face: In a frame.
            step_ns: Time since the frame before, in ns.
        """
        fields = vars(self)  # pydantic takes longer to set an attribute than to count
        fields["faces"] += 1
        fields["doubted"] += bool(face.doubts)
        for doubt in face.doubts:
            _count(self.doubts, doubt)
        if face.eyes_unknown is not None:
            _count(self.eyes_unknown, face.eyes_unknown)
        if face.gaze is not None:
            _count(self.gazes, face.gaze)
        if face.blink is not None:
            _count(self.blinks, round(face.blink.duration_ms))
        is_known = face.eye_opening_left is not None or face.eye_opening_right is not None
        if (is_known or face.eyes_unknown == "learning") and 0 < step_ns <= LONGEST_STEP_NS:
            fields["eyes_seen_ns"] += step_ns
        if face.perclos is not None:
            fields["perclos"] += 1
            fields["perclos_millionths"] += round(face.perclos * MILLION)
            fields["perclos_highest"] = max(self.perclos_highest or 0.0, face.perclos)
        fields["measured"] += is_known or bool(face.doubts) or _is_read(face)

    def merge(self, others: Iterable["SignFigures"]) -> "SignFigures":
        """The figures of this one and others together."""
        merged = self.model_copy(deep=True)
        for other in others:
            for name in ("doubts", "eyes_unknown", "gazes", "blinks"):
                counts = Counter(getattr(merged, name)) + Counter(getattr(other, name))
                setattr(merged, name, dict(counts))
            for name in (
                "faces", "measured", "doubted", "eyes_seen_ns", "perclos", "perclos_millionths",
            ):  # fmt: skip
                setattr(merged, name, getattr(merged, name) + getattr(other, name))
            highest = (merged.perclos_highest, other.perclos_highest)
            known = [value for value in highest if value is not None]
            merged.perclos_highest = max(known, default=None)
        return merged

    @property
    def has_eyes(self) -> bool:
        """Whether anybody looked at the eyes."""
        return bool(self.eyes_seen_ns or self.eyes_unknown or self.gazes)

    @property
    def blink_count(self) -> int:
        """Number of blinks."""
        return sum(self.blinks.values())

    @property
    def blinks_per_minute(self) -> float | None:
        """Of the time in which the eyes were seen; None while that is less than 20 s."""
        seconds = self.eyes_seen_ns / 1e9
        return 60 * self.blink_count / seconds if seconds >= NEEDED_S else None

    @property
    def blink_median_ms(self) -> float | None:
        """Median duration; None without a blink."""
        return median(Counter(self.blinks).elements()) if self.blinks else None

    @property
    def perclos_mean(self) -> float | None:
        """Mean of the frames that have one."""
        return self.perclos_millionths / MILLION / self.perclos if self.perclos else None

    def share_of_faces(self, count: int) -> float:
        """A count as a share of all faces."""
        return count / self.faces if self.faces else 0.0

    def to_dict(self) -> dict[str, Any] | None:
        """The figures as ``session.json`` has them; None where nobody measured anything."""
        if not self.measured:
            return None
        rate, mean = self.blinks_per_minute, self.perclos_mean
        return {
            "doubted": self.doubted,
            "doubted_share": round(self.share_of_faces(self.doubted), 4),
            "doubts": self.doubts,
            "eyes_seen_s": round(self.eyes_seen_ns / 1e9, 1),
            "eyes_unknown": self.eyes_unknown,
            "blinks": self.blink_count,
            "blinks_per_minute": None if rate is None else round(rate, 1),
            "blink_median_ms": self.blink_median_ms,
            "perclos_mean": None if mean is None else round(mean, 4),
            "perclos_highest": self.perclos_highest,
            "gazes": self.gazes,
        }


def _count(counts: dict[str, int] | dict[int, int], key: str | int) -> None:
    counts[key] = counts.get(key, 0) + 1  # type: ignore[index, arg-type]


def _is_read(face: FaceSigns) -> bool:
    return face.yaw is not None or face.eyes_unknown is not None


def sign_lines(figures: dict[str, Any] | None) -> dict[str, str]:
    """Lines on `SignFigures.to_dict`, as commands print them, by their titles.

    Example:
        ``{"doubted faces": "12% (60 speaking, 3 dark)", "blinks": "14.2 a minute, median 180 ms"}``
    """
    if not figures:
        return {}
    ordered = sorted(figures["doubts"].items(), key=lambda one: -one[1])
    reasons = ", ".join(f"{count} {DOUBT_WORDS.get(name, name)}" for name, count in ordered)
    lines = {"doubted faces": f"{figures['doubted_share']:.0%}" + (f" ({reasons})" * bool(reasons))}
    if figures["eyes_seen_s"]:
        rate, middle = figures["blinks_per_minute"], figures["blink_median_ms"]
        blinks = f"{figures['blinks']} in {figures['eyes_seen_s']:.0f} s"
        if rate is not None:
            blinks = f"{rate:.1f} a minute"
        lines["blinks"] = blinks + (f", median {middle:.0f} ms" if middle is not None else "")
    if figures["perclos_mean"] is not None:
        highest = f", at most {figures['perclos_highest']:.1%}"
        lines["PERCLOS, mean"] = f"{figures['perclos_mean']:.1%}{highest}"
    return lines
