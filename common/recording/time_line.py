"""The times of recorded messages: on their session's time line, or by the clock of arrival.

Recordings have a session's start in their `about`, and the time of an event as the ``log_time`` of
its message: they are in the order of events. Those made before events had times of their own do
not: their ``log_time`` is the clock of arrival, and their seconds are counted from the first
message.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from affectline.common.recording.reader import RecordedMessage, SessionReader

BACK_NS: Final = 1_000_000_000
GAP_NS: Final = 60_000_000_000
"""A step from one arrival to the next between these two is time that passed."""
SILENCE_S: Final = 60.0
"""On a session's time line: nothing was recorded for longer than this."""
LATE_NS: Final = 2_000_000_000
"""By the clock of arrival: a message came this much later than what it tells of, at most."""
OPENING: Final = 64
"""Messages of which one tells of the first event."""


@dataclass(frozen=True)
class TimeLine:
    """The times that a recording covers, in ns since the Unix epoch."""

    zero: int
    """Second 0: the start of the session, or the first arrival."""
    first: int
    last: int
    is_of_session: bool
    """Times are those of events; else those of arrivals."""

    @property
    def seconds(self) -> float:
        """From the first message to the last."""
        return (self.last - self.first) / 1e9

    @property
    def end_s(self) -> float:
        """The second of the last message."""
        return self.second(self.last)

    def second(self, at: int) -> float:
        """The second of a moment.

        Args:
            at: Nanoseconds since the Unix epoch.
        """
        return (at - self.zero) / 1e9


def read_time_line(reader: SessionReader) -> TimeLine:
    """The times that a recording covers; reads few messages or none."""
    first, last = reader.time_range()
    start = reader.session_start
    return TimeLine(first if start is None else start, first, last, start is not None)


def find_session_start(reader: SessionReader) -> int | None:
    """Zero of a recording's time line; None where nothing tells it.

    Where it was recorded by the clock of arrival, that is its first event.
    """
    if reader.session_start is not None:
        return reader.session_start
    found: list[int] = []
    for recorded, _ in zip(reader.messages(), range(OPENING), strict=False):
        if abs(recorded.log_time - recorded.publish_time) < GAP_NS:  # else a tool's wrong time
            found.append(recorded.publish_time)
        found.append(recorded.log_time)
    return min(found, default=None)


class TimedMessage(NamedTuple):
    """A recorded message and its place in time."""

    second: float
    """On the recording's time line."""
    played_s: float
    """The same, less the long silences before it: nobody waits through them in a replay."""
    recorded: RecordedMessage


def with_seconds(
    messages: Iterable[RecordedMessage], session_start: int | None
) -> Iterator[TimedMessage]:
    """Messages with their seconds.

    On a session's time line that is `time_s`; it falls where a message came too late for its place.
    A `SILENCE_S` in which nothing at all was recorded is time that passed, as between two films of
    one day, but nobody has to wait for its end.

    By the clock of arrival the seconds since the first message, which never fall: a clock that was
    set while it was recorded, or a computer that slept, makes the times of arrival jump. Health is
    recorded every second, so such a jump cannot be time in which nothing happened, and counts for
    nothing.

    Args:
        messages: In the order of the file, all of them.
        session_start: Of the recording; None where it has none.
    """
    if session_start is None:
        yield from _by_arrival(messages)
        return
    newest = silent = 0.0
    for index, recorded in enumerate(messages):
        second = (recorded.log_time - session_start) / 1e9
        if index and second - newest > SILENCE_S:
            silent += second - newest
        newest = max(newest, second) if index else second
        yield TimedMessage(second, second - silent, recorded)


def _by_arrival(messages: Iterable[RecordedMessage]) -> Iterator[TimedMessage]:
    base = latest = 0
    passed = 0.0
    for index, recorded in enumerate(messages):
        step = recorded.log_time - latest
        if index == 0 or _is_jump(step):
            base += step
        latest = recorded.log_time
        passed = max(passed, (latest - base) / 1e9)
        yield TimedMessage(passed, passed, recorded)


def in_event_order(
    messages: Iterable[TimedMessage], *, is_of_session: bool
) -> Iterator[TimedMessage]:
    """Messages put into the order of their events as far as possible.

    A message that came late moves forward, by `LATE_NS` at most. Those of one topic stay in their
    order, except for markers; so do the frames of a stream and its beginning and end.

    Args:
        messages: What came from outside, in the order of the file.
        is_of_session: Their ``log_time`` is that of the event. Else that is their
            ``publish_time``, and ``log_time`` the clock of arrival.
    """
    waiting: list[tuple[int, int, TimedMessage]] = []
    newest: dict[str, int] = {}
    latest: int | None = None
    for index, timed in enumerate(messages):
        recorded = timed.recorded
        if latest is not None and _is_jump(recorded.log_time - latest) and not is_of_session:
            while waiting:
                yield heapq.heappop(waiting)[2]
            newest.clear()
            latest = None
        latest = recorded.log_time if latest is None else max(latest, recorded.log_time)
        at = recorded.log_time if is_of_session else recorded.publish_time
        prefix, _, name = recorded.topic.partition("/")
        if prefix != "marker":
            key = recorded.topic if prefix == "bio" else name
            at = newest[key] = max(at, newest.get(key, at))
        heapq.heappush(waiting, (at, index, timed))
        while waiting and waiting[0][0] <= latest - LATE_NS:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _is_jump(step: int) -> bool:
    return not -BACK_NS < step < GAP_NS
