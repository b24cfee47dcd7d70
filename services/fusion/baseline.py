"""A signal's baseline: learnt continuously, or during a timed calibration at rest.

Everything here is updated once a second of signal time and is causal.
"""

import math
from dataclasses import dataclass
from typing import Final

MEMORY_S: Final = 3600.0
"""Seconds over which a continuous baseline forgets: an hour, which is longer than episodes of
stress, but short enough to follow a day's drift of electrodes and of the body clock."""
LOW_SMOOTHING_S: Final = 10.0
"""The low is the minimum of a mean over this many seconds, so that one bad second does not set
it."""
MATURE_S: Final = 120.0
"""Seconds after which a baseline is fully trusted; short-term heart measures are taken over two to
five minutes (Task Force of the European Society of Cardiology 1996)."""
CALIBRATION_S: Final = 60.0
"""The same for a calibration, during which the person is known to rest: at rest, half a minute of
beats shows the same as five minutes (Baek et al. 2015, https://doi.org/10.1089/tmj.2014.0104). Also
the default length of a calibration."""


class TimeSmoother:
    """An exponentially weighted moving average of values that come once a second.

    Args:
        tau_s: Time constant in seconds. The first values have the weight that they have in a plain
            mean, so that the average does not stick to the first one.
    """

    def __init__(self, tau_s: float) -> None:
        self._decay = math.exp(-1 / tau_s)
        self._sum = self._weight = 0.0

    def add(self, value: float) -> float:
        """Add a value; return the mean."""
        self._sum = self._sum * self._decay + value
        self._weight = self._weight * self._decay + 1
        return self._sum / self._weight


@dataclass(frozen=True)
class BaselinePrior:
    """How much a signal's logarithm usually varies within a person, until this one's is known."""

    spread: float
    """Standard deviation in natural-log units."""
    seconds: float
    """Weight of the prior, in seconds of the person's own data."""


class Baseline:
    """Running mean, low and standard deviation of one signal's logarithm.

    The standard deviation starts at the prior's and moves to the person's own with time, so that
    small changes in the first minutes do not become large deviations.

    Args:
        prior: The spread before the person's own is known.
        low_memory_s: Time constant with which the low creeps up to the level.
    """

    def __init__(self, prior: BaselinePrior, low_memory_s: float = MEMORY_S) -> None:
        self._prior = prior
        self._low_memory_s = low_memory_s
        self.reset()

    def reset(self) -> None:
        """Forget everything learnt."""
        self._smoother = TimeSmoother(LOW_SMOOTHING_S)
        self._count = self._running_mean = self._variance = self._location = 0.0
        self._low = math.inf
        self.seconds = 0.0
        """Seconds that the mean is based on."""
        self.frozen = False

    def add(self, value: float) -> None:
        """Add this second's value."""
        self._count = min(self._count + 1, MEMORY_S)
        step = value - self._running_mean
        self._running_mean += step / self._count
        self._variance += (step * (value - self._running_mean) - self._variance) / self._count
        # The low creeps up to the level, calibrated or not: electrodes drift within a session
        smooth = self._smoother.add(value)
        self._low += (smooth - self._low) / self._low_memory_s if smooth > self._low else 0.0
        self._low = min(self._low, smooth)
        if not self.frozen:
            self.seconds += 1
            self._location = self._running_mean

    def freeze(self) -> None:
        """Fix the mean at its present value. Low and spread keep learning."""
        self.frozen = self.seconds > 0

    @property
    def mean(self) -> float | None:
        """The current or frozen mean; None before the first value."""
        return self._location if self.seconds else None

    @property
    def low(self) -> float | None:
        """The lowest level so far, which creeps up over ``low_memory_s``."""
        return self._low if self.seconds else None

    @property
    def spread(self) -> float:
        """Standard deviation, between the prior's and the person's own."""
        prior = self._prior
        total = prior.seconds * prior.spread**2 + self._count * max(0.0, self._variance)
        return math.sqrt(total / (prior.seconds + self._count))

    @property
    def own_spread(self) -> float:
        """Standard deviation of the person's own values alone."""
        return math.sqrt(max(0.0, self._variance))

    @property
    def maturity(self) -> float:
        """0 at the start, 1 from `MATURE_S` on, or after a calibration of `CALIBRATION_S`."""
        return min(1.0, self.seconds / (CALIBRATION_S if self.frozen else MATURE_S))
