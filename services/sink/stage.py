"""The stage of the sink process: orders results, writes the timeline, feeds the display."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final

from affectline.common.clock import monotonic, monotonic_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.event_time import EventTimeMerger, RepeatFilter
from affectline.common.runtime.keeping import Keeper
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.control import REPLAY, Control
from affectline.common.wire.health import Health, ends_replay
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import (
    Emotion,
    Frame,
    Marker,
    Packet,
    Resend,
    StreamDone,
    StreamEnd,
    StreamStart,
)
from affectline.common.wire.watermark import Watermark
from affectline.services.sessions.stream_stats import StreamSummary
from affectline.services.sink.csv_writer import CsvWriter
from affectline.services.sink.reorder_buffer import PATIENCE_NS, LostFrame, ReorderBuffer
from affectline.services.sink.spec import SinkProcess

CHECKPOINT_S: Final = 0.5
KEPT_TOPICS: Final = tuple(
    f"{kind.topic_prefix}/" for kind in (Emotion, Samples, State, Marker, StreamStart)
)
"""Topics of messages that are confirmed once a checkpoint covers them."""


class Sink(Stage):
    """Writes the timeline of a session."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {
        StreamDone: "bus", Resend: "bus", Marker: "bus", Control: "bus", Kept: "bus",
    }  # fmt: skip

    def __init__(self, process: SinkProcess) -> None:
        self._folder, self._expected = process.folder, process.expected
        self._about, self._replayed = process.about, process.replayed
        self._session_start = process.session_start
        self._recorded_sources = process.recorded_sources
        self._waits_for_fusion = process.has_fusion and bool(process.recorded_sources)
        self._display_kind, self._privacy = process.display, process.privacy
        # A window answers keys and shows a frame as soon as it has come; files have time
        self.tick_ms, self.gather_ms = (100, 20) if process.display == "none" else (20, 0)
        self._stats = process.stats
        self._buffers: dict[str, ReorderBuffer] = {}
        self._writer: CsvWriter | None = None
        self._next_checkpoint = 0.0
        self._quit = self._is_replayed = False

    def topic(self, kind: type[Message]) -> str | None:
        if kind is Frame and self._display_kind == "none":
            return None
        if kind is Health:
            return f"health/{REPLAY}" if self._replayed else None
        return super().topic(kind)

    def setup(self) -> None:
        self._begun = self.context.now()
        fusion = ("fusion",) if self._waits_for_fusion else ()
        sources = (*self._recorded_sources, *fusion)
        self._merger = EventTimeMerger(sources, self.context.delivery)
        self._repeats = RepeatFilter()
        self._held_results: Counter[str] = Counter()
        """Results that wait for those of other sources, by stream."""
        self._lost_frames: dict[str, deque[LostFrame]] = {}
        """Lost frames by stream; they are written before the next frame with a result."""
        self._display = None
        if self._display_kind != "none":
            from affectline.services.sink.display import open_display

            self._display = open_display(
                self._display_kind,
                self._folder,
                self.context,
                self._privacy,
                self._about,
                stats=self._stats,
                streams=self._expected,
            )
        self._writer = CsvWriter(self._folder, self._about, self._session_start)
        for name, summary in self._writer.streams.items():
            self._buffers[name] = ReorderBuffer(
                self.context.delivery, summary.epoch, summary.next_seq
            )
            if summary.end is not None:  # ended before this process started: nothing more comes
                self._merger.end(f"capture/{name}", monotonic())
            elif self._display and (start := self._known_start(name, summary)):
                self._display.begin(start)
        self._keeper = Keeper(self.context.service, KEPT_TOPICS, self.context.delivery)
        self.context.keeper = self._keeper
        self._unconfirmed: list[Message] = []
        """Messages that are written but not in a checkpoint yet."""
        self._keeper.prime(self._writer.uncounted)
        self._repeats.prime(self._writer.newest_samples)
        self._writer.checkpoint()

    def _known_start(self, name: str, summary: StreamSummary) -> StreamStart | None:
        """The start of a stream, from an earlier process's checkpoint: it is not sent again."""
        session_start = self._writer.session_start if self._writer else None
        if summary.kind is None or summary.started_at is None or session_start is None:
            return None
        return StreamStart(
            stream=name,
            epoch=summary.epoch,
            started_at=summary.started_at,
            received_at=self._begun,
            session_start=session_start,
            source=summary.source,
            kind=summary.kind,
            live=summary.kind in ("camera", "stream"),
            replay=self._replayed,
        )

    @on(Frame)
    def on_frame(self, packet: Packet[Frame]) -> Iterable[Packet]:
        """Pass a frame to the display, which waits for its result."""
        if self._display:
            self._display.add_frame(packet)
        return ()

    @on(Emotion)
    def on_emotion(self, packet: Packet[Emotion]) -> Iterable[Packet]:
        """Write a result, and others that waited for it."""
        stream = packet.message.stream
        self._merge(stream, self._buffer(stream).push(packet.message))
        return ()

    @on(Watermark)
    def on_watermark(self, packet: Packet[Watermark]) -> Iterable[Packet]:
        """Note the progress of a recorded source or of fusion."""
        self._merger.observe(packet.message, monotonic())
        self._write_ready()
        return ()

    @on(StreamStart)
    def on_stream_start(self, packet: Packet[StreamStart]) -> Iterable[Packet]:
        """Handle the start of a stream."""
        start = packet.message
        self._unconfirmed.append(start)
        self._summary(start.stream).begin(start)
        if self._writer:
            self._writer.begin(start.session_start)
        if start.replay:  # may begin anywhere in the stream
            self._buffer(start.stream).patience_ns = PATIENCE_NS["replay"]
        else:
            self._buffer(start.stream).begin(start.epoch, start.first_seq)
        if self._display:
            self._display.begin(start)
        return ()

    @on(StreamEnd)
    def on_stream_end(self, packet: Packet[StreamEnd]) -> Iterator[Packet]:
        """Handle the end of a stream; it is done once all results before it have arrived."""
        end = packet.message
        self._unconfirmed.append(end)
        buffer = self._buffer(end.stream)
        buffer.close(end)
        if self._display:
            self._display.end(end)
        if self._is_complete(end.stream):
            yield self._finish(end.stream, end)

    @on(Marker)
    def on_marker(self, packet: Packet[Marker]) -> Iterable[Packet]:
        """Write a marker at once; the markers are sorted at the end."""
        if self._writer and not self._is_repeated(packet.message):
            self._writer.add_marker(packet.message)
        self._unconfirmed.append(packet.message)
        return ()

    @on(Samples, State)
    def on_measurement(self, packet: Packet) -> Iterable[Packet]:
        """Write samples and states when it is their turn in event time."""
        if not self._is_repeated(packet.message):
            self._merger.push(packet, monotonic())
            self._write_ready()
        else:
            self._unconfirmed.append(packet.message)
        return ()

    def _is_repeated(self, message: Message) -> bool:
        """Whether a restarted table has sent this message before."""
        # Without recorded sources it may be a replay that starts again
        return bool(self._recorded_sources) and self._repeats.is_repeated(message)

    @on(Health)
    def on_health(self, packet: Packet[Health]) -> Iterable[Packet]:
        """End the session with the last message of a replay."""
        self._is_replayed = self._is_replayed or ends_replay(packet.message, self._begun)
        return ()

    def tick(self) -> Iterator[Packet]:
        now = monotonic_ns()
        self._write_ready()
        for stream, buffer in self._buffers.items():
            missing = buffer.missing(stream, now)
            if missing:
                yield Packet(missing)
            known_lost = buffer.lost
            self._merge(stream, buffer.skip_gap(now))
            if buffer.lost > known_lost:
                text = "%d results were lost: they were not published again"
                where = {"stream": stream, "seq": buffer.next_seq - 1}
                self.context.log.warning(text, buffer.lost - known_lost, extra=where)
            if buffer.end and self._summary(stream).end is None and self._is_complete(stream):
                yield self._finish(stream, buffer.end)
        if self._display:
            for packet in self._display.refresh():
                if isinstance(packet.message, Marker) and self._keeper.admit(
                    packet.message, is_sent_again=False
                ):  # written at once, with or without a hub
                    yield from self.on_marker(Packet(packet.message))
                yield packet
            self._quit = self._display.closed
        if self._writer:
            with self.context.span("flush"):
                self._writer.flush()
            if monotonic() >= self._next_checkpoint:
                self._checkpoint()

    def stop(self) -> Iterable[Packet]:
        # Lossless, its replacement gets what waits, and what it waits for
        if self.context.delivery == "live":
            for stream, buffer in self._buffers.items():
                self._merge(stream, buffer.flush())
        self._write(self._merger.flush())
        for stream in self._buffers:
            self._write_lost_frames(stream)
        if self._writer:
            self._writer.finish()
            self._checkpoint()
        return ()

    def cleanup(self) -> None:
        if self._writer:
            self._writer.close()
        if getattr(self, "_display", None):
            self._display.close()  # type: ignore[union-attr]
        if getattr(self, "_merger", None) and self._has_ended and self._merger.lost:
            raise AffectlineError(
                f"{', '.join(sorted(self._merger.lost))} fell silent before the end and was no "
                "longer waited for: the session holds only what it had published until then",
                "look for its last lines in the log, and run it again",
            )

    @property
    def done(self) -> bool:
        return self._quit or self._is_replayed or self._has_ended

    @property
    def _has_ended(self) -> bool:
        """Whether all streams and all recorded sources have ended, or are no longer waited for."""
        streams = self._writer.streams if self._writer else {}
        ended = {name for name, summary in streams.items() if summary.end is not None}
        has_ended = bool(self._expected) and set(self._expected) <= ended
        return has_ended and self._merger.have_all_ended and not self._merger.is_waiting

    def _buffer(self, stream: str) -> ReorderBuffer:
        if stream not in self._buffers:
            self._buffers[stream] = ReorderBuffer(self.context.delivery)
        return self._buffers[stream]

    def _summary(self, stream: str) -> StreamSummary:
        assert self._writer  # noqa: S101 - for the type checker: set up before any message
        streams = self._writer.streams
        if stream not in streams:
            streams[stream] = StreamSummary()
        return streams[stream]

    def _merge(self, stream: str, results: Iterable[Emotion | LostFrame]) -> None:
        """Show results, and write them in event time order with those of other sources."""
        for result in results:
            if isinstance(result, LostFrame):
                self._lost_frames.setdefault(stream, deque()).append(result)
                continue
            if self._display:
                self._display.add_result(result)
            self._held_results[stream] += 1
            self._merger.push(Packet(result), monotonic())
        self._write_ready()

    def _write_ready(self) -> None:
        """Write what is complete; in live delivery write all at once, so that a kill loses none."""
        is_live = self.context.delivery == "live"
        self._write(self._merger.flush() if is_live else self._merger.pop_ready(monotonic()))

    def _write(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            self._unconfirmed.append(packet.message)
            match packet.message:
                case Emotion() as emotion:
                    with self.context.span("write", emotion):
                        self._write_emotion(emotion)
                case Samples() as samples:
                    self._write_samples(samples)
                case State() as state:
                    self._write_state(state)

    def _write_emotion(self, emotion: Emotion) -> None:
        self._held_results[emotion.stream] -= 1
        self._write_lost_frames(emotion.stream, emotion)
        summary = self._summary(emotion.stream)
        summary.add(emotion)
        summary.reach(emotion.epoch, emotion.seq)
        if self._writer:
            self._writer.add(emotion)

    def _write_samples(self, samples: Samples) -> None:
        if self._writer:
            self._writer.add_samples(samples)

    def _write_state(self, state: State) -> None:
        if self._writer:
            self._writer.add_state(state)

    def _write_lost_frames(self, stream: str, before: Emotion | None = None) -> None:
        """Write rows for a stream's lost frames, up to the next frame with a result."""
        summary, waiting = self._summary(stream), self._lost_frames.setdefault(stream, deque())
        while waiting and (before is None or waiting[0] < (before.epoch, before.seq)):
            lost = waiting.popleft()
            summary.lost += 1
            summary.reach(lost.epoch, lost.seq)
            if self._writer:
                self._writer.add_lost(stream, lost.epoch, lost.seq)
        summary.lost += self._buffers[stream].pop_unlisted()

    def _is_complete(self, stream: str) -> bool:
        """Whether the stream has ended and all of its results are written."""
        return self._buffers[stream].done and not self._held_results[stream]

    def _finish(self, stream: str, end: StreamEnd) -> Packet:
        """Write everything to disk, then publish that it is there."""
        summary = self._summary(stream)
        self._write_lost_frames(stream)
        summary.finish(end)
        self._checkpoint()
        return Packet(
            StreamDone(
                stream=stream, epoch=end.epoch, last_seq=end.last_seq, done_at=self.context.now()
            )
        )

    def _checkpoint(self) -> None:
        """Write everything to disk with a checkpoint for a successor; then confirm it."""
        self._next_checkpoint = monotonic() + CHECKPOINT_S
        if self._writer is None:
            return
        with self.context.span("checkpoint", count=len(self._unconfirmed)):
            self._writer.checkpoint()
        self._keeper.kept(self._unconfirmed)
        self._unconfirmed.clear()
        for stream, summary in self._writer.streams.items():
            # Covers results that were repeated, or came after they had been given up
            topic = f"{Emotion.topic_prefix}/{stream}"
            self._keeper.kept_before(topic, (summary.epoch, summary.next_seq))
