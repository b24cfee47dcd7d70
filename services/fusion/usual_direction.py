"""The usual direction of a person's head: the densest half of the last minutes."""

from collections import deque
from collections.abc import Sequence
from statistics import fmean, median
from typing import Final

from affectline.services.fusion.baseline import CALIBRATION_S, MATURE_S

MEMORY_S: Final = 900
"""Seconds of known direction that the usual one covers: it follows a changed seat or camera within
minutes, but a look away of several minutes does not become the usual direction."""
LEARN_S: Final = 30.0
"""Seconds after which the usual direction is first used: a driver looks ahead for more than half of
any half minute, even with much use of the mirrors."""
MIN_CALIBRATION_S: Final = 5.0
"""A calibration with fewer seconds of known direction does not fix the usual one."""

Direction = tuple[float, float]
"""Yaw and pitch in degrees."""


class UsualDirection:
    """The usual yaw and pitch, updated once a second with that second's median."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything learnt."""
        self._seconds: deque[Direction] = deque(maxlen=MEMORY_S)
        self._now: list[Direction] = []
        """The directions in the current second."""
        self._usual: Direction | None = None
        self.frozen = False

    def add(self, yaw: float, pitch: float) -> None:
        """Add the direction in a frame, in degrees."""
        self._now.append((yaw, pitch))

    def close_second(self) -> None:
        """Add the second that ends."""
        seen, self._now = self._now, []
        if self.frozen or not seen:
            return
        self._seconds.append((median(yaw for yaw, _ in seen), median(pitch for _, pitch in seen)))
        if len(self._seconds) >= LEARN_S:
            self._find()

    def freeze(self) -> None:
        """Fix the direction at its present value, unless too little was seen."""
        if len(self._seconds) >= MIN_CALIBRATION_S:
            self.frozen = True
            self._find()

    def _find(self) -> None:
        yaws, pitches = zip(*self._seconds, strict=True)
        self._usual = densest_mean(yaws), densest_mean(pitches)

    @property
    def direction(self) -> Direction | None:
        """Usual yaw and pitch; None until they are learnt."""
        return self._usual

    @property
    def seconds(self) -> float:
        """Seconds that the usual direction is based on."""
        return float(len(self._seconds))

    @property
    def maturity(self) -> float:
        """0 at the start, 1 when the direction is fully trusted; like a baseline's."""
        return min(1.0, self.seconds / (CALIBRATION_S if self.frozen else MATURE_S))


def densest_mean(values: Sequence[float]) -> float:
    """Mean of the shortest interval that holds more than half of the values.

    Up to half of the values may lie elsewhere, all on one side, without moving it; a median would
    move to the border of the rest.
    """
    ordered = sorted(values)
    size = len(ordered) // 2 + 1
    starts = range(len(ordered) - size + 1)
    first = min(starts, key=lambda i: ordered[i + size - 1] - ordered[i])
    return fmean(ordered[first : first + size])
