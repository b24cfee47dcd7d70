"""Event time of one person: it advances with the signals, and tolerates wrong clocks."""

import math
from collections.abc import Iterator
from typing import Final

SET_BACK_S: Final = 10.0
"""A signal that jumps back by more had its clock set; by less, it was late."""
LEAP_S: Final = 60.0
"""A longer gap is not processed second by second. A signal that is this far ahead of the others and
falls silent had a wrong clock: it is dropped after the same time."""


class EventClock:
    """The newest event time over all signals of a person, in seconds.

    It uses no wall clock: the same times give the same results.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all signals."""
        self._newest: dict[str, float] = {}
        self._left_behind: tuple[str, float] | None = None
        """The first signal found far behind the newest one since that one's last sample, and its
        time then."""
        self.restart()

    def restart(self) -> None:
        """Start counting seconds at the time of the next sample."""
        self._second = -math.inf

    @property
    def now_s(self) -> float | None:
        """The newest time; None before any sample."""
        return max(self._newest.values(), default=None)

    def was_set_back(self, signal: str, at_s: float) -> bool:
        """Return whether a sample at this time shows that the signal's clock was set back."""
        return at_s < self._newest.get(signal, -math.inf) - SET_BACK_S

    def advance(self, signal: str, at_s: float) -> str | None:
        """Record a sample's time.

        Returns:
            A signal that was far ahead, fell silent and is now dropped, so that its time does not
            hold up all others; usually None.
        """
        self._newest[signal] = max(at_s, self._newest.get(signal, -math.inf))
        first = max(self._newest, key=lambda name: self._newest[name])
        if signal == first or self._newest[first] - at_s <= LEAP_S:
            self._left_behind = None
        elif self._left_behind is None:
            self._left_behind = signal, at_s
        elif self._left_behind[0] == signal and at_s - self._left_behind[1] > LEAP_S:
            del self._newest[first]
            self._left_behind = None
            self.restart()
            return first
        return None

    def elapsed_seconds(self) -> Iterator[float]:
        """Yield each whole second that has ended since the last call; none within a long gap."""
        now_s = self.now_s
        if now_s is None:
            return
        if not now_s - self._second <= LEAP_S:
            self._second = math.floor(now_s)
        while self._second + 1 <= now_s:
            self._second += 1
            yield self._second
