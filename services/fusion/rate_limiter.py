"""When it is time for a state: never too many in a second, and nearly as many as may be."""

from collections import deque
from typing import Final

SECOND: Final = 1_000_000_000
EARLY: Final = 1 / 20
"""By this share of a period something may come too early: cameras tremble by some milliseconds."""
CLOSEST: Final = 1 / 2
"""Whatever was late, the next is planned no closer than this share of a period."""


class RateLimiter:
    """Says of moments whether it is time. The same moments give the same answers.

    There is a plan, one moment a period after the other, which what is late does not move; so 15
    or 25 pictures a second give ten states as well. Whatever the plan says, no second holds more
    than `rate` of them.

    Args:
        rate: How often a second at most.
    """

    def __init__(self, rate: float) -> None:
        many = max(1, int(rate))
        self._period, self._window = round(SECOND / rate), round(many * SECOND / rate)
        self._taken: deque[int] = deque(maxlen=many)
        """The newest moments: as many as the window may hold."""
        self._due: int | None = None

    def is_time(self, at: int) -> bool:
        """Whether it is time at this moment, in nanoseconds; if so, it is taken."""
        if self._due is not None and at < self._due - self._period * EARLY:
            return False
        if len(self._taken) == self._taken.maxlen and at - self._taken[0] < self._window:
            return False
        self.take(at)
        return True

    def take(self, at: int) -> None:
        """Count a state at this moment, planned or not."""
        planned = at if self._due is None else self._due
        self._due = max(planned + self._period, at + round(self._period * CLOSEST))
        self._taken.append(at)

    @property
    def last(self) -> int | None:
        """The newest moment that was taken."""
        return self._taken[-1] if self._taken else None

    def reset(self) -> None:
        """Time begins anew."""
        self._taken.clear()
        self._due = None
