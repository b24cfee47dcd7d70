"""The sink process' stage: orders the answers, writes the timeline, feeds the display."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from affectline.common.clock import monotonic, monotonic_ns
from affectline.common.runtime.service import Stage, run_service
from affectline.common.settings.pipeline import Delivery, Display, HubSettings
from affectline.common.wire.health import ends_replay
from affectline.common.wire.messages import (
    Emotion,
    Frame,
    Marker,
    Packet,
    StreamDone,
    StreamEnd,
    StreamStart,
)
from affectline.services.sessions.stream_stats import StreamSummary
from affectline.services.sink.csv_writer import CsvWriter
from affectline.services.sink.reorder_buffer import PATIENCE_NS, ReorderBuffer

CHECKPOINT_S: Final = 0.5


class Sink(Stage):
    """Writes the timeline of a session.

    Args:
        folder: The session folder.
        expected: Streams whose end is the end of the session; none: it goes on until stopped.
        display: Where to show the overlay.
        about: What else ``session.json`` shall say.
        replayed: The session ends with the player's last word instead.
    """

    tick_ms = 20

    def __init__(
        self,
        folder: Path,
        expected: tuple[str, ...],
        display: Display,
        about: dict[str, Any],
        *,
        replayed: bool = False,
    ) -> None:
        frames = ("frame/",) if display != "none" else ()
        player = ("health/replay",) if replayed else ()
        self.subscriptions = ("emotion/", "stream/", "marker/", *frames, *player)
        self._folder, self._expected, self._about = folder, expected, about
        self._display_kind = display
        self._orders: dict[str, ReorderBuffer] = {}
        self._timeline: CsvWriter | None = None
        self._next_checkpoint = 0.0
        self._quit = self._is_replayed = False

    def setup(self) -> None:
        self._begun = self.context.now()
        self._display = None
        if self._display_kind != "none":
            from affectline.services.sink.display import open_display

            self._display = open_display(self._display_kind, self._folder, self.context)
        self._timeline = CsvWriter(self._folder, self._about)
        for name, kept in self._timeline.streams.items():
            self._orders[name] = ReorderBuffer(self.context.delivery, kept.epoch, kept.next_seq)
        self._timeline.checkpoint()

    def process(self, packet: Packet) -> Iterator[Packet]:
        message = packet.message
        if isinstance(message, Frame):
            if self._display:
                self._display.keep(packet)
        elif isinstance(message, Emotion):
            order = self._order(message.stream)
            self._write(order.take(message))
        elif isinstance(message, StreamStart):
            self._summary(message.stream).begin(message)
            if message.replay:
                self._order(message.stream).patience_ns = PATIENCE_NS["replay"]
            if self._display:
                self._display.begin(message)
        elif isinstance(message, StreamEnd):
            yield from self._close(message)
        elif isinstance(message, Marker) and self._timeline:
            self._timeline.add_marker(message)
        elif ends_replay(message, self._begun):
            self._is_replayed = True

    def _close(self, end: StreamEnd) -> Iterator[Packet]:
        order = self._order(end.stream)
        order.close(end)
        if order.done:
            yield self._finish(end.stream, end)

    def tick(self) -> Iterator[Packet]:
        now = monotonic_ns()
        for stream, order in self._orders.items():
            wanted = order.wanted(stream, now)
            if wanted:
                yield Packet(wanted)
            self._write(order.give_up(now))
            if order.done and order.end and self._summary(stream).end is None:
                yield self._finish(stream, order.end)
        if self._display:
            yield from self._display.show()
            self._quit = self._display.closed
        if self._timeline:
            self._timeline.flush()
            if monotonic() >= self._next_checkpoint:
                self._checkpoint()

    def stop(self) -> Iterable[Packet]:
        if self._timeline:
            self._checkpoint()
        return ()

    def cleanup(self) -> None:
        if self._timeline:
            self._timeline.close()
        if getattr(self, "_display", None):
            self._display.close()  # type: ignore[union-attr]

    @property
    def done(self) -> bool:
        streams = self._timeline.streams if self._timeline else {}
        ended = {name for name, kept in streams.items() if kept.end is not None}
        has_ended = bool(self._expected) and set(self._expected) <= ended
        return self._quit or self._is_replayed or has_ended

    def _order(self, stream: str) -> ReorderBuffer:
        return self._orders.setdefault(stream, ReorderBuffer(self.context.delivery))

    def _summary(self, stream: str) -> StreamSummary:
        assert self._timeline  # noqa: S101 - for the type checker: set up before any message
        return self._timeline.streams.setdefault(stream, StreamSummary())

    def _write(self, emotions: Iterable[Emotion]) -> None:
        for emotion in emotions:
            summary = self._summary(emotion.stream)
            order = self._orders[emotion.stream]
            summary.add(emotion)
            summary.epoch, summary.next_seq = emotion.epoch, emotion.seq + 1
            summary.lost = order.lost
            if self._timeline:
                self._timeline.add(emotion)
            if self._display:
                self._display.answer(emotion)

    def _finish(self, stream: str, end: StreamEnd) -> Packet:
        """Have everything on disk before saying so."""
        summary = self._summary(stream)
        summary.finish(end)
        summary.lost = self._orders[stream].lost
        self._checkpoint()
        return Packet(
            StreamDone(
                stream=stream, epoch=end.epoch, last_seq=end.last_seq, done_at=self.context.now()
            )
        )

    def _checkpoint(self) -> None:
        self._next_checkpoint = monotonic() + CHECKPOINT_S
        if self._timeline:
            self._timeline.checkpoint()


def run(
    folder: Path,
    expected: tuple[str, ...],
    display: Display,
    about: dict[str, Any],
    hub: HubSettings,
    delivery: Delivery,
    *,
    replayed: bool = False,
) -> int:
    """Be the sink process; return the exit code."""
    sink = Sink(folder, expected, display, about, replayed=replayed)
    return run_service(sink, "sink", hub, delivery)
