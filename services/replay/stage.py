"""The stage of the replay process: publishes a recorded session again.

A replay publishes recorded messages, byte for byte, at their times. A reanalysis publishes only
input from outside the pipeline (frames, signals, markers), which is then analysed again. It keeps
as few frames in flight as a capture process in lossless delivery, and publishes nothing else while
a frame is unanswered, so that subscribers always get everything in the same order.

Its position is a second of the session's time line, and its pace is that of the events: a film
plays at its own speed, however fast it was analysed. Like every recorded source, it publishes how
far it has come (`Watermark`), so that its messages can be combined with the results of others.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final

from affectline.common.clock import monotonic
from affectline.common.errors import InvalidMessage
from affectline.common.recording.light_reader import messages_from
from affectline.common.recording.reader import RecordedMessage, SessionReader
from affectline.common.recording.time_line import (
    LATE_NS,
    SILENCE_S,
    TimedMessage,
    in_event_order,
    with_seconds,
)
from affectline.common.runtime.in_flight import SIZE
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.wire import codec
from affectline.common.wire.base import Message
from affectline.common.wire.control import Control, Pause, Seek, Step
from affectline.common.wire.health import AT_END, Health, make_health
from affectline.common.wire.kept import Kept
from affectline.common.wire.kinds import recorded_kinds
from affectline.common.wire.messages import (
    Emotion,
    Frame,
    Packet,
    StreamDone,
    StreamMessage,
    StreamStart,
)
from affectline.common.wire.watermark import Watermark
from affectline.services.replay.replay_stream import END_REPEAT_S, EpochNumbers, ReplayStream
from affectline.services.replay.spec import RAW, ReplaySettings

CONNECT_S: Final = 0.7
"""Outside tools that wait for a hub connect within this time (they retry twice a second), so they
receive a replay from its beginning."""
BATCH_S: Final = 0.02
"""How long messages are published without receiving in between."""
LONGEST_WAIT_MS: Final = 50
WATERMARK_STEP_NS: Final = 100_000_000
"""Event time between watermarks."""
WATERMARK_S: Final = 0.5
"""How often a watermark is repeated, because nobody acknowledges it."""
STEPS: Final = ("emotion/", "frame/", "")
"""A step ends with the next message whose topic has this prefix: the first of these prefixes that
is replayed at all. A frame comes before its result, so a step shows both."""
UNSHOWN_S: Final = 1.0
"""A paused replay shows a frame of every stream that has one within this time of its position."""
UNANSWERED: Final = SIZE
"""A step ends after this many frames in any case: no more were ever in flight."""


class Player(Stage):
    """Publishes a recording."""

    outputs: ClassVar[Mapping[type[Message], Route]] = dict.fromkeys(
        (*recorded_kinds(), Watermark), "bus"
    )
    measures_latency = False

    def __init__(self, settings: ReplaySettings) -> None:
        self._settings = settings
        self._has_sink = "sink" in settings.consumers
        self._streams: dict[str, ReplayStream] = {}
        self._epochs: dict[str, EpochNumbers] = {}
        """By stream."""
        self._start_at: float | None = None
        self._begin_s, self._rate = settings.begin_s, settings.rate
        self._paused = settings.paused
        self._steps = 0
        self._unshown: set[str] = set()
        """Topics for which a paused replay has not shown a message yet."""
        self._shown = 0
        self._watermark: Watermark | None = None
        """The newest watermark published."""
        self._watermark_published = 0.0
        self._is_over = self._is_finished = False
        self._end_published = 0.0

    def setup(self) -> None:
        self._reader = SessionReader(self._settings.file)
        self._zero = self._reader.session_start
        """Zero of the recording's time line; None if its times are those of arrival."""
        topics = [topic for topic in self._reader.topics() if self._is_wanted(topic)]
        self._step = next(s for s in STEPS if not s or any(t.startswith(s) for t in topics))
        self._step_topics = {topic for topic in topics if topic.startswith(self._step)}
        self._has_frames = any(topic.startswith("frame/") for topic in topics)
        self._rewind()

    def topic(self, kind: type[Message]) -> str | None:
        if kind in (Health, Control):
            return f"{kind.topic_prefix}/{self.context.service}"
        if kind in (Emotion, Kept) and not self._settings.reanalyse:
            return None
        return super().topic(kind)

    @on(Control)
    def on_control(self, packet: Packet[Control]) -> Iterable[Packet]:
        """Pause, resume, step or seek."""
        match packet.message.action:
            case Step():
                self._steps += 1
                self._paused = True
            case Pause(paused=paused):
                self._paused = not self._paused if paused is None else paused
            case Seek() as seek:
                self._seek(seek)
        return ()

    def _seek(self, action: Seek) -> None:
        """Continue at another position, with new epochs because frames may come a second time."""
        self._begin_s, self._rate = action.position_s, action.rate or self._rate
        self._begin_new_epochs()
        self._streams.clear()
        self._is_over = False
        self._steps = self._shown = 0
        self._rewind()

    def _rewind(self) -> None:
        """Start reading from the beginning, or from the position that the user chose."""
        self._recorded = self._wanted()
        self._next = next(self._recorded, None)
        self._watermark = None  # later messages may be before it
        self._unshown = set(self._step_topics) if self._paused else set()
        self._frames: set[tuple[str, int]] = set()
        """Stream and seq of frames published while some topics are unshown."""
        self._clock_at: float | None = None
        """Time on our clock that corresponds to `_begin_played_s`."""
        self._begin_played_s: float | None = None
        """Where the replay begins, without silences; None: not known yet."""

    def _wanted(self) -> Iterator[TimedMessage]:
        """The messages to publish; from the skipped part, only the starts of streams."""
        messages = self._reader.messages()
        if self._begin_s and self._zero is not None:
            begin = self._zero + round(self._begin_s * 1e9)
            messages = messages_from(self._reader, begin, StreamStart.__name__, "stream/")
        timed = with_seconds(messages, self._zero)
        wanted: Iterator[TimedMessage]
        wanted = (one for one in timed if self._is_wanted(one.recorded.topic))
        if self._settings.reanalyse:
            wanted = in_event_order(wanted, is_of_session=self._zero is not None)
        return (one for one in wanted if self._is_due(one) or one.recorded.kind == "StreamStart")

    def _is_due(self, timed: TimedMessage) -> bool:
        """Whether a message is not before the beginning; if that is 0, no message is."""
        return not self._begin_s or timed.second >= self._begin_s

    def _is_wanted(self, topic: str) -> bool:
        raw = not self._settings.reanalyse or topic.startswith(RAW)
        return raw and topic.startswith(self._settings.topics or ("",))

    def on_consumers_ready(self, services: set[str]) -> Iterable[Packet]:
        me = self.context.service
        return [p for stream in self._streams.values() for p in stream.missed_by(services, me)]

    @on(Health)
    def on_health(self, packet: Packet[Health]) -> Iterable[Packet]:
        """Finish when our own last message comes back: the hub has forwarded all before it."""
        health = packet.message
        is_last = health.service == self.context.service and health.detail == AT_END
        self._is_finished = self._is_finished or (self._is_over and is_last)
        return ()

    @on(Emotion)
    def on_emotion(self, packet: Packet[Emotion]) -> Iterable[Packet]:
        """Handle the result of one of our frames."""
        answer, outbox = packet.message, self.context.outbox
        stream = self._streams.get(answer.stream)
        keepers = outbox.keepers_of(answer.topic) if outbox else set()
        return stream.on_answer(answer, keepers) if stream else ()

    @on(Kept)
    def on_kept(self, packet: Packet[Kept]) -> Iterable[Packet]:
        """Record that a consumer has answers on disk."""
        for name, stream in self._streams.items():
            stream.on_kept(packet.message, f"{Emotion.topic_prefix}/{name}")
        return ()

    @on(StreamDone)
    def on_stream_done(self, packet: Packet[StreamDone]) -> Iterable[Packet]:
        """Record that the sink has everything of a stream."""
        if packet.message.by == "sink" and packet.message.stream in self._streams:
            self._streams[packet.message.stream].on_done(packet.message)
        return ()

    def tick(self) -> Iterator[Packet]:
        self.tick_ms = LONGEST_WAIT_MS
        if not self._is_ready_to_begin():
            return
        for stream in self._streams.values():
            yield from stream.resend_overdue()
        deadline = monotonic() + BATCH_S
        while self._next and monotonic() < deadline and self._is_time(self._next):
            recorded = self._next.recorded
            if not self._has_room(recorded):
                self.tick_ms = 5
                break
            self._next = next(self._recorded, None)
            yield from self._publish(recorded)
        if self._next is None:
            yield from self._end()
        else:
            yield from self._tell_progress(self._promise(self._next))

    def stop(self) -> Iterator[Packet]:
        yield from self._end_streams(was_stopped=self._next is not None)
        yield from self._tell_progress(ended=True)
        yield self._end_message()

    def cleanup(self) -> None:
        if hasattr(self, "_reader"):
            self._reader.__exit__()

    @property
    def done(self) -> bool:
        return self._is_finished

    def _is_ready_to_begin(self) -> bool:
        """Whether all consumers are ready, and outside tools have had time to connect."""
        ready = self.context.ready | {name.split("/")[0] for name in self.context.ready}
        # Our own announcement is included: when it comes back, the hub is ready too
        missing = [n for n in (self.context.service, *self._settings.consumers) if n not in ready]
        if missing and not self._is_over:
            self.context.detail = f"waiting for {', '.join(missing)}"
            return False
        self._start_at = self._start_at or monotonic() + CONNECT_S
        return monotonic() >= self._start_at

    def _is_time(self, timed: TimedMessage) -> bool:
        now = monotonic()
        passed = self._passed(timed)
        rate = self._rate
        place = f"{max(self._begin_s, timed.second):.2f} s"
        if self._paused:
            self._clock_at = now - passed / (rate or 1)  # resume from here
            if self._steps or (self._unshown and passed <= UNSHOWN_S):
                return True
            self.context.detail = f"paused at {place}"
            return False
        self.context.detail = f"at {place}"
        if rate is None:
            return True
        if self._clock_at is None:
            self._clock_at = now
        wait_s = passed / rate - (now - self._clock_at)
        if wait_s > 0:
            self.tick_ms = min(LONGEST_WAIT_MS, max(1, int(wait_s * 1000)))
        return wait_s <= 0

    def _passed(self, timed: TimedMessage) -> float:
        """Seconds since the replay's beginning, without silences."""
        if self._begin_played_s is None:
            if not self._is_due(timed):
                return 0.0  # the start of a stream, from the skipped part
            before = timed.second - self._begin_s if self._begin_s else 0.0
            self._begin_played_s = timed.played_s - (before if before <= SILENCE_S else 0.0)
        return max(0.0, timed.played_s - self._begin_played_s)

    def _promise(self, following: TimedMessage | None) -> int:
        """Time of the earliest event that may still be published.

        It may come from us, in the next message, or from the detectors, which still have to answer
        some frames.
        """
        unanswered = [stream.unanswered_since for stream in self._streams.values()]
        times = [at for at in unanswered if at is not None]
        if following is not None and self._zero is not None:
            times.append(following.at)
        elif following is not None:
            # By the time of arrival; a reanalysis has sorted the messages
            ordered = self._settings.reanalyse
            times.append(following.recorded.publish_time if ordered else following.at - LATE_NS)
        return min(times, default=0)

    def _tell_progress(self, at: int = 0, *, ended: bool = False) -> Iterator[Packet]:
        """Publish how far we have come, if that is new or a repeat is due."""
        before = self._watermark
        if before is not None:
            at = max(at, before.at)
            is_news = at - before.at >= WATERMARK_STEP_NS or ended > before.ended
            if not is_news and monotonic() - self._watermark_published < WATERMARK_S:
                return
        self._watermark = Watermark(source=self.context.service, at=max(0, at), ended=ended)
        self._watermark_published = monotonic()
        yield Packet(self._watermark)

    def _has_room(self, recorded: RecordedMessage) -> bool:
        """Reanalysis: whether this may be published while frames are in flight.

        Two detectors answer in any order, so frames of another stream wait as well.
        """
        busy = {f"frame/{name}": s.in_flight for name, s in self._streams.items() if s.in_flight}
        return not busy or (busy.keys() == {recorded.topic} and busy[recorded.topic] < SIZE)

    def _publish(self, recorded: RecordedMessage) -> Iterator[Packet]:
        try:
            packet = codec.decode(recorded.parts)
        except InvalidMessage:
            self.context.counters["unreadable"] += 1
            return
        message = packet.message
        self._mark_shown(recorded.topic, message)
        self._count_step(recorded.topic)
        if isinstance(message, StreamMessage):
            of_stream = self._with_epoch_of_round(Packet(message, packet.parts))
            if message.stream not in self._streams:
                self._streams[message.stream] = ReplayStream(
                    reanalyse=self._settings.reanalyse,
                    has_sink=self._has_sink,
                    is_announced=self._announces_streams,
                    session_start=self._settings.session_start,
                )
            stream = self._streams[message.stream]
            yield from stream.publish(of_stream, endless=self._settings.loop)
        else:
            yield packet

    def _mark_shown(self, topic: str, message: Message) -> None:
        """Record what a paused replay has shown; a result counts only along with its frame."""
        if not self._unshown:
            return
        if isinstance(message, Frame):
            self._frames.add((message.stream, message.seq))
        if (
            isinstance(message, Emotion)
            and self._has_frames
            and (message.stream, message.seq) not in self._frames
        ):
            return
        self._unshown.discard(topic)

    def _count_step(self, topic: str) -> None:
        self._shown += topic.startswith("frame/")
        if topic.startswith(self._step) or self._shown == UNANSWERED:
            self._steps = max(0, self._steps - 1)
            self._shown = 0

    def _with_epoch_of_round(self, packet: Packet[StreamMessage]) -> Packet[StreamMessage]:
        """Mark a message as replayed; a recording that starts again has a new epoch."""
        message = packet.message
        changes: dict[str, object] = {}
        if isinstance(message, StreamStart):
            changes["replay"] = True
            if self._zero is None and self._settings.session_start is not None:
                changes["session_start"] = self._settings.session_start
        epoch = self._epochs.setdefault(message.stream, EpochNumbers()).number(message.epoch)
        if epoch != message.epoch:
            changes["epoch"] = epoch
        return Packet(message.model_copy(update=changes), packet.parts) if changes else packet

    def _end(self) -> Iterator[Packet]:
        if not all(stream.answered for stream in self._streams.values()):
            self.tick_ms = 5
            yield from self._tell_progress(self._promise(None))
            return
        if self._settings.loop:
            self._begin_new_epochs()
            self._rewind()
            return
        yield from self._end_streams()
        yield from self._tell_progress(ended=True)
        is_due = not self._is_over or monotonic() - self._end_published >= END_REPEAT_S
        if all(stream.done for stream in self._streams.values()) and is_due:
            # This message comes back when the hub has forwarded everything before it
            self._is_over, self._end_published = True, monotonic()
            self.context.detail = AT_END
            yield self._end_message()

    def _begin_new_epochs(self) -> None:
        for epochs in self._epochs.values():
            epochs.begin_round()

    def _end_message(self) -> Packet:
        context = self.context
        health = make_health(context.service, "ready", AT_END, context.counters, at=context.now())
        return Packet(health)

    def _end_streams(self, *, was_stopped: bool = False) -> Iterator[Packet]:
        for stream in self._streams.values():
            ends = list(stream.end(self.context.now(), was_stopped=was_stopped))
            yield from ends if self._has_sink or self._announces_streams else ()

    @property
    def _announces_streams(self) -> bool:
        return "stream/".startswith(self._settings.topics or ("",))
