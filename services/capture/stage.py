"""The capture process' stage: publishes what the reader reads, and sees every frame answered.

Lossless delivery: the source pauses unless all consumers that the stream needs are there, and
while an `InFlightWindow` of frames is unanswered. Unanswered frames are kept, and sent again when
a consumer comes back. Live delivery: the newest picture wins, and what cannot be sent is counted.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from affectline.common.clock import monotonic, monotonic_ns
from affectline.common.runtime.in_flight import InFlightWindow
from affectline.common.runtime.service import Stage, run_service
from affectline.common.settings.pipeline import (
    CaptureSettings,
    Delivery,
    HubSettings,
    Pace,
    SourceSettings,
    is_live,
    redact,
)
from affectline.common.wire.messages import (
    Emotion,
    Frame,
    Packet,
    StreamDone,
    StreamEnd,
    StreamStart,
)
from affectline.services.capture.reader import CONSUMERS, EncodedFrame, SourceReader

END_REPEAT_S: Final = 0.5


class Capture(Stage):
    """One source's stage.

    Args:
        source: What to read, and the stream's name.
        settings: How to take pictures.
        pace: Whether files are read at their own rate.
        epoch: Epoch of the frames; the time of the start by default.
        first_seq: The first frame that nobody has answered yet, when going on after a process
            that died.
        patient: A camera that is away now may come later.
        consumers: Who must be there besides the stream's detector.
    """

    tick_ms = 50
    measured = None  # it measures the pictures that it publishes, not the answers that come back

    def __init__(
        self,
        source: SourceSettings,
        settings: CaptureSettings,
        pace: Pace,
        *,
        epoch: int | None = None,
        first_seq: int = 0,
        patient: bool = False,
        consumers: tuple[str, ...] = CONSUMERS,
    ) -> None:
        self._consumers = consumers
        self.stream = source.name
        self._source, self._settings, self._pace = source, settings, pace
        self._patient = patient
        self._epoch = epoch or 0
        self._first_seq = self._next_seq = first_seq
        self._reader: SourceReader | None = None
        self._end: StreamEnd | None = None
        self._end_said = 0.0
        self._started = self._finished = False

    def setup(self) -> None:
        self._lossless = self.context.delivery == "lossless"
        answers = (f"emotion/{self._source.name}",) if self._lossless else ()
        self.subscriptions = (f"stream/{self._source.name}", *answers)
        self._epoch = self._epoch or self.context.now() // 1_000_000
        self._window = InFlightWindow()
        self._reader = SourceReader(
            self._source, self._settings, self._pace, self._window, self.context, self._first_seq,
            self._consumers,
        )  # fmt: skip
        self._reader.open(patient=self._patient)
        self._reader.start()

    def newly_ready(self, services: set[str]) -> Iterable[Packet]:
        """A consumer came (back): it starts with what nobody has answered yet."""
        with self._window.changed:
            self._window.changed.notify_all()
        if not self._lossless:
            return ()
        again = self._window.for_newcomers(
            services, self._source.name, self.context.service, monotonic_ns()
        )
        return self._resend(again)

    def process(self, packet: Packet) -> Iterable[Packet]:
        message = packet.message
        if isinstance(message, Emotion) and message.epoch == self._epoch:
            return self._resend(self._window.answered(message.seq, monotonic_ns()))
        if (
            isinstance(message, StreamDone)
            and message.by == "sink"
            and message.epoch == self._epoch
            and self._end
        ):
            self._finished = message.last_seq >= self._end.last_seq
        return ()

    def tick(self) -> Iterator[Packet]:
        reader = self._reader
        if reader is None:
            return
        if reader.failure:
            raise reader.failure
        while (picture := reader.take()) is not None:
            if not self._started:
                self._started = True
                yield self._start()
            yield self._publish(picture)
        yield from self._resend(self._window.stuck(monotonic_ns()))
        if reader.ending and not self._window:
            self._end = self._end or self._make_end(reader.ending.reason, reader.ending.detail)
            if monotonic() - self._end_said >= END_REPEAT_S:
                self._end_said = monotonic()
                yield Packet(self._end)

    def refused(self, packet: Packet) -> Iterable[Packet]:
        self.context.counters["skipped"] += isinstance(packet.message, Frame)
        return ()

    def stop(self) -> Iterable[Packet]:
        if self._finished or not self._started:
            return ()
        return (Packet(self._end or self._make_end("stopped")),)

    def cleanup(self) -> None:
        if self._reader and self._reader.is_alive():
            self._reader.stop()
            # A read that hangs in a driver must not keep the process: the thread is a daemon
            self._reader.join(timeout=1)

    @property
    def done(self) -> bool:
        return self._finished

    def _resend(self, packets: list[Packet]) -> list[Packet]:
        if packets:
            self.context.counters["resent"] += len(packets)
        return packets

    def _publish(self, picture: EncodedFrame) -> Packet:
        frame = Frame(
            stream=self._source.name,
            epoch=self._epoch,
            seq=picture.seq,
            captured_at=picture.captured_at,
            media_time=picture.media_time,
            width=picture.width,
            height=picture.height,
            encoding=self._settings.encoding,
        )
        self._next_seq = picture.seq + 1
        self.context.counters["frames"] += 1
        self.context.observe(picture.captured_at)
        packet = Packet(frame, (picture.data,))
        if self._lossless:
            self._window.add(frame.seq, packet, monotonic_ns())
        return packet

    def _start(self) -> Packet:
        opened = self._reader.opened if self._reader else None
        return Packet(
            StreamStart(
                stream=self._source.name,
                epoch=self._epoch,
                started_at=self.context.now(),
                source=redact(self._source.source),
                live=is_live(self._source.source),
                first_seq=self._first_seq,
                rate=opened.rate if opened else None,
                frames=opened.frames if opened else None,
            )
        )

    def _make_end(
        self, reason: Literal["end", "truncated", "stopped", "lost"], detail: str = ""
    ) -> StreamEnd:
        return StreamEnd(
            stream=self._source.name,
            epoch=self._epoch,
            ended_at=self.context.now(),
            last_seq=self._next_seq - 1,
            reason="stopped" if reason == "lost" else reason,
            detail=detail,
        )


def run(
    source: SourceSettings,
    settings: CaptureSettings,
    pace: Pace,
    hub: HubSettings,
    delivery: Delivery,
    *,
    epoch: int | None = None,
    first_seq: int = 0,
    patient: bool = False,
    consumers: tuple[str, ...] = CONSUMERS,
) -> int:
    """Be the capture process of one source; return the exit code.

    The arguments are those of `Capture`, and where the hub is and how it delivers.
    """
    stage = Capture(
        source, settings, pace, epoch=epoch, first_seq=first_seq, patient=patient,
        consumers=consumers,
    )  # fmt: skip
    return run_service(stage, f"capture/{source.name}", hub, delivery)
