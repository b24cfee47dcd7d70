"""The sink process' stage: orders the results, writes the timeline, feeds the display."""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final

from affectline.common.clock import monotonic, monotonic_ns
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.control import REPLAY, Control
from affectline.common.wire.health import Health, ends_replay
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
from affectline.services.sessions.stream_stats import StreamSummary
from affectline.services.sink.csv_writer import CsvWriter
from affectline.services.sink.reorder_buffer import PATIENCE_NS, LostFrame, ReorderBuffer
from affectline.services.sink.spec import SinkProcess

CHECKPOINT_S: Final = 0.5


class Sink(Stage):
    """Writes the timeline of a session."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {
        StreamDone: "bus", Resend: "bus", Marker: "bus", Control: "bus",
    }  # fmt: skip
    tick_ms = 20

    def __init__(self, process: SinkProcess) -> None:
        self._folder, self._expected = process.folder, process.expected
        self._about, self._replayed = process.about, process.replayed
        self._session_start = process.session_start
        self._display_kind = process.display
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
        self._display = None
        if self._display_kind != "none":
            from affectline.services.sink.display import open_display

            self._display = open_display(self._display_kind, self._folder, self.context)
        self._writer = CsvWriter(self._folder, self._about, self._session_start)
        for name, summary in self._writer.streams.items():
            self._buffers[name] = ReorderBuffer(
                self.context.delivery, summary.epoch, summary.next_seq
            )
        self._writer.checkpoint()

    @on(Frame)
    def on_frame(self, packet: Packet[Frame]) -> Iterable[Packet]:
        """Give a frame to the display, which waits for its result."""
        if self._display:
            self._display.add_frame(packet)
        return ()

    @on(Emotion)
    def on_emotion(self, packet: Packet[Emotion]) -> Iterable[Packet]:
        """Write a result, and those that waited for it."""
        stream = packet.message.stream
        self._write(stream, self._buffer(stream).push(packet.message))
        return ()

    @on(StreamStart)
    def on_stream_start(self, packet: Packet[StreamStart]) -> Iterable[Packet]:
        """A stream begins."""
        start = packet.message
        self._summary(start.stream).begin(start)
        if self._writer:
            self._writer.begin(start.session_start)
        if start.replay:
            self._buffer(start.stream).patience_ns = PATIENCE_NS["replay"]
        if self._display:
            self._display.begin(start)
        return ()

    @on(StreamEnd)
    def on_stream_end(self, packet: Packet[StreamEnd]) -> Iterator[Packet]:
        """No frame follows; the stream is done when all results before are there."""
        end = packet.message
        buffer = self._buffer(end.stream)
        buffer.close(end)
        if buffer.done:
            yield self._finish(end.stream, end)

    @on(Marker)
    def on_marker(self, packet: Packet[Marker]) -> Iterable[Packet]:
        """Write a marker."""
        if self._writer:
            self._writer.add_marker(packet.message)
        return ()

    @on(Samples)
    def on_samples(self, packet: Packet[Samples]) -> Iterable[Packet]:
        """Write the samples of a signal."""
        if self._writer:
            self._writer.add_samples(packet.message)
        return ()

    @on(State)
    def on_state(self, packet: Packet[State]) -> Iterable[Packet]:
        """Write a person's state."""
        if self._writer:
            self._writer.add_state(packet.message)
        return ()

    @on(Health)
    def on_health(self, packet: Packet[Health]) -> Iterable[Packet]:
        """The last message of a replay ends its session."""
        self._is_replayed = self._is_replayed or ends_replay(packet.message, self._begun)
        return ()

    def tick(self) -> Iterator[Packet]:
        now = monotonic_ns()
        for stream, buffer in self._buffers.items():
            missing = buffer.missing(stream, now)
            if missing:
                yield Packet(missing)
            known_lost = buffer.lost
            self._write(stream, buffer.skip_gap(now))
            if buffer.lost > known_lost:
                text = "%d results were lost: nobody published them again"
                where = {"stream": stream, "seq": buffer.next_seq - 1}
                self.context.log.warning(text, buffer.lost - known_lost, extra=where)
            if buffer.done and buffer.end and self._summary(stream).end is None:
                yield self._finish(stream, buffer.end)
        if self._display:
            yield from self._display.refresh()
            self._quit = self._display.closed
        if self._writer:
            self._writer.flush()
            if monotonic() >= self._next_checkpoint:
                self._checkpoint()

    def stop(self) -> Iterable[Packet]:
        if self._writer:
            self._writer.finish()
        return ()

    def cleanup(self) -> None:
        if self._writer:
            self._writer.close()
        if getattr(self, "_display", None):
            self._display.close()  # type: ignore[union-attr]

    @property
    def done(self) -> bool:
        streams = self._writer.streams if self._writer else {}
        ended = {name for name, summary in streams.items() if summary.end is not None}
        has_ended = bool(self._expected) and set(self._expected) <= ended
        return self._quit or self._is_replayed or has_ended

    def _buffer(self, stream: str) -> ReorderBuffer:
        return self._buffers.setdefault(stream, ReorderBuffer(self.context.delivery))

    def _summary(self, stream: str) -> StreamSummary:
        assert self._writer  # noqa: S101 - for the type checker: set up before any message
        return self._writer.streams.setdefault(stream, StreamSummary())

    def _write(self, stream: str, results: Iterable[Emotion | LostFrame]) -> None:
        summary, buffer = self._summary(stream), self._buffers[stream]
        for result in results:
            summary.epoch, summary.next_seq = result.epoch, result.seq + 1
            summary.lost = buffer.lost
            if isinstance(result, LostFrame):
                self._write_lost(stream, result)
            else:
                self._write_emotion(result)

    def _write_lost(self, stream: str, lost: LostFrame) -> None:
        if self._writer:
            self._writer.add_lost(stream, lost.epoch, lost.seq)

    def _write_emotion(self, emotion: Emotion) -> None:
        self._summary(emotion.stream).add(emotion)
        if self._writer:
            self._writer.add(emotion)
        if self._display:
            self._display.add_result(emotion)

    def _finish(self, stream: str, end: StreamEnd) -> Packet:
        """Have everything on disk before publishing that it is."""
        summary = self._summary(stream)
        summary.finish(end)
        summary.lost = self._buffers[stream].lost
        self._checkpoint()
        return Packet(
            StreamDone(
                stream=stream, epoch=end.epoch, last_seq=end.last_seq, done_at=self.context.now()
            )
        )

    def _checkpoint(self) -> None:
        self._next_checkpoint = monotonic() + CHECKPOINT_S
        if self._writer:
            self._writer.checkpoint()
