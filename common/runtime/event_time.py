"""Event time: messages of several sources in the order of what happened, at any speed.

Recorded sources (films, tables) are read as fast as they are consumed, so the order in which their
messages arrive tells nothing. As stream processors do (Akidau et al. 2015, The Dataflow Model, VLDB
8(12)), every source promises by a `Watermark` up to which moment it has told everything, and a
consumer takes a message only when the promises of all sources have passed it (`EventTimeMerger`).
So that this needs little memory, no source runs far ahead of the others (`SourceAlignment`).

Live sources promise nothing: in live delivery messages are held for a moment, so that a sensor's
that come a little late find their place, and those that come later still are counted.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from affectline.common.settings.hub import Delivery
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.common.wire.watermark import Watermark

SECOND: Final = 1_000_000_000
AHEAD_NS: Final = 2 * SECOND
"""A recorded source runs ahead of the others by this at most: enough that nobody waits for a table
whose messages hold a quarter of a second, and a few dozen frames to hold in memory."""
SILENCE_S: Final = 10.0
"""A source that has said nothing for so long is lost: the run no longer waits for it. A process
that died is back within two seconds."""
START_S: Final = 30.0
"""The same for a source that has not been heard at all: a busy machine starts it slowly."""
REPEAT_S: Final = 0.5
"""Watermarks are repeated, because nobody answers them."""
LIVE_WAIT_S: Final = 0.25
"""Live delivery: how long a message is held for earlier ones of other sources. Sensors send about
ten times a second; a frame takes some hundredths of a second to be answered."""
MOST_HELD: Final = 20_000
MOST_HELD_BYTES: Final = 1 << 28
"""Messages, and bytes of their parts, that wait at most; beyond that the earliest is taken,
whichever source is late."""
MOST_SOURCES: Final = 256
"""Sources that are waited for."""
MOST_MARKERS: Final = 10_000
MOST_EPOCHS: Final = 4
"""Markers, and epochs of one signal, that are remembered to tell what is repeated."""
MOST_AT_ONCE: Final = 200
"""Messages that one call gives at most: some hundredths of a second of work."""
MOST_PASSED_OVER: Final = 4096
"""Messages of one signal that may still come behind later ones: more than are ever on their way."""
END: Final = 2**63

_ORDER: Final = {
    name: index
    for index, name in enumerate(
        ("StreamStart", "Frame", "Faces", "Scores", "Emotion", "Samples", "Marker", "State",
         "StreamEnd", "StreamDone")
    )
}  # fmt: skip
"""Of messages about the same moment: causes come before what follows from them."""


class _Patience:
    """How long the sources have been silent, in s of the monotonic clock."""

    def __init__(self) -> None:
        self._heard_at: dict[str, float] = {}
        self._known: set[str] = set()
        """Those that have been heard at all."""
        self._updated_at: float | None = None
        self.lost: set[str] = set()
        """Those that nobody waits for any more."""

    def heard(self, source: str, now_s: float) -> None:
        """A source has published something."""
        self._heard_at[source] = now_s
        self._known.add(source)
        self.lost.discard(source)

    def update(self, now_s: float) -> None:
        """Call it all the time: while this process itself stood still, nobody was silent."""
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
    """Gives messages in the order of their event times.

    Messages of the same moment come in a fixed order, so the same sources give the same sequence at
    every pace.

    Args:
        sources: Services whose watermarks are waited for; more are learnt from what they publish.
        delivery: In ``live`` delivery no source is waited for, and nothing is held longer than
            `LIVE_WAIT_S`.
        slack_ns: Lossless delivery: taken only when all watermarks are past a message by this, so
            that what reaches this process in detours is in order too.
    """

    def __init__(self, sources: Iterable[str], delivery: Delivery, slack_ns: int = 0) -> None:
        self._is_live, self._slack_ns = delivery == "live", slack_ns
        self._watermarks: dict[str, int] = dict.fromkeys(() if self._is_live else sources, -1)
        self._patience = _Patience()
        self._held: list[tuple[tuple[int, int, str, int, int], float, Packet]] = []
        """A heap: order, when it came, the message."""
        self._count = self._held_bytes = 0
        self._newest = -1
        self.now = -1
        """Event time of the newest message that was given, in ns; -1 before any. Markers do not
        count: tools may be wrong about the time."""
        self.late = 0
        """Messages that came after later ones had been given."""

    @property
    def is_waiting(self) -> bool:
        """Whether it holds messages."""
        return bool(self._held)

    @property
    def have_all_ended(self) -> bool:
        """Whether all sources have ended, as far as they are still waited for."""
        return all(
            watermark >= END or source in self._patience.lost
            for source, watermark in self._watermarks.items()
        )

    def push(self, packet: Packet, now_s: float, event_time: int | None = None) -> None:
        """Add a message.

        Args:
            packet: The message.
            now_s: Seconds of the monotonic clock.
            event_time: Its place, where the message does not know it; by default the message's own,
                else that of the newest message.
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
        self._count += 1
        heapq.heappush(self._held, (order, now_s, packet))
        self._held_bytes += _size(packet)
        if isinstance(message, Emotion):
            self._advance(f"capture/{message.stream}", message.captured_at + 1, now_s)

    def end(self, source: str, now_s: float) -> None:
        """Take note that a source has ended, where that is known without its watermark."""
        self._advance(source, END, now_s)

    def observe(self, message: Watermark, now_s: float) -> None:
        """Take note of how far a source has come."""
        if len(self._watermarks) < MOST_SOURCES:
            self._watermarks.setdefault(message.source, -1)
        self._advance(message.source, END if message.ended else message.at, now_s)

    def _advance(self, source: str, at: int, now_s: float) -> None:
        if source in self._watermarks:
            self._watermarks[source] = max(self._watermarks[source], at)
            self._patience.heard(source, now_s)

    def pop_ready(self, now_s: float) -> Iterator[Packet]:
        """Remove and yield messages whose turn it is, in order.

        At most `MOST_AT_ONCE`, so that a process that has fallen behind still beats; the others
        come with the next call.
        """
        limit = self._limit(now_s)
        for _ in range(MOST_AT_ONCE):
            if not self._held:
                return
            (at, *_), since, _ = self._held[0]
            is_due = at < limit or (self._is_live and now_s - since >= LIVE_WAIT_S)
            if not (is_due or self._is_full):
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
        (at, *_), _, packet = heapq.heappop(self._held)
        self._held_bytes -= _size(packet)
        if not isinstance(packet.message, Marker):
            self.now = max(self.now, at)
        return packet

    def _limit(self, now_s: float) -> int:
        """Messages before this moment are complete."""
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
        """Sources that have fallen silent without having ended."""
        return [s for s, at in self._watermarks.items() if at < END and s in self._patience.lost]


