"""Figures on doubts, blinks, PERCLOS and gaze.

Terminal, ``session.json`` and report all get them from here, so they agree. Blinks were validated
on four people, PERCLOS on nobody; gaze is not calibrated.
"""

from collections import Counter, deque
from collections.abc import Iterable
from statistics import median
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, PrivateAttr

from affectline.common.vision.sign_words import DOUBT_WORDS
from affectline.common.wire.face_signs import LONGEST_BLINK_STEP_S, FaceSigns

MILLION: Final = 1_000_000
LONGEST_STEP_NS: Final = 1_000_000_000
"""Between two frames further apart than this, the eyes count as not seen."""
FRAMES_FOR_A_RATE: Final = 9
"""The median time between so many frames says whether blinks are detected, as in the detector."""
TOO_SLOW: Final = f"needs {1 / LONGEST_BLINK_STEP_S:.0f} frames a second"
NEEDED_S: Final = 20.0
"""Seconds of visible eyes that a blink rate needs, as PERCLOS does."""


class SignFigures(BaseModel):
    """Counts doubts, eyes, blinks and gaze of faces; part of a session's checkpoint."""

    model_config = ConfigDict(extra="forbid")

    faces: int = 0
    """Faces in all frames; a frame with two faces counts twice."""
    measured: int = 0
    """Faces with a measurement besides the emotion."""
    doubted: int = 0
    """Faces with at least one doubt."""
    doubts: dict[str, int] = {}
    """Doubts by reason."""
    eyes_unknown: dict[str, int] = {}
    """Faces with unknown eye opening, by reason."""
    gazes: dict[str, int] = {}
    """Faces by gaze direction."""
    eyes_seen_ns: int = 0
    """Time in which a blink would be seen: the eye opening is known, or is being learnt, and there
    are enough frames a second."""
    eyes_too_slow_ns: int = 0
    """The same with too few frames a second to detect blinks."""
    blinks: dict[int, int] = {}
    """Blinks by duration in ms."""
    perclos: int = 0
    """Faces with a PERCLOS value."""
    perclos_millionths: int = 0
    """Sum of the PERCLOS values, in millionths."""
    perclos_highest: float | None = None
    _steps: deque[int] = PrivateAttr(default_factory=lambda: deque(maxlen=FRAMES_FOR_A_RATE))

    def add(self, face: FaceSigns, step_ns: int) -> None:
        """Count a face.

        Args:
            face: A face in one frame.
            step_ns: Time since the previous frame, in ns; 0: there is none.
        """
        fields = vars(self)  # setting attributes through pydantic takes longer than counting
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
            self._steps.append(step_ns)
            is_fast = median(self._steps) <= LONGEST_BLINK_STEP_S * 1e9
            fields["eyes_seen_ns" if is_fast else "eyes_too_slow_ns"] += step_ns
        if face.perclos is not None:
            fields["perclos"] += 1
            fields["perclos_millionths"] += round(face.perclos * MILLION)
            fields["perclos_highest"] = max(self.perclos_highest or 0.0, face.perclos)
        fields["measured"] += is_known or bool(face.doubts) or _is_read(face)

    def merge(self, others: Iterable["SignFigures"]) -> "SignFigures":
        """The combined figures of this object and others."""
        merged = self.model_copy(deep=True)
        for other in others:
            for name in ("doubts", "eyes_unknown", "gazes", "blinks"):
                counts = Counter(getattr(merged, name)) + Counter(getattr(other, name))
                setattr(merged, name, dict(counts))
            for name in (
                "faces", "measured", "doubted", "eyes_seen_ns", "eyes_too_slow_ns", "perclos",
                "perclos_millionths",
            ):  # fmt: skip
                setattr(merged, name, getattr(merged, name) + getattr(other, name))
            highest = (merged.perclos_highest, other.perclos_highest)
            known = [value for value in highest if value is not None]
            merged.perclos_highest = max(known, default=None)
        return merged

    @property
    def has_eyes(self) -> bool:
        """Whether the eyes were analysed."""
        seen_ns = self.eyes_seen_ns + self.eyes_too_slow_ns
        return bool(seen_ns or self.eyes_unknown or self.gazes)

    @property
    def is_too_slow(self) -> bool:
        """Whether there were hardly ever enough frames a second to detect blinks."""
        return self.eyes_too_slow_ns > 9 * self.eyes_seen_ns

    @property
    def blink_count(self) -> int | None:
        """Number of blinks; None if none would have been seen."""
        is_seen = self.eyes_seen_ns and not self.is_too_slow
        return sum(self.blinks.values()) if is_seen else None

    @property
    def blinks_per_minute(self) -> float | None:
        """Blink rate over the time with visible eyes; None below 20 s."""
        seconds = self.eyes_seen_ns / 1e9
        count = self.blink_count
        return None if count is None or seconds < NEEDED_S else 60 * count / seconds

    @property
    def blink_median_ms(self) -> float | None:
        """Median blink duration; None without a blink."""
        return median(Counter(self.blinks).elements()) if self.blinks else None

    @property
    def perclos_mean(self) -> float | None:
        """Mean PERCLOS of the faces that have a value."""
        return self.perclos_millionths / MILLION / self.perclos if self.perclos else None

    def share_of_faces(self, count: int) -> float:
        """A count as a share of all faces."""
        return count / self.faces if self.faces else 0.0

    def to_dict(self) -> dict[str, Any] | None:
        """The figures as in ``session.json``; None if nothing was measured."""
        if not self.measured:
            return None
        rate, mean = self.blinks_per_minute, self.perclos_mean
        return {
            "doubted": self.doubted,
            "doubted_share": round(self.share_of_faces(self.doubted), 4),
            "doubts": self.doubts,
            "eyes_seen_s": round(self.eyes_seen_ns / 1e9, 1),
            "eyes_too_slow_s": round(self.eyes_too_slow_ns / 1e9, 1),
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
    """Lines that commands print for `SignFigures.to_dict`, by title.

    Example:
        ``{"doubted faces": "12% (60 speaking, 3 dark)", "blinks": "14.2 a minute, median 180 ms"}``
    """
    if not figures:
        return {}
    ordered = sorted(figures["doubts"].items(), key=lambda one: -one[1])
    reasons = ", ".join(f"{count} {DOUBT_WORDS.get(name, name)}" for name, count in ordered)
    lines = {"doubted faces": f"{figures['doubted_share']:.0%}" + (f" ({reasons})" * bool(reasons))}
    if figures["blinks"] is not None:
        rate, middle = figures["blinks_per_minute"], figures["blink_median_ms"]
        blinks = f"{figures['blinks']} in {figures['eyes_seen_s']:.0f} s"
        if rate is not None:
            blinks = f"{rate:.1f} a minute"
        lines["blinks"] = blinks + (f", median {middle:.0f} ms" if middle is not None else "")
    elif figures.get("eyes_too_slow_s"):  # sessions of before have none
        lines["blinks"] = f"unknown: {TOO_SLOW}"
    if figures["perclos_mean"] is not None:
        highest = f", at most {figures['perclos_highest']:.1%}"
        lines["PERCLOS, mean"] = f"{figures['perclos_mean']:.1%}{highest}"
    return lines
