"""The player process: a recorded session, on the wire again.

A replay publishes what was recorded, byte for byte, at its times. A reanalysis publishes only what
came from outside (pictures, signals, markers), and has it judged again. It keeps as few pictures
under way as a camera's process in lossless delivery does, and lets nothing else pass a picture that
is not answered yet, so that whoever listens gets everything in the same order every time.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final

from affectline.common.clock import monotonic
from affectline.common.errors import InvalidMessage
from affectline.common.recording.reader import RecordedMessage, SessionReader
from affectline.common.runtime.in_flight import SIZE
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.wire import codec
from affectline.common.wire.base import Message
from affectline.common.wire.control import Control, Pause, Seek, Step
from affectline.common.wire.health import AT_END, Health, make_health
from affectline.common.wire.messages import (
    MESSAGES,
    Emotion,
    Packet,
    StreamDone,
    StreamMessage,
    StreamStart,
)
from affectline.services.replay.spec import RAW, ReplaySettings
from affectline.services.replay.stream import ReplayStream

SETTLE_S: Final = 0.7
"""Outside tools that were waiting for a hub connect within this time (they try again twice a
second), so they hear a replay from its beginning."""
BATCH_S: Final = 0.02
"""Time for which messages are published without listening in between."""
LONGEST_WAIT_MS: Final = 50
BACK_NS: Final = 1_000_000_000
GAP_NS: Final = 60_000_000_000
"""Between these two steps from one arrival to the next are time that passed."""
STEPS: Final = ("emotion/", "frame/", "")
"""What a step goes on by: the first of these that is replayed at all. An answer has its picture
before it, so a step shows both."""
UNSHOWN_S: Final = 1.0
"""A paused replay shows a frame of every stream; one that has none for so long has none there."""
UNANSWERED: Final = SIZE
"""Pictures after which a step ends all the same: no more were ever under way."""


class Player(Stage):
    """Publishes a recording."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {
        kind: "bus" for kind in MESSAGES.values() if kind is not Control
    }
    measures_latency = False

    def __init__(self, settings: ReplaySettings) -> None:
        self._settings = settings
        self._has_sink = "sink" in settings.consumers
        self._streams: dict[str, ReplayStream] = {}
        self._epochs: dict[str, tuple[int, int]] = {}
        """By stream: the first epoch of the recording, and the newest one said."""
        self._later: dict[str, int] = {}
        """By stream: what this round's epochs are above those of the recording."""
        self._start_at: float | None = None
        self._begin_s, self._rate = settings.begin_s, settings.rate
        self._paused = settings.paused
        self._steps = 0
        self._unshown: set[str] = set()
        """Topics of which a paused replay has yet to show where it stands."""
        self._shown = 0
        self._over = self._finished = False

    def setup(self) -> None:
        self._reader = SessionReader(self._settings.file)
        topics = [topic for topic in self._reader.topics() if self._is_wanted(topic)]
        self._step = next(s for s in STEPS if not s or any(t.startswith(s) for t in topics))
        self._step_topics = {topic for topic in topics if topic.startswith(self._step)}
        self._rewind()

    def topic(self, kind: type[Message]) -> str | None:
        if kind in (Health, Control):
            return f"{kind.topic_prefix}/{self.context.service}"
        if kind is Emotion and not self._settings.reanalyse:
            return None
        return super().topic(kind)

    @on(Control)
    def on_control(self, packet: Packet[Control]) -> Iterable[Packet]:
        """Pause, resume, step or seek."""
        action = packet.message.action
        if isinstance(action, Step):
            self._steps += 1
            self._paused = True
        elif isinstance(action, Pause):
            self._paused = not self._paused if action.paused is None else action.paused
        elif isinstance(action, Seek):
            self._seek(action)
        return ()

    def _seek(self, action: Seek) -> None:
        """Continue at another position, with new epochs: frames may come a second time."""
        self._begin_s, self._rate = action.position_s, action.rate or self._rate
        self._begin_new_epochs()
        self._streams.clear()
        self._over = False
        self._steps = self._shown = 0
        self._rewind()

    def _rewind(self) -> None:
        """To the beginning, or where the user wants to begin."""
        self._recorded = self._wanted()
        self._next = next(self._recorded, None)
        self._unshown = set(self._step_topics) if self._paused else set()
        self._clock_at: float | None = None
        """When, by our clock, the moment `begin_s` is or would have been."""

    def _wanted(self) -> Iterator[tuple[float, RecordedMessage]]:
        """What is to be published, with its second; of what was before, only how streams began."""
        for second, recorded in with_seconds(self._reader.messages()):
            begun = second >= self._begin_s or recorded.kind == "StreamStart"
            if begun and self._is_wanted(recorded.topic):
                yield second, recorded

    def _is_wanted(self, topic: str) -> bool:
        raw = not self._settings.reanalyse or topic.startswith(RAW)
        return raw and topic.startswith(self._settings.topics or ("",))

    def on_consumers_ready(self, services: set[str]) -> Iterable[Packet]:
        me = self.context.service
        return [p for stream in self._streams.values() for p in stream.for_newcomers(services, me)]

    @on(Health)
    def on_health(self, packet: Packet[Health]) -> Iterable[Packet]:
        """Our own last message came back: the hub has passed on everything before it."""
        health = packet.message
        is_last = health.service == self.context.service and health.detail == AT_END
        self._finished = self._finished or (self._over and is_last)
        return ()

    @on(Emotion)
    def on_emotion(self, packet: Packet[Emotion]) -> Iterable[Packet]:
        """A frame of ours is answered."""
        stream = self._streams.get(packet.message.stream)
        return stream.on_answer(packet.message) if stream else ()

    @on(StreamDone)
    def on_stream_done(self, packet: Packet[StreamDone]) -> Iterable[Packet]:
        """The sink has everything of a stream."""
        if packet.message.by == "sink" and packet.message.stream in self._streams:
            self._streams[packet.message.stream].on_done(packet.message)
        return ()

    def tick(self) -> Iterator[Packet]:
        self.tick_ms = LONGEST_WAIT_MS
        if not self._may_begin():
            return
        for stream in self._streams.values():
            yield from stream.due()
        deadline = monotonic() + BATCH_S
        while self._next and monotonic() < deadline and self._is_time(self._next[0]):
            _, recorded = self._next
            if not self._has_room(recorded):
                self.tick_ms = 5
                break
            self._next = next(self._recorded, None)
            yield from self._publish(recorded)
        if self._next is None:
            yield from self._end()

    def stop(self) -> Iterator[Packet]:
        yield from self._end_streams()
        yield self._last_word()

    def cleanup(self) -> None:
        if hasattr(self, "_reader"):
            self._reader.__exit__()

    @property
    def done(self) -> bool:
        return self._finished

    def _may_begin(self) -> bool:
        """Whether everybody is there; a moment later outside tools are as well."""
        ready = self.context.ready | {name.split("/")[0] for name in self.context.ready}
        # Its own announcement comes back from the hub: so the hub is there too
        missing = [n for n in (self.context.service, *self._settings.consumers) if n not in ready]
        if missing and not self._over:
            self.context.detail = f"waiting for {', '.join(missing)}"
            return False
        self._start_at = self._start_at or monotonic() + SETTLE_S
        return monotonic() >= self._start_at

    def _is_time(self, second: float) -> bool:
        now = monotonic()
        passed = max(0.0, second - self._begin_s)
        rate = self._rate
        if self._paused:
            if self._steps or (self._unshown and passed <= UNSHOWN_S):
                self._clock_at = now - passed / (rate or 1)
                return True
            self.context.detail = f"paused at {self._begin_s + passed:.2f} s"
            self._clock_at = now - passed / (rate or 1)  # goes on from here
            return False
        self.context.detail = f"at {self._begin_s + passed:.2f} s"
        if rate is None:
            return True
        if self._clock_at is None:
            self._clock_at = now
        wait_s = passed / rate - (now - self._clock_at)
        if wait_s > 0:
            self.tick_ms = min(LONGEST_WAIT_MS, max(1, int(wait_s * 1000)))
        return wait_s <= 0

    def _has_room(self, recorded: RecordedMessage) -> bool:
        """Reanalysis: whether this may go out before what is under way is answered.

        Two detectors answer in any order, so pictures of another stream wait as well.
        """
        busy = {f"frame/{name}": s.under_way for name, s in self._streams.items() if s.under_way}
        return not busy or (busy.keys() == {recorded.topic} and busy[recorded.topic] < SIZE)

    def _publish(self, recorded: RecordedMessage) -> Iterator[Packet]:
        try:
            packet = codec.decode(recorded.parts)
        except InvalidMessage:
            self.context.counters["unreadable"] += 1
            return
        message = packet.message
        self._count_step(recorded.topic)
        if isinstance(message, StreamMessage):
            packet = self._of_this_round(packet, message)
            if message.stream not in self._streams:
                self._streams[message.stream] = ReplayStream(
                    reanalyse=self._settings.reanalyse,
                    has_sink=self._has_sink,
                    is_told=self._tells_streams,
                )
            stream = self._streams[message.stream]
            yield from stream.take(packet, endless=self._settings.loop)
        else:
            yield packet

    def _count_step(self, topic: str) -> None:
        self._unshown.discard(topic)
        self._shown += topic.startswith("frame/")
        if topic.startswith(self._step) or self._shown == UNANSWERED:
            self._steps = max(0, self._steps - 1)
            self._shown = 0

    def _of_this_round(self, packet: Packet, message: StreamMessage) -> Packet:
        """Say that it is a replay; a film that begins again begins a new epoch."""
        changes: dict[str, object] = {}
        if isinstance(message, StreamStart):
            changes["replay"] = True
        later = self._later.get(message.stream, 0)
        epoch = message.epoch + later
        first, newest = self._epochs.get(message.stream, (message.epoch, epoch))
        self._epochs[message.stream] = first, max(newest, epoch)
        if later:
            changes["epoch"] = epoch
        return Packet(message.model_copy(update=changes), packet.parts) if changes else packet

    def _end(self) -> Iterator[Packet]:
        if not all(stream.answered for stream in self._streams.values()):
            self.tick_ms = 5
            return
        if self._settings.loop:
            self._begin_new_epochs()
            self._rewind()
            return
        yield from self._end_streams()
        if all(stream.done for stream in self._streams.values()) and not self._over:
            # Heard again when the hub has passed on everything that was before it
            self._over = True
            self.context.detail = AT_END
            yield self._last_word()

    def _begin_new_epochs(self) -> None:
        """Number epochs behind all of the last round's: a camera may have begun several in it."""
        self._later = {name: end + 1 - first for name, (first, end) in self._epochs.items()}

    def _last_word(self) -> Packet:
        context = self.context
        health = make_health(context.service, "ready", AT_END, context.counters, at=context.now())
        return Packet(health)

    def _end_streams(self) -> Iterator[Packet]:
        for stream in self._streams.values():
            ends = list(stream.end(self.context.now()))
            yield from ends if self._has_sink or self._tells_streams else ()

    @property
    def _tells_streams(self) -> bool:
        return "stream/".startswith(self._settings.topics or ("",))


def with_seconds(messages: Iterable[RecordedMessage]) -> Iterator[tuple[float, RecordedMessage]]:
    """Messages with the seconds since the first, which never fall.

    A clock that was set while it was recorded, or a computer that slept, makes the times of arrival
    jump; health is recorded every second, so such a jump cannot be time in which nothing happened.
    It counts for nothing.
    """
    base = latest = 0
    passed = 0.0
    for index, recorded in enumerate(messages):
        step = recorded.log_time - latest
        if index == 0 or not -BACK_NS < step < GAP_NS:
            base += step
        latest = recorded.log_time
        passed = max(passed, (latest - base) / 1e9)
        yield passed, recorded
