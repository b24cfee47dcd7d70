"""Estimates the offset of a client's clock from its answers to pings (as NTP does, RFC 5905)."""

from collections import deque
from typing import Final

KEPT: Final = 16
"""Number of newest pings considered; the one with the shortest round trip is used."""


class ClientClock:
    """The offset of one client's clock."""

    def __init__(self) -> None:
        self._measured: deque[tuple[float, float]] = deque(maxlen=KEPT)
        """Round trip and offset, in s."""

    def add(self, sent_s: float, client_s: float, received_s: float) -> None:
        """Add the answer to a ping.

        Args:
            sent_s: When the ping was sent, by our clock, which is never set.
            client_s: When it was answered, by the client's clock.
            received_s: When the answer arrived, by our clock, which is never set.
        """
        self._measured.append((received_s - sent_s, (sent_s + received_s) / 2 - client_s))

    @property
    def error_s(self) -> float | None:
        """Bound of the error: half of the shortest round trip; None before the first ping."""
        return min(self._measured)[0] / 2 if self._measured else None

    def age_of(self, client_s: float, now_s: float) -> float | None:
        """How long ago a moment by the client's clock was; None before the first ping.

        A moment in the future by less than the error counts as now.
        """
        if not self._measured:
            return None
        age = now_s - (client_s + min(self._measured)[1])
        return max(0.0, age) if age > -(self.error_s or 0) - 0.001 else age
