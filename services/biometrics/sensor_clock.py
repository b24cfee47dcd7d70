"""The clock of a sensor, told in the hub's time.

Sensors stamp their samples by a clock of their own, which is exact in its steps but knows no
date. All that connects it to ours is when messages arrive: never before they were sent, and late
by whatever radio and buffers add.
"""

from collections import deque
from typing import Final

from affectline.services.biometrics.validation import NS

WINDOW_NS: Final = 60 * NS
"""Arrivals that are looked at: long enough for one that was quick, and short enough that clocks
that differ by 50 millionths, as cheap quartz does, part by no more than 3 ms."""
BUCKET_NS: Final = 5 * NS
"""Of so long only the quickest arrival is kept."""
SLEW: Final = 0.01
"""Corrections are spread, 10 ms a second: samples of a frame of less than 100 never change order.
"""
JUMP_NS: Final = NS
"""Where the clocks part by more, one was set: they are compared anew. Where messages only arrive
later than before, that is known when all of `WINDOW_NS` have: until then they were held up."""


class SensorClock:
    """Tells a sensor's time stamps in the hub's time.

    The message that was under way for the shortest time in the last minute says how far the
    clocks are apart. So times are late by the shortest delay of the radio, and its jitter does
    not show.
    """

    def __init__(self) -> None:
        self._quickest: deque[tuple[int, int]] = deque()
        """For each `BUCKET_NS` of arrivals its begin, and the least difference of the clocks."""
        self._difference: int | None = None
        self._last_stamp = 0

    def compare(self, stamp: int, arrived: int) -> int:
        """The difference to add to a sensor's stamps to get the hub's time, in ns.

        Args:
            stamp: Of the latest sample of a message, in ns of the sensor's clock.
            arrived: When the message arrived, in ns of the hub's.
        """
        measured = arrived - stamp
        # A message that is late by so much may have been held up; one that is early cannot be
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
    """Goes on counting where a device's counter of few bits begins again.

    Args:
        bits: Of the counter.
    """

    def __init__(self, bits: int) -> None:
        self._size = 1 << bits
        self._count: int | None = None

    def unwrap(self, value: int) -> int:
        """The count that does not begin again; values must come at least once a round."""
        if self._count is None:
            self._count = value
        else:
            self._count += (value - self._count) % self._size
        return self._count
