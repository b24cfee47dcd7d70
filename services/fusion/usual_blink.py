"""The usual duration of a person's blinks: the median so far, or that of a calibration."""

from collections import deque
from statistics import median
from typing import Final

MEMORY: Final = 600
"""How many blinks the median covers: those of 30 minutes to an hour."""
MATURE: Final = 20
"""Blinks after which the median is fully trusted: those of one to two minutes."""
MIN_CALIBRATION: Final = 5
"""A calibration with fewer blinks does not fix the median."""


class UsualBlink:
    """The usual duration of one person's blinks in ms.

    It is the median, so that a long look down that was mistaken for a blink counts no more than any
    other blink.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything learnt."""
        self._durations: deque[float] = deque(maxlen=MEMORY)
        self._median: float | None = None
        self._frozen = False

    def add(self, duration_ms: float) -> None:
        """Add a blink."""
        if not self._frozen:
            self._durations.append(duration_ms)
            self._median = median(self._durations)

    def freeze(self) -> None:
        """Fix the median at its present value, unless too few blinks were seen."""
        self._frozen = len(self._durations) >= MIN_CALIBRATION

    @property
    def duration_ms(self) -> float | None:
        """The usual duration; None before the first blink."""
        return self._median

    @property
    def maturity(self) -> float:
        """0 at the start, 1 when the median is fully trusted."""
        return min(1.0, len(self._durations) / (MIN_CALIBRATION if self._frozen else MATURE))
