"""The times of recorded messages: on their session's time line, or by arrival.

Recordings have the session's start in `about`, and the event time of each message as its
``log_time``, so they are in the order of events. In recordings from before events had times of
their own, ``log_time`` is the clock at arrival, and seconds are counted from the first message.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from affectline.common.recording.light_reader import LightReader
from affectline.common.recording.reader import RecordedMessage, SessionReader

MARKER: Final = "Marker"
"""The kind of message whose time is a tool's, which may be wrong about it."""
STRAY_NS: Final = 300_000_000_000
"""A marker outside the session by more than this and more than the session's length is a stray."""
BACK_NS: Final = 1_000_000_000
GAP_NS: Final = 60_000_000_000
"""A step from one arrival to the next counts as elapsed time if it is between these two."""
SILENCE_NS: Final = 60_000_000_000
SILENCE_S: Final = SILENCE_NS / 1e9
"""On a session's time line: a longer gap between messages is a silence."""
LATE_NS: Final = 2_000_000_000
"""By arrival: the maximum delay of a message after its event."""
OPENING: Final = 64
"""Number of messages among which the first event is."""


@dataclass(frozen=True)
class TimeLine:
    """The times that a recording covers, in ns since the Unix epoch."""

    zero: int
    """Second 0: the start of the session, or the first arrival."""
    first: int
    last: int
    is_of_session: bool
    """Whether times are those of events; otherwise they are those of arrival."""

    @property
    def seconds(self) -> float:
        """Seconds from the first message to the last."""
        return (self.last - self.first) / 1e9

    @property
    def end_s(self) -> float:
        """The second of the last message."""
        return self.second(self.last)

    def second(self, at: int) -> float:
        """Convert a moment to seconds on this time line.

        Args:
            at: Nanoseconds since the Unix epoch.
        """
        return (at - self.zero) / 1e9


def read_time_line(reader: SessionReader) -> TimeLine:
    """Read the times that a recording covers, strays aside; reads no messages."""
    start = reader.session_start
    first, last = _read_range(reader, has_event_times=start is not None)
    return TimeLine(first if start is None else start, first, last, start is not None)


def _read_range(reader: SessionReader, *, has_event_times: bool) -> tuple[int, int]:
    """Log time of the first and the last message in ns, strays aside."""
    light, statistics = LightReader(reader), reader.file.statistics
    may_stray = has_event_times and light.channels("marker/")
    if statistics and not reader.file.summary_problems and not may_stray:
        return statistics.message_start_time, statistics.message_end_time
    spans = light.spans()
    markers = light.channels("marker/")  # without a summary, they are known only now
    of_markers, others = light.edges(markers, spans) if has_event_times else ([], [])
    if not others:
        first = min((span.first for span in spans), default=0)
        return first, max((span.last for span in spans), default=0)
    earliest, latest = stray_limits(min(others), max(others))
    near = [at for at in of_markers if earliest <= at <= latest]
    return min([*others, *near]), max([*others, *near])


def stray_limits(first: int, last: int) -> tuple[int, int]:
    """The earliest and the latest time of a marker that may share a time axis with a session.

    Args:
        first: Time of the session's first message that is not a marker, in ns.
        last: Time of the last one.
    """
    slack = max(STRAY_NS, last - first)
    return first - slack, last + slack


def find_session_start(reader: SessionReader) -> int | None:
    """Zero of a recording's time line in ns since the Unix epoch; None: unknown.

    In a recording by arrival, it is the first event.
    """
    if reader.session_start is not None:
        return reader.session_start
    found: list[int] = []
    for recorded, _ in zip(reader.messages(), range(OPENING), strict=False):
        if abs(recorded.log_time - recorded.publish_time) < GAP_NS:  # else a tool's time is wrong
            found.append(recorded.publish_time)
        found.append(recorded.log_time)
    return min(found, default=None)


class TimedMessage(NamedTuple):
    """A recorded message and its place in time."""

    second: float
    """On the recording's time line."""
    played_s: float
    """The same without long silences before it, so that a replay does not wait through them."""
    recorded: RecordedMessage
    at: int
    """Its log time in ns; that of a marker is not after the next other message's."""


def with_seconds(
    messages: Iterable[RecordedMessage], session_start: int | None
) -> Iterator[TimedMessage]:
    """Add seconds to messages.

    On a session's time line, seconds count from the start of the session. They decrease if a
    message arrived too late for its place. A gap of more than `SILENCE_S` without any message,
    such as between two films of one day, counts as elapsed time, but a replay skips it. Markers
    change nothing about the others, because a tool may be wrong about the time: a marker that is
    ahead of the message after it in the file is played with it.

    By arrival, they are the seconds since the first message, and never decrease. Arrival times jump
    if the clock was set during the recording, or the computer slept. Health is recorded every
    second, so such a jump cannot be a time without events, and is ignored.

    Args:
        messages: All messages, in the order of the file.
        session_start: Start of the recording's session in ns; None: it has none.
    """
    if session_start is None:
        yield from _by_arrival(messages)
        return
    newest: int | None = None
    zero = session_start
    """What counts as second 0 for a replay, which skips silences."""
    markers: list[RecordedMessage] = []
    for recorded in messages:
        if recorded.kind == MARKER:
            markers.append(recorded)
            continue
        at = recorded.log_time
        if newest is None:
            newest = at
        elif at > newest:
            zero += at - newest if at - newest > SILENCE_NS else 0
            newest = at
        for marker in markers:
            set_at = min(marker.log_time, newest)
            # If that is long before, no replay waits from there to here
            played = set_at if newest - set_at <= SILENCE_NS else newest
            yield TimedMessage(
                (set_at - session_start) / 1e9, (played - zero) / 1e9, marker, set_at
            )
        markers.clear()
        yield TimedMessage((at - session_start) / 1e9, (at - zero) / 1e9, recorded, at)
    for marker in markers:  # nothing follows
        at = marker.log_time
        if newest is not None and at - newest > SILENCE_NS:
            zero += at - newest
        newest = at if newest is None else max(newest, at)
        yield TimedMessage((at - session_start) / 1e9, (at - zero) / 1e9, marker, at)


def _by_arrival(messages: Iterable[RecordedMessage]) -> Iterator[TimedMessage]:
    base = latest = 0
    passed = 0.0
    for index, recorded in enumerate(messages):
        step = recorded.log_time - latest
        if index == 0 or _is_jump(step):
            base += step
        latest = recorded.log_time
        passed = max(passed, (latest - base) / 1e9)
        yield TimedMessage(passed, passed, recorded, latest)


def in_event_order(
    messages: Iterable[TimedMessage], *, is_of_session: bool
) -> Iterator[TimedMessage]:
    """Sort messages by event as far as possible.

    A message that arrived late moves forward, by `LATE_NS` at most. The messages of one topic keep
    their order, except for markers; so do the frames of a stream, its start and its end.

    Args:
        messages: Messages from outside, in the order of the file.
        is_of_session: Whether ``log_time`` is the event time. Otherwise ``publish_time`` is, and
            ``log_time`` is the clock at arrival.
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
        latest = timed.at if latest is None else max(latest, timed.at)
        at = timed.at if is_of_session else recorded.publish_time
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
