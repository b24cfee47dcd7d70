"""The stage of the capture process: publishes frames from the reader, and resends unanswered ones.

Lossless delivery: the source pauses while a consumer that the stream needs is missing, and while a
full `InFlightWindow` of frames is unanswered. Unanswered frames are kept, and sent again when a
consumer comes back. Live delivery: frames are published as they are read, without waiting for
anybody. While this process cannot keep up, the reader counts frames as skipped before they have a
number.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final, Literal

from affectline.common.clock import monotonic, monotonic_ns
from affectline.common.runtime.event_time import SourceAlignment
from affectline.common.runtime.in_flight import InFlightWindow
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.settings.sources import begins_at, redact
from affectline.common.wire.base import Message
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import (
    Emotion,
    Frame,
    Packet,
    StreamDone,
    StreamEnd,
    StreamStart,
)
from affectline.common.wire.watermark import Watermark
from affectline.services.capture.reader import EncodedFrame, FilmTiming, SourceReader
from affectline.services.capture.sources import open_source
from affectline.services.capture.spec import CaptureProcess

END_REPEAT_S: Final = 0.5


class Capture(Stage):
    """The stage of one source."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {
        Frame: "bus", StreamStart: "bus", StreamEnd: "bus", Watermark: "bus",
    }  # fmt: skip
    measures_latency = False  # it records the latency of its own frames, not of answers
    tick_ms = 50

    def __init__(self, process: CaptureProcess) -> None:
        self._consumers = process.consumers
        self._recorded_sources = process.recorded_sources
        self.stream = process.source.name
        self._source, self._settings, self._pace = process.source, process.settings, process.pace
        self._process, self._session_start = process, process.session_start
        self._patient, self._calendar_start = process.patient, process.calendar_start
        self._kind = process.source.kind
        self._epoch = process.epoch or 0
        self._first_seq = self._next_seq = process.first_seq
        self._reader: SourceReader | None = None
        self.open_source = open_source
        """Opens the source; frames in memory have their own opener."""
        self._end: StreamEnd | None = None
        self._end_published = 0.0
        self._started = self._finished = False

    @property
    def _is_recorded(self) -> bool:
        """Whether frames have their own times instead of the clock's."""
        return self._kind in ("film", "pictures")

    @property
    def _is_lossless(self) -> bool:
        return self.context.delivery == "lossless"

    def topic(self, kind: type[Message]) -> str | None:
        if kind is Watermark:
            return kind.topic_prefix + "/" if self._is_aligned else None
        return super().topic(kind) if kind not in (Emotion, Kept) or self._is_lossless else None

    @property
    def _is_aligned(self) -> bool:
        """Whether other recorded sources, or planned markers, share the time line."""
        return self._is_lossless and bool(self._recorded_sources)

    def setup(self) -> None:
        self._epoch = self._epoch or self.context.now() // 1_000_000
        self._begins_at = self._last_captured_at = 0
        self._window = InFlightWindow()
        others = self._recorded_sources if self._is_aligned else ()
        self._alignment = SourceAlignment(self.context.service, others)
        if self._session_start is not None:
            self._begin()  # the others may learn it before the first frame
        self._reader = SourceReader(
            self._source, self._settings, self._pace, self._window, self.context, self._first_seq,
            self._consumers, self._begin, self._alignment, self.open_source,
        )  # fmt: skip
        self._reader.epoch = self._epoch
        self._reader.open(patient=self._patient)
        self._reader.start()

    def _begin(self) -> FilmTiming:
        """Place the source on the session's time line.

        Without a plan it begins now, when the consumers are ready and the hub's clock is known.
        """
        if self._session_start is None:
            self._session_start = self.context.now()
        dated = self._calendar_start
        begin = begins_at(self._source, self._session_start) if dated is None else dated
        begin = begin if self._process.begins_at is None else self._process.begins_at
        self._begins_at = self._last_captured_at = begin
        self._alignment.reach(self._begins_at)
        duration = self._process.duration
        ends_at = None if duration is None else self._session_start + round(duration * 1e9)
        return FilmTiming(
            begins_at=self._begins_at,
            ends_at=ends_at,
            speed=self._process.rate,
            # A source with its own date does not follow the clock
            follows_clock=self._process.follows_clock and self._source.start is None,
        )

    def on_consumers_ready(self, services: set[str]) -> Iterable[Packet]:
        """Resend the unanswered frames to a consumer that has become ready (again)."""
        with self._window.changed:
            self._window.changed.notify_all()
        if not self._is_lossless:
            return ()
        unanswered = self._window.missed_by(
            services, self._source.name, self.context.service, monotonic_ns()
        )
        return self._resend(unanswered)

    @on(Emotion)
    def on_emotion(self, packet: Packet[Emotion]) -> Iterable[Packet]:
        """Handle an answer to a frame; earlier frames without an answer were lost on the way."""
        emotion = packet.message
        if emotion.epoch != self._epoch:
            return ()
        self._alignment.reach(emotion.captured_at + 1)  # answers come in order
        outbox = self.context.outbox
        keepers = outbox.keepers_of(emotion.topic) if outbox else ()
        return self._resend(self._window.on_answer(emotion.seq, monotonic_ns(), keepers))

    @on(Kept)
    def on_kept(self, packet: Packet[Kept]) -> Iterable[Packet]:
        """Drop frames whose answers a consumer has on disk."""
        receipt = packet.message
        keys = receipt.keys.get(f"{Emotion.topic_prefix}/{self._source.name}", ())
        with self._window.changed:
            seqs = [seq for epoch, seq in keys if epoch == self._epoch]
            self._window.on_kept(receipt.by, seqs)
            self._window.changed.notify_all()
        return ()

    @on(Watermark)
    def on_watermark(self, packet: Packet[Watermark]) -> Iterable[Packet]:
        """Note the progress of another recorded source: the reader may continue."""
        with self._window.changed:
            self._alignment.observe(packet.message, monotonic())
            self._window.changed.notify_all()
        return ()

    @on(StreamDone)
    def on_stream_done(self, packet: Packet[StreamDone]) -> Iterable[Packet]:
        """Finish once the sink has everything."""
        done = packet.message
        if done.by == "sink" and done.epoch == self._epoch and self._end:
            self._finished = done.last_seq >= self._end.last_seq
        return ()

    def tick(self) -> Iterator[Packet]:
        reader = self._reader
        if reader is None:
            return
        if reader.failure:
            raise reader.failure
        ending = reader.ending  # before the queue is found empty: no frame comes after it
        while (frame := reader.pop()) is not None:
            if not self._started:
                self._started = True
                yield self._start()
            yield self._publish(frame)
            reader.confirm_published()
        yield from self._resend(self._window.overdue(monotonic_ns()))
        if ending and not self._window:
            if self._end is None:
                self._end = self._make_end(ending.reason, ending.detail)
                self._alignment.reach(self._last_captured_at + 1, ended=True)
                where = {"stream": self._source.name, "seq": self._end.last_seq}
                self.context.log.info("the source has ended: %s", self._end.reason, extra=where)
            if monotonic() - self._end_published >= END_REPEAT_S:
                self._end_published = monotonic()
                yield Packet(self._end)
        yield from self._announcements()

    def _announcements(self) -> Iterable[Packet]:
        """Announce how far the film has come; in live delivery others wait only for its end."""
        return self._alignment.announcements(monotonic()) if self._recorded_sources else ()

    def on_send_failed(self, packet: Packet) -> Iterable[Packet]:
        self.context.counters["skipped"] += isinstance(packet.message, Frame)
        return ()

    def stop(self) -> Iterable[Packet]:
        if self._finished:
            return
        if self._started:
            yield Packet(self._end or self._make_end("stopped"))
        self._alignment.reach(self._last_captured_at + 1, ended=True)
        yield from self._announcements()

    def cleanup(self) -> None:
        if self._reader and self._reader.is_alive():
            self._reader.stop()
            # A read that hangs in a driver must not keep the process alive: the thread is a daemon
            self._reader.join(timeout=1)

    @property
    def done(self) -> bool:
        return self._finished

    def _resend(self, packets: list[Packet]) -> list[Packet]:
        if packets:
            self.context.counters["resent"] += len(packets)
            where = {"stream": self._source.name}
            self.context.log.info("resent %d frames", len(packets), extra=where)
        return packets

    def _publish(self, encoded: EncodedFrame) -> Packet:
        frame = Frame(
            stream=self._source.name,
            epoch=self._epoch,
            seq=encoded.seq,
            captured_at=encoded.captured_at,
            received_at=encoded.received_at,
            media_time=encoded.media_time,
            file=encoded.file,
            width=encoded.width,
            height=encoded.height,
            encoding=self._settings.encoding,
        )
        self._next_seq = encoded.seq + 1
        self._last_captured_at = encoded.captured_at
        self.context.counters["frames"] += 1
        self.context.record_latency(encoded.received_at)
        packet = Packet(frame, (encoded.data,))
        if self._is_lossless:
            self._window.add(frame.seq, packet, monotonic_ns())
        return packet

    def _start(self) -> Packet:
        shown = redact(self._source.source)
        self.context.log.info("reading %s", shown, extra={"stream": self._source.name})
        opened = self._reader.opened if self._reader else None
        return Packet(
            StreamStart(
                stream=self._source.name,
                epoch=self._epoch,
                started_at=self._begins_at if self._is_recorded else self.context.now(),
                received_at=self.context.now(),
                session_start=self._session_start or 0,
                source=shown,
                kind=self._kind,
                live=not self._is_recorded,
                first_seq=self._first_seq,
                rate=opened.rate if opened else None,
                frames=opened.frames if opened else None,
                duration_s=opened.duration_s if opened else None,
            )
        )

    def _make_end(
        self,
        reason: Literal["end", "damaged", "truncated", "stopped", "lost"],
        detail: str = "",
    ) -> StreamEnd:
        return StreamEnd(
            stream=self._source.name,
            epoch=self._epoch,
            ended_at=self._last_captured_at,
            received_at=self.context.now(),
            last_seq=self._next_seq - 1,
            reason="stopped" if reason == "lost" else reason,
            detail=detail,
        )
