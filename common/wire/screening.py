"""Screening of messages: impossible ones are dropped, whoever sent them.

The message classes define what a message may contain; this module decides what it may contain now,
after all earlier messages.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal

from affectline.common.clock import monotonic
from affectline.common.errors import InvalidMessage
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import FrameMessage, StreamEnd

AHEAD_NS: Final = 86_400_000_000_000
"""No message may name a moment more than a day in the future: clocks that differ, and confused time
zones, differ by less."""
MOST_SKIPPED: Final = 10_000
"""Numbers that a sequence may skip at once: five minutes of film."""
MOST_PER_SECOND: Final = 1000
"""Further numbers that it may skip for every second that has passed on the session's time line: no
camera is faster."""
MOST_TOPICS: Final[dict[str, int]] = {
    "frame": 64, "faces": 64, "scores": 64, "emotion": 64, "stream": 64, "resend": 64, "state": 64,
}  # fmt: skip
"""Maximum number of different topics by their first level, for streams and subjects."""
MOST_OTHER_TOPICS: Final = 256
"""The same for all others: signals of subjects, services, sessions of markers."""
MOST_SUBJECTS: Final = 64
"""Maximum number of subjects of samples."""
FORGOTTEN_S: Final = 600.0
"""A topic without messages for this many seconds makes room for another one."""

Reason = Literal["time", "jump", "names"]
"""What is impossible: a moment far in the future; a number far ahead of the one before; more
different topics than any pipeline has."""


class ImpossibleMessage(InvalidMessage):
    """A well-formed message that cannot be true.

    Args:
        reason: Why it is impossible.
        text: The same in words.
    """

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason


class NameLimit:
    """Counts different names, up to a limit.

    Args:
        most: The limit.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, most: int, clock: Callable[[], float] = monotonic) -> None:
        self._most, self._clock = most, clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        """When each was last seen, the oldest first."""

    def __len__(self) -> int:
        return len(self._seen)

    def admit(self, name: str) -> bool:
        """Whether a name is known, or there is room for it."""
        now = self._clock()
        if name not in self._seen and len(self._seen) >= self._most:
            oldest = next(iter(self._seen))
            if now - self._seen[oldest] < FORGOTTEN_S:
                return False
            del self._seen[oldest]
        self._seen[name] = now
        self._seen.move_to_end(name)
        return True


class MessageScreen:
    """Decides which messages a receiver may accept.

    Args:
        now: Nanoseconds since the Unix epoch, by the hub's clock. None: that clock is not known, so
            times are not checked.
        clock: Seconds of a monotonic clock.
        most: Maximum number of different topics of each first level, and half that of subjects;
            None: as many as a pipeline may have.
    """

    def __init__(
        self,
        now: Callable[[], int] | None,
        clock: Callable[[], float] = monotonic,
        most: int | None = None,
    ) -> None:
        self._now, self._clock, self._most = now, clock, most
        self._began = (now() if now else 0) - round(clock() * 1e9)
        self._topics: dict[str, NameLimit] = {}
        """By first level."""
        self._subjects = NameLimit(most // 2 if most else MOST_SUBJECTS, clock)
        self._newest: dict[str, tuple[int, int, int]] = {}
        """By stream, or topic of samples: epoch, number and event time of the newest message."""

    @property
    def latest(self) -> int | None:
        """The latest moment that a message may name, in ns since the Unix epoch.

        If a clock is set back while this process runs, earlier moments remain possible.
        """
        if self._now is None:
            return None
        return max(self._now(), self._began + round(self._clock() * 1e9)) + AHEAD_NS

    def check(self, message: Message) -> None:
        """Check a message against all earlier ones.

        Raises:
            ImpossibleMessage: The message is impossible.
        """
        self._check_time(message)
        self._check_names(message)
        match message:
            case FrameMessage():
                at = message.event_time
                self._check_number(message.stream, message.epoch, message.seq, at, is_newest=True)
            case Samples():
                at = message.event_time
                self._check_number(message.topic, message.epoch, message.seq, at, is_newest=True)
            case StreamEnd():
                last, at = message.last_seq, message.event_time
                self._check_number(message.stream, message.epoch, last, at, is_newest=False)

    def _check_time(self, message: Message) -> None:
        latest = self.latest
        if latest is not None and message.latest_moment > latest:
            ahead_s = (message.latest_moment - latest + AHEAD_NS) / 1e9
            raise ImpossibleMessage(
                "time", f"{message.topic}: a moment {ahead_s:.0f} s in the future"
            )

    def _check_names(self, message: Message) -> None:
        prefix = message.topic_prefix
        if prefix not in self._topics:
            most = self._most or MOST_TOPICS.get(prefix, MOST_OTHER_TOPICS)
            self._topics[prefix] = NameLimit(most, self._clock)
        is_known = not isinstance(message, Samples) or self._subjects.admit(message.subject)
        if not (is_known and self._topics[prefix].admit(message.topic)):
            raise ImpossibleMessage("names", f"too many topics beginning with {prefix}/")

    def _check_number(self, what: str, epoch: int, seq: int, at: int, *, is_newest: bool) -> None:
        newest = self._newest.get(what)
        if newest is not None and newest[0] == epoch:
            passed_s = max(0, at - newest[2]) / 1e9
            if seq - newest[1] > MOST_SKIPPED + MOST_PER_SECOND * passed_s:
                raise ImpossibleMessage("jump", f"{what}: from number {newest[1]} to {seq} at once")
        if is_newest and (newest is None or (epoch, seq) > newest[:2]):
            if len(self._newest) > 2 * MOST_OTHER_TOPICS:  # those of forgotten topics
                self._newest.pop(next(iter(self._newest)))
            self._newest[what] = epoch, seq, at
