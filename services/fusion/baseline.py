"""How a signal is at rest: learnt as time goes on, or during a timed calibration.

Everything here is fed once a second of signal time and knows nothing of what follows.
"""

import math
from dataclasses import dataclass
from typing import Final

MEMORY_S: Final = 3600.0
"""Seconds over which a continuous baseline forgets: an hour, longer than episodes of stress, and
short enough for a day's drift of electrodes and of the body clock."""
LOW_SMOOTHING_S: Final = 10.0
"""The low is that of a mean over so many seconds, so that one bad second does not set it."""
MATURE_S: Final = 120.0
"""Seconds after which a baseline is trusted in full; short-term heart measures are taken over two
to five minutes (Task Force of the European Society of Cardiology 1996)."""
CALIBRATED_S: Final = 60.0
"""The same for a calibration, in which the person is known to rest: at rest half a minute of beats
tells what five minutes do (Baek et al. 2015, https://doi.org/10.1089/tmj.2014.0104); and what
fusion calibrates for unless told otherwise."""


class TimeSmoother:
    """An exponentially weighted mean of values that come once a second.

    Args:
        tau_s: Time constant in seconds. The first values weigh as in a plain mean, so that the
            start does not stick to the first one.
    """

    def __init__(self, tau_s: float) -> None:
        self._keep = math.exp(-1 / tau_s)
        self._sum = self._weight = 0.0

    def add(self, value: float) -> float:
        """Take in a value; return the mean."""
        self._sum = self._sum * self._keep + value
        self._weight = self._weight * self._keep + 1
        return self._sum / self._weight


@dataclass(frozen=True)
class BaselinePrior:
    """How much a signal's logarithm usually varies within a person, before we know this one."""

    spread: float
    """Standard deviation in natural-log units."""
    seconds: float
    """As much as so many seconds of this person's own data."""


class Baseline:
    """Mean, low and spread of one signal's logarithm, as far as it has been seen.

    The spread starts from the prior and moves to the person's own as seconds gather, so that the
    first minutes' small movements are not blown up.
    """

    def __init__(self, prior: BaselinePrior) -> None:
        self._prior = prior
        self.reset()

    def reset(self) -> None:
        """Forget this person."""
        self._smoother = TimeSmoother(LOW_SMOOTHING_S)
        self._n = self._mean = self._squares = self._location = 0.0
        self._low = math.inf
        self.seconds = 0.0
        """Seconds that the location rests on."""
        self.held = False

    def add(self, value: float) -> None:
        """Take in this second's value."""
        self._n = min(self._n + 1, MEMORY_S)
        step = value - self._mean
        self._mean += step / self._n
        self._squares += (step * (value - self._mean) - self._squares) / self._n
        # The low creeps towards the level, calibrated or not: electrodes drift within a session
        smooth = self._smoother.add(value)
        self._low += (smooth - self._low) / MEMORY_S if smooth > self._low else 0.0
        self._low = min(self._low, smooth)
        if not self.held:
            self.seconds += 1
            self._location = self._mean

    def hold(self) -> None:
        """Keep the mean as it is now. Spread and low go on learning."""
        self.held = self.seconds > 0

    @property
    def mean(self) -> float | None:
        """Mean while learning."""
        return self._location if self.seconds else None

    @property
    def low(self) -> float | None:
        """Lowest level so far, creeping upwards within `MEMORY_S`."""
        return self._low if self.seconds else None

    @property
    def spread(self) -> float:
        """Standard deviation, between the prior's and the person's own."""
        prior = self._prior
        total = prior.seconds * prior.spread**2 + self._n * max(0.0, self._squares)
        return math.sqrt(total / (prior.seconds + self._n))

    @property
    def maturity(self) -> float:
        """0 at the start, 1 from `MATURE_S` on, or after a calibration of `CALIBRATED_S`."""
        return min(1.0, self.seconds / (CALIBRATED_S if self.held else MATURE_S))
