"""What the hub passes on of tools, which are no parts of the pipeline: not more than tools publish.

Everything else in the pipeline waits for the slowest of those that the settings name, so what
everybody may send has to be looked at before it gets there.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import InvalidMessage
from affectline.common.runtime.allowance import (
    SENSOR_BYTES_PER_S,
    SENSOR_MESSAGES_PER_S,
    Allowance,
)
from affectline.common.runtime.keys import KeyRole
from affectline.common.wire import codec
from affectline.common.wire.messages import SENT_TO
from affectline.common.wire.screening import ImpossibleMessage, MessageScreen

MAX_GUEST_BYTES: Final = 1 << 17
"""The longest part of a message: samples of 4096 values and times have 80 kB."""
PEER_HWM: Final = 64
"""Messages of one connection by TCP that wait for the hub."""


class Limits(NamedTuple):
    """What may be published."""

    messages_per_s: float
    bytes_per_s: float
    burst_s: float
    """So much may have been saved up."""
    topics: int
    """Different signals and sessions that may be named, and half as many people, of the 256 and 64
    that a consumer keeps apart."""


GUESTS: Final = Limits(250, 1 << 20, 2.0, 64)
"""All peers without a key together: two dozen signals, ten times a second each. In lossless
delivery everybody waits until consumers have taken it. The pipeline's own sensors find room for
their names in any case."""
OPERATOR: Final = GUESTS._replace(topics=32)
"""Each key of an operator."""
SENSOR: Final = Limits(SENSOR_MESSAGES_PER_S, SENSOR_BYTES_PER_S, 2.0, 32)
"""Each key of a sensor, which may read a table faster than it was measured. It goes by these rates
itself; what has waited while the hub was busy may come at once."""


class GuestScreen:
    """Judges messages of peers that are no parts of the pipeline.

    Args:
        limits: What they may publish.
        now: The hub's time in ns since the Unix epoch.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self,
        limits: Limits = GUESTS,
        now: Callable[[], int] = now_ns,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        most = limits.messages_per_s * limits.burst_s, limits.bytes_per_s * limits.burst_s
        self._messages = Allowance(limits.messages_per_s, most[0], clock)
        self._bytes = Allowance(limits.bytes_per_s, most[1], clock)
        self._screen = MessageScreen(now, clock, limits.topics)

    def refusal(self, parts: Sequence[bytes]) -> str | None:
        """Why a message is not passed on: ``rate``, ``time``, ``jump``, ``names`` or ``invalid``.

        None where it is.
        """
        size = sum(map(len, parts))
        if not (self._messages.spend(1) and self._bytes.spend(size)):
            return "rate"
        is_sent_again = parts[0].startswith(SENT_TO.encode())
        try:
            self._screen.check(codec.decode(parts[1:] if is_sent_again else parts).message)
        except ImpossibleMessage as error:
            return error.reason
        except InvalidMessage:
            return "invalid"
        return None


class GuestScreens:
    """A screen for all peers without a key, and one for each key.

    Args:
        now: The hub's time in ns since the Unix epoch.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self, now: Callable[[], int] = now_ns, clock: Callable[[], float] = monotonic
    ) -> None:
        self._now, self._clock = now, clock
        self._of: dict[tuple[str, Limits], GuestScreen] = {}

    def of(self, user: str, role: KeyRole | None) -> GuestScreen:
        """The screen of a user's key; of those without one, where it is empty."""
        limits = GUESTS
        if user:
            limits = SENSOR if role == "sensor" else OPERATOR
        if (user, limits) not in self._of:
            self._of[user, limits] = GuestScreen(limits, self._now, self._clock)
        return self._of[user, limits]
