"""Limits how often states are published: evenly spaced, and never too many in a second."""

import math
from collections import deque
from typing import Final

SECOND: Final = 1_000_000_000
EARLY: Final = 1 / 20
"""Share of a period by which an event may be early: cameras jitter by some milliseconds."""
CLOSEST: Final = 1 / 2
"""However late an event is, the next one is due no sooner than this share of a period after it."""


class RateLimiter:
    """Decides which events to admit, by their time stamps.

    Two rules apply together:

    * *Schedule.* Events are due one period apart. A late event does not move the schedule, so 15 or
      25 frames a second give ten states as well.
    * *Window.* With ``n = ceil(rate)``, an event is refused while the n-th event before it is less
      than ``n / rate`` seconds old, which is one second or more. Hence no half-open second
      ``[t, t + 1 s)`` ever holds more than n admitted events, however the stamps jitter, and the
      mean rate cannot exceed `rate`.

    An event older than the newest admitted one is refused. The same stamps give the same decisions.

    Args:
        rate: Events a second at most.
    """

    def __init__(self, rate: float) -> None:
        # Rounded up: with int(rate) the window would be shorter than a second for rates such as 9.9
        count = math.ceil(rate)
        self._period, self._window = round(SECOND / rate), math.ceil(count * SECOND / rate)
        self._admitted: deque[int] = deque(maxlen=count)
        """Times of the newest events: as many as a window may hold."""
        self._due: int | None = None

    def admit(self, at: int) -> bool:
        """Admit the event at this time, in nanoseconds, if it is due and the window has room."""
        if self._due is not None and at < self._due - self._period * EARLY:
            return False
        return self.admit_unscheduled(at)

    def admit_unscheduled(self, at: int) -> bool:
        """Admit an event that is not part of the schedule if the window has room."""
        if self._admitted and at < self._admitted[-1]:
            return False
        if len(self._admitted) == self._admitted.maxlen and at - self._admitted[0] < self._window:
            return False
        scheduled = at if self._due is None else self._due
        self._due = max(scheduled + self._period, at + round(self._period * CLOSEST))
        self._admitted.append(at)
        return True

    @property
    def last(self) -> int | None:
        """Time of the newest admitted event."""
        return self._admitted[-1] if self._admitted else None

    def reset(self) -> None:
        """Forget all events: time starts over."""
        self._admitted.clear()
        self._due = None
