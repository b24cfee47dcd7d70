"""Event time: merges messages of several sources in the order of events, at any speed.

Recorded sources (films, tables) are read as fast as they are consumed, so the order in which their
messages arrive says nothing. As in stream processors (Akidau et al. 2015, The Dataflow Model, VLDB
8(12)), every source promises with a `Watermark` that it has published everything up to a moment. A
consumer handles a message only when the watermarks of all sources have passed it
(`EventTimeMerger`). To save memory, no source runs far ahead of the others (`SourceAlignment`).

Live sources promise nothing: in live delivery messages are held briefly, so that a sensor's message
that arrives a little late is still put in its place. Messages that arrive even later are counted.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from affectline.common.identifiers import sensor_service
from affectline.common.settings.hub import Delivery
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.common.wire.watermark import Watermark

SECOND: Final = 1_000_000_000
AHEAD_NS: Final = 2 * SECOND
"""How far a recorded source may run ahead of the others: enough that none waits for a table whose
messages hold a quarter of a second, and only a few dozen frames to hold in memory."""
SILENCE_S: Final = 10.0
"""A source that was silent for this many seconds counts as lost: the run no longer waits for it.
A process that died is back within two seconds."""
START_S: Final = 30.0
"""The same for a source that has never published: a busy machine starts it slowly."""
REPEAT_S: Final = 0.5
"""Interval, in s, at which watermarks are repeated, because they are not acknowledged."""
LIVE_WAIT_S: Final = 0.25
"""Seconds that live delivery holds a message for earlier ones of other sources. Sensors send about
ten times a second; a frame is answered within some hundredths of a second."""
MOST_HELD: Final = 20_000
MOST_HELD_BYTES: Final = 1 << 28
"""Maximum number of waiting messages, and of bytes of their parts; beyond that the earliest message
is released, whichever source is late."""
MOST_SOURCES: Final = 256
"""Maximum number of sources to wait for."""
MOST_MARKERS: Final = 10_000
MOST_EPOCHS: Final = 4
"""Markers, and epochs of one signal, that are remembered to recognize repeated messages."""
MOST_AT_ONCE: Final = 200
"""Maximum number of messages from one call: some hundredths of a second of work."""
MOST_PASSED_OVER: Final = 4096
"""Missing messages of one signal that may still arrive late: more than are ever in flight."""
END: Final = 2**63

_ORDER: Final = {
    name: index
    for index, name in enumerate(
        ("StreamStart", "Frame", "Faces", "Scores", "Emotion", "Samples", "Marker", "State",
         "StreamEnd", "StreamDone")
    )
}  # fmt: skip
"""The order of messages about the same moment: causes come before their effects."""


class _Patience:
    """Tracks how long each source has been silent, in s of the monotonic clock."""

    def __init__(self) -> None:
        self._heard_at: dict[str, float] = {}
        self._known: set[str] = set()
        """Sources that have published at least once."""
        self._updated_at: float | None = None
        self.lost: set[str] = set()
        """Sources that are no longer waited for."""

    def heard(self, source: str, now_s: float) -> None:
        """Register that a source has published something."""
        self._heard_at[source] = now_s
        self._known.add(source)
        self.lost.discard(source)

    def update(self, now_s: float) -> None:
        """Discount the time in which this process itself stood still; call it regularly."""
        paused_s = now_s - (self._updated_at if self._updated_at is not None else now_s)
        self._updated_at = now_s
        if paused_s > 1:
            self._heard_at = {name: at + paused_s for name, at in self._heard_at.items()}

    def is_over(self, source: str, now_s: float) -> bool:
        """Whether a source counts as lost."""
        patience_s = SILENCE_S if source in self._known else START_S
        if now_s - self._heard_at.setdefault(source, now_s) > patience_s:
            self.lost.add(source)
        return source in self.lost


class EventTimeMerger:
    """Releases messages in the order of their event times.

    Messages of the same moment come in a fixed order, so the same sources yield the same sequence
    at every speed.

    Args:
        sources: Services to wait for by their watermarks; others are added when they publish one.
        delivery: In ``live`` delivery it waits for no source, and holds no message longer than
            `LIVE_WAIT_S`.
        slack_ns: Lossless delivery: a message is released only when all watermarks are past it by
            this many ns, so that messages that reach this process indirectly are in order, too.
    """

    def __init__(self, sources: Iterable[str], delivery: Delivery, slack_ns: int = 0) -> None:
        self._is_live, self._slack_ns = delivery == "live", slack_ns
        self._watermarks: dict[str, int] = dict.fromkeys(() if self._is_live else sources, -1)
        self._patience = _Patience()
        self._held: list[tuple[tuple[int, int, str, int, int], Packet]] = []
        """A heap of order and message."""
        self._arrivals: deque[tuple[int, float]] = deque()
        """Live: the numbers of the held messages as they arrived, each with its time of arrival."""
        self._released: set[int] = set()
        """Those of them that have been released already."""
        self._count = self._held_bytes = 0
        self._newest = -1
        self.now = -1
        """Event time of the newest released message, in ns; -1 before any. Markers do not count,
        because tools may be wrong about the time."""
        self.late = 0
        """Messages that arrived after later ones had been released."""

    @property
    def is_waiting(self) -> bool:
        """Whether it holds messages."""
        return bool(self._held)

    @property
    def have_all_ended(self) -> bool:
        """Whether all sources have ended, except those that are no longer waited for."""
        return all(
            watermark >= END or source in self._patience.lost
            for source, watermark in self._watermarks.items()
        )

    def push(self, packet: Packet, now_s: float, event_time: int | None = None) -> None:
        """Add a message.

        Args:
            packet: The message.
            now_s: Seconds of the monotonic clock.
            event_time: Its event time in ns, if the message does not contain it; by default the
                message's own, otherwise that of the newest message.
        """
        message = packet.message
        at = message.event_time if event_time is None else event_time
        if at is None:
            at = max(self._newest, self.now)
        if not isinstance(message, Marker):  # a tool may be wrong about the time
            self._newest = max(self._newest, at)
        self.late += at < self.now
        order = (
            at, _ORDER.get(type(message).__name__, len(_ORDER)), message.topic,
            getattr(message, "seq", 0), self._count,
        )  # fmt: skip
        if self._is_live:
            self._arrivals.append((self._count, now_s))
        self._count += 1
        heapq.heappush(self._held, (order, packet))
        self._held_bytes += _size(packet)
        if isinstance(message, Emotion):
            self._advance(f"capture/{message.stream}", message.captured_at + 1, now_s)
        elif isinstance(message, State):
            self._advance("fusion", -1, now_s)
        elif isinstance(message, Samples) and (source := self._source_of(message)):
            self._advance(source, -1, now_s)

    def _source_of(self, samples: Samples) -> str | None:
        """The source that has published samples; None: unknown, because a person has several."""
        prefix = sensor_service(samples.subject)
        sensors = [source for source in self._watermarks if source.startswith(prefix)]
        return sensors[0] if len(sensors) == 1 else None

    def end(self, source: str, now_s: float) -> None:
        """Register the end of a source that is known without its watermark."""
        self._advance(source, END, now_s)

    def observe(self, message: Watermark, now_s: float) -> None:
        """Update how far a source has come."""
        if len(self._watermarks) < MOST_SOURCES:
            self._watermarks.setdefault(message.source, -1)
        self._advance(message.source, END if message.ended else message.at, now_s)

    def _advance(self, source: str, at: int, now_s: float) -> None:
        if source in self._watermarks:
            self._watermarks[source] = max(self._watermarks[source], at)
            self._patience.heard(source, now_s)

    def pop_ready(self, now_s: float) -> Iterator[Packet]:
        """Remove and yield the messages that are due, in order.

        At most `MOST_AT_ONCE`, so that a process that has fallen behind still sends heartbeats; the
        next call yields the others.
        """
        limit = self._limit(now_s)
        for _ in range(MOST_AT_ONCE):
            if not self._held:
                return
            (at, *_), _ = self._held[0]
            # Live: whatever comes before the message that has waited longest goes first. It may
            # just have arrived, from a source whose clock is slow: nobody waits for such
            is_due = self._is_live and now_s - self._arrivals[0][1] >= LIVE_WAIT_S
            if not (is_due or at < limit or self._is_full):
                return
            yield self._pop()

    def flush(self) -> Iterator[Packet]:
        """Remove and yield all messages, in order."""
        while self._held:
            yield self._pop()

    @property
    def _is_full(self) -> bool:
        return len(self._held) > MOST_HELD or self._held_bytes > MOST_HELD_BYTES

    def _pop(self) -> Packet:
        (at, *_, number), packet = heapq.heappop(self._held)
        self._held_bytes -= _size(packet)
        if self._is_live:
            self._released.add(number)
            while self._arrivals and self._arrivals[0][0] in self._released:
                self._released.discard(self._arrivals.popleft()[0])
        if not isinstance(packet.message, Marker):
            self.now = max(self.now, at)
        return packet

    def _limit(self, now_s: float) -> int:
        """The moment before which messages are complete."""
        self._patience.update(now_s)
        waited_for = [
            watermark
            for source, watermark in self._watermarks.items()
            if watermark < END and not self._patience.is_over(source, now_s)
        ]
        if not waited_for:
            return -1 if self._is_live else END
        return min(waited_for) - self._slack_ns

    @property
    def lost(self) -> list[str]:
        """Sources that have gone silent without ending."""
        return [s for s, at in self._watermarks.items() if at < END and s in self._patience.lost]


def _size(packet: Packet) -> int:
    return sum(len(part) for part in packet.parts)


class RepeatFilter:
    """Recognizes what a table publishes again after its process was replaced.

    The new process starts at the table's beginning, with the same epoch and the same numbers.
    """

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], tuple[int, int, int]] = {}
        """By subject and signal: epoch, seq and time of the newest message."""
        self._passed_over: dict[tuple[str, str], OrderedDict[int, set[int]]] = {}
        """By subject and signal, and epoch: missing numbers before the newest."""
        self._markers: OrderedDict[tuple[int, str, str], None] = OrderedDict()

    def prime(self, newest_samples: Mapping[str, tuple[int, int, int]]) -> None:
        """Register what a former process has handled.

        Args:
            newest_samples: By ``subject/signal``: epoch, seq and time of the newest message.
        """
        for name, newest in newest_samples.items():
            subject, _, signal = name.partition("/")
            self._newest[subject, signal] = newest

    def is_repeated(self, message: Message) -> bool:
        """Whether samples or a marker have arrived before; never true for other messages."""
        if isinstance(message, Marker):
            marker = message.at, message.label, message.source
            is_known = marker in self._markers
            self._markers[marker] = None
            if len(self._markers) > MOST_MARKERS:
                self._markers.popitem(last=False)
            return is_known
        return isinstance(message, Samples) and self._are_repeated(message)

    def _are_repeated(self, samples: Samples) -> bool:
        key = samples.subject, samples.signal
        epoch, seq, at = self._newest.get(key, (-1, -1, -1))
        # A tool that does not count its messages still has rising times
        epochs = self._passed_over.setdefault(key, OrderedDict())
        passed_over = epochs.setdefault(samples.epoch, set())
        if len(epochs) > MOST_EPOCHS:
            epochs.popitem(last=False)
        if samples.epoch == epoch and samples.seq <= seq and samples.at <= at:
            # It was lost with a hub that died, and is sent again after later messages
            is_late = samples.seq in passed_over
            passed_over.discard(samples.seq)
            return not is_late
        first = seq + 1 if samples.epoch == epoch else 0
        passed_over.update(range(max(first, samples.seq - MOST_PASSED_OVER), samples.seq))
        if len(passed_over) > MOST_PASSED_OVER:
            passed_over.intersection_update(sorted(passed_over)[-MOST_PASSED_OVER:])
        self._newest[key] = samples.epoch, samples.seq, samples.at
        return False


class SourceAlignment:
    """Keeps the recorded sources of a lossless run together.

    Args:
        source: The service to keep aligned.
        others: The other recorded sources of the run.
    """

    def __init__(self, source: str, others: Iterable[str]) -> None:
        self._source = source
        self._watermarks: dict[str, int] = dict.fromkeys((o for o in others if o != source), -1)
        self._patience = _Patience()
        self._at, self._ended = -1, False
        self._published: tuple[int, bool] | None = None
        self._repeat_at = 0.0

    def observe(self, message: Watermark, now_s: float) -> None:
        """Update how far another source has come."""
        if message.source in self._watermarks:
            at = END if message.ended else message.at
            self._watermarks[message.source] = max(self._watermarks[message.source], at)
            self._patience.heard(message.source, now_s)

    def may_publish(self, event_time: int, now_s: float) -> bool:
        """Whether a message about this moment may be published without running too far ahead."""
        self._patience.update(now_s)
        return all(
            event_time <= watermark + AHEAD_NS or self._patience.is_over(source, now_s)
            for source, watermark in self._watermarks.items()
        )

    def reach(self, event_time: int, *, ended: bool = False) -> None:
        """Register that everything before this moment has been published."""
        self._at, self._ended = max(self._at, event_time), self._ended or ended

    def announcements(self, now_s: float) -> Iterator[Packet]:
        """Yield the watermark, if it is new or due to be repeated."""
        if self._at < 0:
            return
        state = (self._at, self._ended)
        published = self._published or (-1, False)
        has_moved = state[0] - published[0] >= SECOND // 4 or state[1] != published[1]
        if has_moved or now_s >= self._repeat_at:
            self._published, self._repeat_at = state, now_s + REPEAT_S
            yield Packet(Watermark(source=self._source, at=self._at, ended=self._ended))
