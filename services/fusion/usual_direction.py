"""Where a person usually points the head: the densest half of the last minutes."""

from collections import deque
from collections.abc import Sequence
from statistics import fmean, median
from typing import Final

from affectline.services.fusion.baseline import CALIBRATION_S, MATURE_S

MEMORY_S: Final = 900
"""Seconds of known direction that the usual one rests on: it follows a changed seat or camera
within minutes, and a look away of several minutes does not become the usual one."""
LEARN_S: Final = 30.0
"""Seconds after which it is first used: of half a minute more than half is spent looking ahead,
however busy the mirrors."""
MIN_CALIBRATION_S: Final = 5.0
"""A calibration in which the direction was known for less does not fix it."""

Direction = tuple[float, float]
"""Yaw and pitch in degrees."""


class UsualDirection:
    """The usual yaw and pitch, once a second by that second's median."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything learnt."""
        self._seconds: deque[Direction] = deque(maxlen=MEMORY_S)
        self._now: list[Direction] = []
        """The directions of the second that goes on."""
        self._usual: Direction | None = None
        self.frozen = False

    def add(self, yaw: float, pitch: float) -> None:
        """Add the direction in a frame, in degrees."""
        self._now.append((yaw, pitch))

    def close_second(self) -> None:
        """Take over the second that ends."""
        seen, self._now = self._now, []
        if self.frozen or not seen:
            return
        self._seconds.append((median(yaw for yaw, _ in seen), median(pitch for _, pitch in seen)))
        if len(self._seconds) >= LEARN_S:
            self._find()

    def freeze(self) -> None:
        """Fix it at its present value, unless too little was seen."""
        if len(self._seconds) >= MIN_CALIBRATION_S:
            self.frozen = True
            self._find()

    def _find(self) -> None:
        yaws, pitches = zip(*self._seconds, strict=True)
        self._usual = densest_mean(yaws), densest_mean(pitches)

    @property
    def direction(self) -> Direction | None:
        """Usual yaw and pitch; None while it is being learnt."""
        return self._usual

    @property
    def seconds(self) -> float:
        """Seconds that it rests on."""
        return float(len(self._seconds))

    @property
    def maturity(self) -> float:
        """0 at the start, 1 when it is trusted in full; as a baseline's."""
        return min(1.0, self.seconds / (CALIBRATION_S if self.frozen else MATURE_S))


def densest_mean(values: Sequence[float]) -> float:
    """Mean of the shortest interval that holds more than half of the values.

    Up to half of them may lie elsewhere, all on one side, and do not move it; a median would move
    to the border of the rest.
    """
    ordered = sorted(values)
    size = len(ordered) // 2 + 1
    starts = range(len(ordered) - size + 1)
    first = min(starts, key=lambda i: ordered[i + size - 1] - ordered[i])
    return fmean(ordered[first : first + size])
