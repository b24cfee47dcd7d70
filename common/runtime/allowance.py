"""Rate limits for peers: token buckets."""

import threading
from collections.abc import Callable
from typing import Final

from affectline.common.clock import monotonic

SENSOR_MESSAGES_PER_S: Final = 1000
SENSOR_BYTES_PER_S: Final = 1 << 20
"""Limits of one sensor's key. A process that reads a table keeps to them."""
PACE: Final = 0.8
"""The share of the limits that it uses: clocks differ, and messages sent again count, too."""


class Allowance:
    """A token bucket.

    Args:
        per_second: How many tokens are added per second.
        most: How many tokens it can hold; it starts full.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self, per_second: float, most: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._per_second, self._most, self._clock = per_second, most, clock
        self._left, self._since = most, clock()

    @property
    def is_full(self) -> bool:
        """Whether the bucket is full."""
        return self._left + (self._clock() - self._since) * self._per_second >= self._most

    def spend(self, amount: float = 1) -> bool:
        """Take this many tokens if there are enough; False: there are not."""
        if self.wait_s(amount) > 0:
            return False
        self._left -= amount
        return True

    def wait_s(self, amount: float = 1) -> float:
        """Seconds until there are this many tokens."""
        now = self._clock()
        saved = self._left + (now - self._since) * self._per_second
        self._left, self._since = min(saved, self._most), now
        return max(0.0, amount - self._left) / self._per_second


class Pace:
    """Slows a publisher with a sensor's key down, so that it stays below the key's limits."""

    def __init__(self) -> None:
        messages, size = PACE * SENSOR_MESSAGES_PER_S, PACE * SENSOR_BYTES_PER_S
        self._messages, self._bytes = Allowance(messages, messages), Allowance(size, size)

    def wait(self, size: int) -> None:
        """Wait until a message of ``size`` bytes may be sent: less than a tenth of a second."""
        for allowance, amount in ((self._messages, 1), (self._bytes, size)):
            while not allowance.spend(amount):
                threading.Event().wait(allowance.wait_s(amount))