def _size(packet: Packet) -> int:
    return sum(len(part) for part in packet.parts)


class RepeatFilter:
    """Tells what a table publishes again when its process was replaced.

    The successor begins at the table's beginning, with the same epoch and the same numbers.
    """

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], tuple[int, int, int]] = {}
        """By subject and signal: epoch, seq and time of the newest message."""
        self._passed_over: dict[tuple[str, str], OrderedDict[int, set[int]]] = {}
        """By subject and signal, and epoch: numbers before the newest that have not come yet."""
        self._markers: OrderedDict[tuple[int, str, str], None] = OrderedDict()

    def prime(self, newest_samples: Mapping[str, tuple[int, int, int]]) -> None:
        """Take note of what a former process has handled.

        Args:
            newest_samples: By ``subject/signal``: epoch, seq and time of the newest message.
        """
        for name, newest in newest_samples.items():
            subject, _, signal = name.partition("/")
            self._newest[subject, signal] = newest

    def is_repeated(self, message: Message) -> bool:
        """Whether samples, or a marker, have come before; other messages never have."""
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
        # A tool that does not count its messages still has times that rise
        epochs = self._passed_over.setdefault(key, OrderedDict())
        passed_over = epochs.setdefault(samples.epoch, set())
        if len(epochs) > MOST_EPOCHS:
            epochs.popitem(last=False)
        if samples.epoch == epoch and samples.seq <= seq and samples.at <= at:
            # A hub that died took it along, and it comes again behind its successors
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
        source: The service that this is about.
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
        """Take note of how far another source has come."""
        if message.source in self._watermarks:
            at = END if message.ended else message.at
            self._watermarks[message.source] = max(self._watermarks[message.source], at)
            self._patience.heard(message.source, now_s)

    def may_publish(self, event_time: int, now_s: float) -> bool:
        """Whether a message about this moment is not too far ahead of the others."""
        self._patience.update(now_s)
        return all(
            event_time <= watermark + AHEAD_NS or self._patience.is_over(source, now_s)
            for source, watermark in self._watermarks.items()
        )

    def reach(self, event_time: int, *, ended: bool = False) -> None:
        """Everything before this moment has been published."""
        self._at, self._ended = max(self._at, event_time), self._ended or ended

    def announcements(self, now_s: float) -> Iterator[Packet]:
        """The watermark, where there is something to say, or to repeat."""
        if self._at < 0:
            return
        state = (self._at, self._ended)
        published = self._published or (-1, False)
        has_moved = state[0] - published[0] >= SECOND // 4 or state[1] != published[1]
        if has_moved or now_s >= self._repeat_at:
            self._published, self._repeat_at = state, now_s + REPEAT_S
            yield Packet(Watermark(source=self._source, at=self._at, ended=self._ended))
