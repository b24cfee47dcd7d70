"""A quantile of recent values, in event time: deterministic and cheap."""

from typing import Final

import numpy as np

_BINS: Final = 128


class RunningQuantile:
    """A quantile over a histogram that forgets: older seconds have less and less weight.

    Args:
        low: Least value of the histogram.
        high: Greatest value of the histogram.
        share: Which quantile, 0 to 1.
        half_life_s: Seconds after which a second has half its weight.
    """

    def __init__(self, low: float, high: float, share: float, half_life_s: float) -> None:
        self._low, self._step = low, (high - low) / _BINS
        self._share, self._half_life_s = share, half_life_s
        self._weights = np.zeros(_BINS)
        self.seconds = 0.0
        """How many seconds were added, forgotten ones included."""

    def add(self, value: float, seconds: float) -> None:
        """Add a value that held for ``seconds``."""
        if seconds <= 0:
            return
        self._weights *= 0.5 ** (seconds / self._half_life_s)
        place = int((value - self._low) / self._step)
        self._weights[min(_BINS - 1, max(0, place))] += seconds
        self.seconds += seconds

    @property
    def value(self) -> float:
        """The quantile; the least value as long as nothing was added."""
        below = np.cumsum(self._weights)
        wanted = self._share * below[-1]
        place = int(np.searchsorted(below, wanted))
        if below[-1] == 0 or place >= _BINS:
            return self._low
        before = below[place - 1] if place else 0.0
        inside = (wanted - before) / max(self._weights[place], 1e-12)
        return float(self._low + self._step * (place + inside))
