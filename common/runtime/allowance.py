"""How much of something a peer may have: so much a second, and what it has saved up."""

import threading
from collections.abc import Callable
from typing import Final

from affectline.common.clock import monotonic

SENSOR_MESSAGES_PER_S: Final = 1000
SENSOR_BYTES_PER_S: Final = 1 << 20
"""What may come by one sensor's key. A process that reads a table goes by it."""
PACE: Final = 0.8
"""Of these it takes so much: clocks differ, and what is sent again counts as well."""


class Allowance:
    """So much a second (a token bucket).

    Args:
        per_second: How much.
        most: How much can be saved up; there is so much to begin with.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self, per_second: float, most: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._per_second, self._most, self._clock = per_second, most, clock
        self._left, self._since = most, clock()

    @property
    def is_whole(self) -> bool:
        """Whether as much is saved up as can be."""
        return self._left + (self._clock() - self._since) * self._per_second >= self._most

    def spend(self, amount: float = 1) -> bool:
        """Whether there is so much left; then it is used up."""
        if self.wait_s(amount) > 0:
            return False
        self._left -= amount
        return True

    def wait_s(self, amount: float = 1) -> float:
        """After how long there is so much, in seconds."""
        now = self._clock()
        saved = self._left + (now - self._since) * self._per_second
        self._left, self._since = min(saved, self._most), now
        return max(0.0, amount - self._left) / self._per_second


class Pace:
    """Has a publisher with a sensor's key wait, so that it never comes to the key's limits."""

    def __init__(self) -> None:
        messages, size = PACE * SENSOR_MESSAGES_PER_S, PACE * SENSOR_BYTES_PER_S
        self._messages, self._bytes = Allowance(messages, messages), Allowance(size, size)

    def wait(self, size: int) -> None:
        """Wait until a message of so many bytes may be sent: less than a tenth of a second."""
        for allowance, amount in ((self._messages, 1), (self._bytes, size)):
            while not allowance.spend(amount):
                threading.Event().wait(allowance.wait_s(amount))
