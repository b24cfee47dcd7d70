"""Checks and limits what peers outside the pipeline publish, before the hub forwards it.

The pipeline waits for the slowest consumer that the settings name, so messages that anybody may
send have to be checked before they get there.
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
"""The longest part of a message: samples with 4096 values and times take 80 kB."""
PEER_HWM: Final = 64
"""Messages of one TCP connection that may wait for the hub."""


class Limits(NamedTuple):
    """How much may be published."""

    messages_per_s: float
    bytes_per_s: float
    burst_s: float
    """How many seconds' worth of unused allowance may accumulate."""
    topics: int
    """How many different signals and sessions may be named, and half as many people; a consumer
    tells 256 and 64 apart."""


GUESTS: Final = Limits(250, 1 << 20, 2.0, 64)
"""All peers without a key together: two dozen signals, ten times a second each. In lossless
delivery everybody waits until the consumers have taken these messages. The limit on topics always
leaves room for the names of the pipeline's own sensors."""
OPERATOR: Final = GUESTS._replace(topics=32)
"""Each key of an operator."""
SENSOR: Final = Limits(SENSOR_MESSAGES_PER_S, SENSOR_BYTES_PER_S, 2.0, 32)
"""Each key of a sensor, which may read a table faster than it was measured. The sensor limits
itself to these rates; what has waited while the hub was busy may arrive all at once."""


class GuestScreen:
    """Checks messages of peers outside the pipeline.

    Args:
        limits: How much they may publish.
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
        """Why a message is not forwarded: ``rate``, ``time``, ``jump``, ``names`` or ``invalid``.

        None if it is forwarded.
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
    """One screen shared by all peers without a key, and one for each key.

    Args:
        now: The hub's time in ns since the Unix epoch.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self, now: Callable[[], int] = now_ns, clock: Callable[[], float] = monotonic
    ) -> None:
        self._now, self._clock = now, clock
        self._of: dict[tuple[str, Limits], GuestScreen] = {}
        """As many as there are keys: `forget` removes those of keys that have changed."""

    def of(self, user: str, role: KeyRole | None) -> GuestScreen:
        """The screen of a user's key; of peers without a key, the one that they share.

        Args:
            user: The name of the key.
            role: The key's role; None: no such key is allowed.
        """
        if role is None:
            user, limits = "", GUESTS
        else:
            limits = SENSOR if role == "sensor" else OPERATOR
        if (user, limits) not in self._of:
            self._of[user, limits] = GuestScreen(limits, self._now, self._clock)
        return self._of[user, limits]

    def forget(self, user: str) -> None:
        """Remove the screens of a key that was revoked or has changed."""
        for key in [one for one in self._of if one[0] == user]:
            del self._of[key]
