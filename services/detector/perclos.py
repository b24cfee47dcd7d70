"""PERCLOS: the share of time for which the eyes are shut by at least 80 %."""

from collections import deque
from typing import Final, NamedTuple

SHUT: Final = 0.2
"""Opening of eyes that are shut by 80 % (Wierwille et al. 1994, P80)."""
WINDOW_S: Final = 60.0
LEAST_KNOWN_S: Final = 20.0
"""Seconds of the window for which the opening must be known: a third."""


class Perclos(NamedTuple):
    """PERCLOS of the last 60 s."""

    share: float | None
    """0 to 1, of the known time; None while less than 20 s are known."""
    known_s: float
    """Seconds for which the opening was known, 0 to 60."""


class PerclosMeter:
    """Sums up, in event time, how long the eyes were shut and how long their opening was known."""

    def __init__(self) -> None:
        self._spans: deque[tuple[int, int, bool]] = deque()
        """End and length in nanoseconds, and whether the eyes were shut."""
        self._known = self._shut = 0

    def add(self, at: int, opening: float | None, length: int) -> Perclos:
        """Add a frame.

        Args:
            at: Nanoseconds on the session's time line.
            opening: Opening of the eyes, 0 to 1; None: unknown.
            length: Nanoseconds for which this opening held, until now.
        """
        if opening is not None and length > 0:
            self._count((at, length, opening <= SHUT), 1)
            self._spans.append((at, length, opening <= SHUT))
        while self._spans and at - self._spans[0][0] >= WINDOW_S * 1e9:
            self._count(self._spans.popleft(), -1)
        known_s = min(WINDOW_S, self._known / 1e9)
        return Perclos(self._shut / self._known if known_s >= LEAST_KNOWN_S else None, known_s)

    def _count(self, span: tuple[int, int, bool], sign: int) -> None:
        _, length, is_shut = span
        self._known += sign * length
        self._shut += sign * length * is_shut
