"""The capture process: pictures in, frames out, at the pace that the consumers bear.

Lossless delivery: the source pauses unless all consumers that the configuration names are there,
and while `WINDOW` frames are unanswered. Unanswered frames are kept and sent again when a consumer
comes back. Live delivery: the newest picture wins, and what cannot be sent is counted.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import Final

import cv2

from common.clock import monotonic
from common.config import CaptureSettings, Delivery, HubSettings, Pace, SourceSettings
from common.errors import AffectlineError
from common.messages import Emotion, Frame, Packet, StreamDone, StreamEnd, StreamStart
from common.runtime import Stage, run_service
from services.sources import Ending, Picture, Source, is_live, open_source

WINDOW: Final = 16
"""Frames under way at once in lossless delivery: enough to keep every stage busy, few enough that
no queue of the bus fills up, for a full one could block its own way out."""
BACKLOG: Final = 2
"""Pictures that wait for the process' own loop."""
PATIENCE_S: Final = 10.0
"""Live delivery: how long to wait for consumers before starting without them."""
END_REPEAT_S: Final = 0.5
BACK_OFF_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses before a lost camera or stream is tried again; the last one repeats."""


class Capture(Stage):
    """One source's stage: a thread reads and encodes, the process' loop publishes."""

    tick_ms = 50

    def __init__(
        self,
        source: SourceSettings,
        settings: CaptureSettings,
        pace: Pace,
        *,
        epoch: int | None = None,
        first_seq: int = 0,
    ) -> None:
        self.subscriptions = (f"emotion/{source.name}", f"stream/{source.name}")
        self._source, self._settings, self._pace = source, settings, pace
        self._epoch, self._next_seq = epoch, first_seq
        self._first_seq = first_seq
        self._resumed = epoch is not None
        self._unanswered: OrderedDict[int, Packet] = OrderedDict()
        self._backlog: deque[tuple[Picture, int, bytes]] = deque()
        self._room = threading.Condition()
        self._stopping = threading.Event()
        self._failure: AffectlineError | None = None
        self._ending: Ending | None = None
        self._end: StreamEnd | None = None
        self._end_said = 0.0
        self._started = self._finished = False

    def setup(self) -> None:
        self._lossless = self.around.delivery == "lossless"
        if self._epoch is None:
            self._epoch = self.around.now() // 1_000_000
        self._opened = self._open_first()
        self._deadline = monotonic() + PATIENCE_S
        self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
        self._thread.start()

    def _open_first(self) -> Source | None:
        try:
            return open_source(self._source.source, self._settings)
        except AffectlineError:
            # A process that is restarted while its camera is away waits for it
            if self._resumed and is_live(self._source.source):
                return None
            raise

    # The loop's side

    def newly_ready(self, services: set[str]) -> Iterable[Packet]:
        """A consumer came (back): it starts with what nobody has answered yet."""
        with self._room:
            self._room.notify_all()
        if self._lossless and services:
            self.around.counters["resent"] += len(self._unanswered)
            return list(self._unanswered.values())
        return ()

    def process(self, packet: Packet) -> Iterable[Packet]:
        message = packet.message
        if isinstance(message, Emotion) and message.epoch == self._epoch:
            with self._room:
                self._unanswered.pop(message.seq, None)
                self._room.notify_all()
        elif isinstance(message, StreamDone) and message.epoch == self._epoch and self._end:
            self._finished = message.last_seq >= self._end.last_seq
        return ()

    def tick(self) -> Iterator[Packet]:
        if self._failure:
            raise self._failure
        while self._backlog:
            if not self._started:
                self._started = True
                yield self._start()
            with self._room:
                picture, captured_at, data = self._backlog.popleft()
                self._room.notify_all()
            yield self._publish(picture, captured_at, data)
        if self._ending and not self._backlog and not self._unanswered:
            self._end = self._end or self._make_end(self._ending)
            if monotonic() - self._end_said >= END_REPEAT_S:
                self._end_said = monotonic()
                yield Packet(self._end)

    def refused(self, packet: Packet) -> Iterable[Packet]:
        self.around.counters["skipped"] += isinstance(packet.message, Frame)
        return ()

    def stop(self) -> Iterable[Packet]:
        self._stopping.set()
        if self._finished or not self._started:
            return ()
        return (Packet(self._end or self._make_end(None)),)

    def cleanup(self) -> None:
        self._stopping.set()
        with self._room:
            self._room.notify_all()
        if hasattr(self, "_thread"):
            # A read that hangs in a driver must not keep the process: the thread is a daemon
            self._thread.join(timeout=1)

    @property
    def done(self) -> bool:
        return self._finished

    def _publish(self, picture: Picture, captured_at: int, data: bytes) -> Packet:
        height, width = picture.image.shape[:2]
        frame = Frame(
            stream=self._source.name,
            epoch=self._epoch or 0,
            seq=self._next_seq,
            captured_at=captured_at,
            media_time=picture.media_time,
            width=width,
            height=height,
            encoding=self._settings.encoding,
        )
        self._next_seq += 1
        self.around.counters["frames"] += 1
        self.around.observe(captured_at)
        packet = Packet(frame, (data,))
        if self._lossless:
            self._unanswered[frame.seq] = packet
        return packet

    def _start(self) -> Packet:
        opened = self._opened
        return Packet(
            StreamStart(
                stream=self._source.name,
                epoch=self._epoch or 0,
                started_at=self.around.now(),
                source=self._source.source,
                live=is_live(self._source.source),
                first_seq=self._first_seq,
                rate=opened.rate if opened else None,
                frames=opened.frames if opened else None,
            )
        )

    def _make_end(self, ending: Ending | None) -> StreamEnd:
        stopped = ending is None or ending.reason == "lost"
        return StreamEnd(
            stream=self._source.name,
            epoch=self._epoch or 0,
            ended_at=self.around.now(),
            last_seq=self._next_seq - 1,
            reason="stopped" if stopped or ending is None else ending.reason,  # type: ignore[arg-type]
            detail=ending.detail if ending else "",
        )

    # The reader thread's side

    def _work(self) -> None:
        try:
            if self._wait_for_consumers():
                while not self._stopping.is_set():
                    ending = self._read_all()
                    if ending.reason != "lost" and not self._source.loop:
                        self._ending = ending
                        break
                    self._opened = self._reopen(ending)
        except AffectlineError as error:
            self._failure = error
        finally:
            if self._opened:
                self._opened.close()
            self.around.wake()

    def _wait_for_consumers(self) -> bool:
        """Wait until the pipeline is there; False when stopped meanwhile."""
        with self._room:
            while not self._stopping.is_set():
                missing = self._missing_consumers()
                if not missing or (not self._lossless and monotonic() > self._deadline):
                    self.around.detail = ""
                    return True
                self.around.detail = f"waiting for {', '.join(missing)}"
                self._room.wait(timeout=1)
        return False

    def _missing_consumers(self) -> list[str]:
        there = self.around.ready | {name.split("/")[0] for name in self.around.ready}
        wanted = (f"detector/{self._source.name}", "classifier", "sink")
        return [name for name in wanted if name not in there]

    def _read_all(self) -> Ending:
        """Read until the source ends or is lost."""
        source = self._opened
        if source is None:
            return Ending("lost", f"{self._source.source} does not open")
        to_skip = self._first_seq if self._resumed and not source.live else 0
        begun = monotonic()
        begun_at: int | None = None
        while not self._stopping.is_set():
            picture = source.read()
            if picture is None:
                break
            if to_skip:
                to_skip -= 1
                continue
            if picture.media_time is not None and self._pace == "realtime":
                if begun_at is None:
                    begun_at = picture.media_time
                self._stopping.wait((picture.media_time - begun_at) / 1e9 - (monotonic() - begun))
            self._hand_over(picture)
        self._resumed = False
        ending = source.ending()
        source.close()
        return ending

    def _hand_over(self, picture: Picture) -> None:
        if self._lossless and not self._wait_for_room():
            return
        captured_at = self.around.now()
        picture = self._scale(picture)
        data = self._encode(picture)
        with self._room:
            if len(self._backlog) >= BACKLOG and not self._lossless:
                self._backlog.popleft()
                self.around.counters["skipped"] += 1
            self._backlog.append((picture, captured_at, data))
        self.around.wake()

    def _wait_for_room(self) -> bool:
        """Lossless: wait until a frame more may be under way; False when stopped meanwhile."""
        with self._room:
            while not self._stopping.is_set():
                under_way = len(self._unanswered) + len(self._backlog)
                if under_way < WINDOW and not self._missing_consumers():
                    return True
                self._room.wait(timeout=1)
        return False

    def _scale(self, picture: Picture) -> Picture:
        width = self._settings.width
        height, own_width = picture.image.shape[:2]
        if width is None or width == own_width:
            return picture
        size = (width, max(1, round(height * width / own_width)))
        how = cv2.INTER_AREA if width < own_width else cv2.INTER_LINEAR
        image = cv2.resize(picture.image, size, interpolation=how)
        return picture._replace(image=image)  # type: ignore[arg-type]

    def _encode(self, picture: Picture) -> bytes:
        if self._settings.encoding == "raw":
            return picture.image.tobytes()
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._settings.jpeg_quality]
        return cv2.imencode(".jpg", picture.image, quality)[1].tobytes()

    def _reopen(self, ending: Ending) -> Source | None:
        """Open the source again, for as long as it takes; None when stopped meanwhile."""
        for attempt in range(1_000_000):
            if self._source.loop and ending.reason != "lost":
                pause = 0.0
            else:
                pause = BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)]
                self.around.state = "degraded"
                self.around.detail = f"{ending.detail}; trying again in {pause:g} s"
            if self._stopping.wait(pause):
                return None
            try:
                source = open_source(self._source.source, self._settings)
            except AffectlineError:
                ending = Ending("lost", f"{self._source.source} does not answer")
                continue
            self.around.state, self.around.detail = "ready", ""
            self.around.counters["reopened"] += 1
            return source
        return None


def run(
    source: SourceSettings,
    settings: CaptureSettings,
    pace: Pace,
    hub: HubSettings,
    delivery: Delivery,
    *,
    epoch: int | None = None,
    first_seq: int = 0,
) -> int:
    """Be the capture process of one source; return the exit code.

    Args:
        source: What to read, and the stream's name.
        settings: How to take pictures.
        pace: ``realtime`` reads files at their own rate, ``fast`` as fast as they are consumed.
        hub: Where the hub is.
        delivery: Which delivery mode the pipeline runs in.
        epoch: Go on in this epoch, after the process that had begun it died.
        first_seq: The first frame that nobody has answered yet, when going on.
    """
    stage = Capture(source, settings, pace, epoch=epoch, first_seq=first_seq)
    return run_service(stage, f"capture/{source.name}", hub, delivery)
