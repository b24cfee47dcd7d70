"""Converts the clock of a sensor to the hub's time.

Sensors stamp their samples with their own clock, which has exact steps but no date. Only the
arrival of messages connects it to ours: they never arrive before they were sent, and are late by
the delay of radio and buffers.
"""

from collections import deque
from typing import Final

from affectline.services.biometrics.validation import NS

WINDOW_NS: Final = 60 * NS
"""Window of arrivals to consider: long enough to contain a fast one, and short enough that clocks
that differ by 50 millionths, like cheap quartz, drift apart by no more than 3 ms."""
BUCKET_NS: Final = 5 * NS
"""Only the fastest arrival in each interval of this length is kept."""
SLEW: Final = 0.01
"""Corrections are spread, 10 ms a second: samples of a frame of less than 100 never change order.
"""
JUMP_NS: Final = NS
"""If the clocks drift apart by more, one was set: the comparison starts over. Messages that only
arrive later than before may be held up: a set clock is assumed once all of `WINDOW_NS` are late."""


class SensorClock:
    """Converts a sensor's time stamps to the hub's time.

    The fastest message of the last minute determines the difference between the clocks. So times
    are late by the shortest delay of the radio, and its jitter does not show.
    """

    def __init__(self) -> None:
        self._quickest: deque[tuple[int, int]] = deque()
        """Beginning of each `BUCKET_NS` of arrivals, and the least clock difference in it."""
        self._difference: int | None = None
        self._last_stamp = 0

    def compare(self, stamp: int, arrived: int) -> int:
        """The difference to add to a sensor's stamps to get the hub's time, in ns.

        Args:
            stamp: Time stamp of a message's latest sample, in ns of the sensor's clock.
            arrived: Arrival of the message, in ns of the hub's clock.
        """
        measured = arrived - stamp
        # A message may be late because it was held up, but it cannot be early
        was_set = self._difference is not None and (
            measured < self._difference - JUMP_NS or stamp < self._last_stamp - JUMP_NS
        )
        if self._difference is None or was_set:
            self._quickest.clear()
            self._difference, self._last_stamp = measured, stamp
        self._add_arrival(arrived, measured)
        missing = min(difference for _, difference in self._quickest) - self._difference
        if missing <= JUMP_NS:
            most = round(max(0, stamp - self._last_stamp) * SLEW)
            missing = max(-most, min(most, missing))
        self._difference += missing
        self._last_stamp = max(stamp, self._last_stamp)
        return self._difference

    def _add_arrival(self, arrived: int, measured: int) -> None:
        if self._quickest and arrived - self._quickest[-1][0] < BUCKET_NS:
            begin, least = self._quickest[-1]
            self._quickest[-1] = begin, min(least, measured)
        else:
            self._quickest.append((arrived, measured))
        while self._quickest[0][0] < arrived - WINDOW_NS:
            self._quickest.popleft()


class WrappingCounter:
    """Unwraps a device's counter of few bits.

    Args:
        bits: Number of bits of the counter.
    """

    def __init__(self, bits: int) -> None:
        self._size = 1 << bits
        self._count: int | None = None

    def unwrap(self, value: int) -> int:
        """The unwrapped count; values must come at least once per wrap-around."""
        if self._count is None:
            self._count = value
        else:
            self._count += (value - self._count) % self._size
        return self._count
