"""What one stream's largest face says besides its emotion, over time."""

import math
from typing import Final, NamedTuple

from affectline.common.wire.face_signs import Blink, Doubt, FaceSigns

CURVES: Final = (
    "yaw", "pitch", "roll", "eye_opening_left", "eye_opening_right", "perclos",
)  # fmt: skip
"""Signs that reports draw over time."""
LONGEST_STEP_NS: Final = 1_000_000_000
"""A doubt does not last over a longer gap between two frames than this."""


class DoubtStretch(NamedTuple):
    """A stretch of time in which a face was doubted."""

    start: int
    """Nanoseconds since the Unix epoch, as is `end`."""
    end: int


class SignSeries:
    """Signs of a face in the order of its frames."""

    def __init__(self) -> None:
        self.times: list[int] = []
        """Nanoseconds since the Unix epoch."""
        self.values: dict[str, list[float]] = {name: [] for name in CURVES}
        """By sign: a value for each frame, NaN where it is unknown."""
        self.doubts: list[tuple[Doubt, ...]] = []
        """For each frame."""
        self.blinks: list[Blink] = []

    def add(self, face: FaceSigns, at: int) -> None:
        """Add what a frame shows."""
        self.times.append(at)
        self.doubts.append(face.doubts)
        for name, values in self.values.items():
            value = getattr(face, name)
            values.append(math.nan if value is None else value)
        if face.blink is not None:
            self.blinks.append(face.blink)

    def is_known(self, *names: str) -> bool:
        """Whether any of some signs was ever known."""
        return any(not math.isnan(value) for name in names for value in self.values[name])

    def doubt_stretches(self, reason: Doubt | None = None) -> list[DoubtStretch]:
        """When there was a doubt, or one of a reason; each frame lasts until the next one."""
        found: list[DoubtStretch] = []
        for i, (at, doubts) in enumerate(zip(self.times, self.doubts, strict=True)):
            if not doubts or (reason is not None and reason not in doubts):
                continue
            following = self.times[i + 1] if i + 1 < len(self.times) else at
            end = following if 0 <= following - at <= LONGEST_STEP_NS else at
            if found and found[-1].end == at:
                found[-1] = found[-1]._replace(end=end)
            else:
                found.append(DoubtStretch(at, end))
        return found
