"""The thread that reads a source at its pace, and reopens it when it is lost."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.runtime.event_time import SourceAlignment
from affectline.common.runtime.in_flight import SIZE, InFlightWindow
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.sources import (
    CaptureSettings,
    Pace,
    SourceSettings,
    redact,
)
from affectline.services.capture.frame_encoder import UnencodableFrame, check_size, encode
from affectline.services.capture.frame_pacer import FramePacer
from affectline.services.capture.frame_source import Source, SourceEnd, SourceFrame
from affectline.services.capture.sources import open_source

PICTURE_STEP_NS: Final = 1_000_000_000
"""Pictures of a folder have no times: they are one second apart on the session's time line."""
DEFAULT_RATE: Final = 25.0
"""Frames a second of a film that declares no rate, for the step between rounds of a loop."""
PUBLISH_S: Final = 0.005
"""How long the reader waits until a frame is published, at pace ``realtime``."""
BACKLOG: Final = 32
"""How many live frames may wait for the process's own loop: about a second. All of them are
published, and the detector answers those that are late by then with "behind"."""
CONSUMER_TIMEOUT_S: Final = 10.0
"""Live delivery: how long to wait for consumers before starting without them."""
BACK_OFF_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses before each retry of a lost camera or stream; the last one repeats."""

CONSUMERS: Final = ("classifier", "sink")
"""Consumers that a stream needs besides its detector, unless the settings name others."""


class EncodedFrame(NamedTuple):
    """A frame ready to be published."""

    data: bytes
    width: int
    height: int
    captured_at: int
    received_at: int
    media_time: int | None
    file: str | None
    seq: int


class FilmTiming(NamedTuple):
    """A film's place on the session's time line, and its speed."""

    begins_at: int = 0
    """The time of its media time 0, in ns since the Unix epoch."""
    ends_at: int | None = None
    """When reading stops, in ns; None: at the film's end."""
    speed: float = 1.0
    """Multiple of the film's own speed, at pace ``realtime``."""
    follows_clock: bool = False
    """Frames are due by the clock, instead of relative to the first one."""


class SourceReader(threading.Thread):
    """Reads, scales and encodes frames, and puts them into a short queue.

    Args:
        source: What to read.
        settings: How to read and encode frames.
        pace: Whether files are read at their own rate.
        window: Limits how many frames are read ahead in lossless delivery.
        context: The process; `StageContext.wake` is called for every frame.
        skip: Frames of a file to skip, because an earlier process has published them.
        consumers: Consumers that the stream needs besides its detector.
        begin: Called when reading begins; returns the source's place on the session's time line.
        alignment: Keeps a film in step with the other recorded sources.
        open_source: Opens the source.
    """

    def __init__(
        self,
        source: SourceSettings,
        settings: CaptureSettings,
        pace: Pace,
        window: InFlightWindow,
        context: StageContext,
        skip: int,
        consumers: tuple[str, ...] = CONSUMERS,
        begin: Callable[[], FilmTiming] = FilmTiming,
        alignment: SourceAlignment | None = None,
        open_source: Callable[[SourceSettings, CaptureSettings], Source] = open_source,
    ) -> None:
        super().__init__(name="reader", daemon=True)
        self._begin, self._alignment, self._open_source = begin, alignment, open_source
        self._timing = FilmTiming()
        self._begins_at = 0
        self._is_over = False
        self._is_published = True
        """Whether all frames that were read have been published."""
        self._source, self._settings, self._pace = source, settings, pace
        self._window, self._context = window, context
        self._skip = self.next_seq = skip
        self._consumers = consumers
        self._lossless = context.delivery == "lossless"
        self.epoch = 0
        """Epoch of its frames, for traces."""
        self.stopping = threading.Event()
        self.queue: deque[EncodedFrame] = deque()
        self.opened: Source | None = None
        self.ending: SourceEnd | None = None
        """Set after the last frame of a source that ends."""
        self.failure: Exception | None = None
        """Why the thread failed."""

    def open(self, *, patient: bool) -> None:
        """Open the source for the first time.

        Args:
            patient: Accept a camera that is not available yet: it may appear later.

        Raises:
            AffectlineError: The source cannot be opened.
        """
        try:
            self.opened = self._open_source(self._source, self._settings)
        except AffectlineError:
            if not (patient and self._source.kind in ("camera", "stream")):
                raise

    def run(self) -> None:
        """Read until the source ends or `stop` is called."""
        try:
            if self._wait_for_consumers():
                self._timing = self._begin()
                self._begins_at = self._timing.begins_at
                self._read_repeatedly()
        except Exception as error:
            self.failure = error
        finally:
            if self.opened:
                self.opened.close()
            self._context.wake()

    def stop(self) -> None:
        """Stop reading; the thread ends soon, unless a driver holds it."""
        self.stopping.set()
        with self._window.changed:
            self._window.changed.notify_all()

    def pop(self) -> EncodedFrame | None:
        """The next frame to publish, if there is one."""
        with self._window.changed:
            frame = self.queue.popleft() if self.queue else None
            self._window.changed.notify_all()
        return frame

    def confirm_published(self) -> None:
        """Call this once the frame from `pop` is published: the next frame may be read."""
        with self._window.changed:
            self._is_published = not self.queue
            self._window.changed.notify_all()

    def _read_repeatedly(self) -> None:
        while not self.stopping.is_set():
            ending = self._read_to_end()
            if ending.reason != "lost" and (self._is_over or not self._source.loop):
                self.ending = ending
                return
            if self.stopping.is_set():  # a camera that is closed on request is not lost
                return
            self.opened = self._reopen(ending)

    def _read_to_end(self) -> SourceEnd:
        source = self.opened
        if source is None:
            return SourceEnd("lost", f"{redact(self._source.source)} does not open")
        pacer = FramePacer(self._settings.rate, self._pace, self._timing.speed)
        pictures = last = 0
        step_ns = round(1e9 / (source.rate or DEFAULT_RATE))
        while not self.stopping.is_set() and (frame := self._read(source)) is not None:
            self._report_notes(source)
            if frame.media_time is None and frame.file is None:
                self._enqueue(source, frame, None)
                continue
            elapsed = frame.media_time
            if elapsed is None:
                elapsed = pictures * PICTURE_STEP_NS
                pictures += 1
                step_ns = PICTURE_STEP_NS
            elif not pacer.is_wanted(elapsed):
                continue
            if self._skip:
                self._skip -= self._has_number(source, frame)
                continue
            captured_at = self._begins_at + elapsed
            if self._timing.ends_at is not None and captured_at >= self._timing.ends_at:
                self._is_over = True
                source.close()
                return SourceEnd("end")
            delay_s = self._delay_s(pacer, elapsed, captured_at)
            with self._context.span("wait until due", self._next_key, count=round(1e6 * delay_s)):
                self.stopping.wait(delay_s)
            last = captured_at
            self._enqueue(source, frame, last)
        if self._source.loop and last:
            # The next round continues after this one: time never goes back, nor ahead of the clock
            elapsed = last + step_ns - self._begins_at
            self._begins_at = last + step_ns
            self.stopping.wait(self._delay_s(pacer, elapsed, self._begins_at))
        self._report_notes(source)
        ending = source.ending()
        source.close()
        return ending

    def _report_notes(self, source: Source) -> None:
        """Log and count problems with a source that have not been reported yet."""
        for name, notes in (("damaged", source.damage), ("remarks", source.remarks)):
            for text in notes.pop_news():
                level = logging.WARNING if notes.is_urgent else logging.INFO
                self._context.log.log(level, "%s", text, extra={"stream": self._source.name})
            if new := notes.pop_count():  # of this source: it may have been opened before
                self._context.counters[name] += new

    def _delay_s(self, pacer: FramePacer, elapsed: int, captured_at: int) -> float:
        """Time to wait until a frame of a film is due, in s."""
        if self._timing.follows_clock and self._pace == "realtime":
            return (captured_at - self._context.now()) / 1e9
        return pacer.delay_s(elapsed)

    def _wait_for_consumers(self) -> bool:
        """Wait until the consumers are ready; False if stopped meanwhile."""
        deadline = monotonic() + CONSUMER_TIMEOUT_S
        with self._window.changed:
            while not self.stopping.is_set():
                missing = self.missing_consumers()
                if not missing or (not self._lossless and monotonic() > deadline):
                    self._context.detail = ""
                    return True
                self._context.detail = f"waiting for {', '.join(missing)}"
                if not (self.opened and self.opened.live and self._discard_frame(self.opened)):
                    self._window.changed.wait(timeout=1)
        return False

    def _discard_frame(self, source: Source) -> bool:
        """Read and drop a live frame without consumers, so that the driver buffers no old ones.

        Returns:
            False if the source gives no frame: retrying at once is useless then.
        """
        self._window.changed.release()
        try:
            return source.read() is not None
        finally:
            self._window.changed.acquire()

    def missing_consumers(self) -> list[str]:
        """Consumers that the stream needs and that have not announced themselves."""
        ready = self._context.ready.copy()  # the process's own loop changes it meanwhile
        there = ready | {name.split("/")[0] for name in ready}
        wanted = (f"detector/{self._source.name}", *self._consumers)
        return [name for name in wanted if name not in there]

    def _has_number(self, source: Source, frame: SourceFrame) -> bool:
        """Whether an earlier process has numbered a frame: those that cannot be sent have none."""
        try:
            check_size(frame.content, self._settings)
        except UnencodableFrame as error:
            _note_damage(source, frame, error)
            return False
        return True

    def _enqueue(self, source: Source, frame: SourceFrame, captured_at: int | None) -> None:
        """Encode and queue a frame; ``captured_at`` is None for cameras, which capture it now."""
        received_at = self._context.now()
        if not self._lossless and len(self.queue) >= BACKLOG:
            # It has no number yet: every frame that has one gets a result
            self._context.counters["skipped"] += 1
            return
        if self._lossless:
            with self._context.span("wait for room", self._next_key):
                has_room = self._wait_for_room(captured_at)
            if not has_room:
                return
            if captured_at is not None:  # a film waits in its file, not in the pipeline
                received_at = self._context.now()
        try:
            encoded = self._encode(
                frame, received_at if captured_at is None else captured_at, received_at
            )
        except UnencodableFrame as error:
            _note_damage(source, frame, error)
            return
        self.next_seq += 1
        with self._window.changed:
            self.queue.append(encoded)
            self._is_published = False
        self._context.wake()
        if self._pace == "realtime":
            # PyAV holds the GIL while it converts: publish this frame before the next one is read
            with self._context.span("wait until published"), self._window.changed:
                self._window.changed.wait_for(lambda: self._is_published, PUBLISH_S)

    def _wait_for_room(self, event_time: int | None) -> bool:
        """Lossless: wait until one more frame may be in flight; False if stopped meanwhile.

        Args:
            event_time: Time of the frame, about as far as other recorded sources must have come.
        """
        with self._window.changed:
            while not self.stopping.is_set():
                in_flight = len(self._window) + len(self.queue)
                if not in_flight and event_time is not None and self._alignment is not None:
                    # Nothing comes before this frame: others need not wait for earlier ones
                    self._alignment.reach(event_time)
                has_room = in_flight < SIZE and not self.missing_consumers()
                if self._context.outbox is not None:
                    has_room &= not self._context.outbox.is_full
                if has_room and self._is_in_step(event_time):
                    return True
                if has_room:
                    self._context.wake()  # tell the others how far this source has come
                self._window.changed.wait(timeout=1)
        return False

    def _is_in_step(self, event_time: int | None) -> bool:
        if event_time is None or self._alignment is None:
            return True
        return self._alignment.may_publish(event_time, monotonic())

    @property
    def _next_key(self) -> tuple[str, int, int]:
        """The next frame to publish, for traces."""
        return self._source.name, self.epoch, self.next_seq

    def _read(self, source: Source) -> SourceFrame | None:
        with self._context.span("read", self._next_key):
            return source.read()

    def _encode(self, frame: SourceFrame, captured_at: int, received_at: int) -> EncodedFrame:
        with self._context.span("encode", self._next_key):
            data, width, height = encode(frame.content, self._settings)
        return EncodedFrame(
            data, width, height, captured_at, received_at, frame.media_time, frame.file,
            self.next_seq,
        )  # fmt: skip

    def _reopen(self, ending: SourceEnd) -> Source | None:
        """Retry opening the source for as long as it takes; None if stopped meanwhile."""
        attempt, pause = 0, 0.0
        while True:
            if ending.reason == "lost":
                pause = BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)]
                self._context.state = "degraded"
                self._context.detail = f"{ending.detail}; trying again in {pause:g} s"
            if self.stopping.wait(pause):
                return None
            attempt += 1
            try:
                source = self._open_source(self._source, self._settings)
            except AffectlineError:
                ending = SourceEnd("lost", f"{redact(self._source.source)} does not answer")
                continue
            self._context.state, self._context.detail = "ready", ""
            self._context.counters["reopened"] += ending.reason == "lost"
            return source


def _note_damage(source: Source, frame: SourceFrame, error: UnencodableFrame) -> None:
    """Count a frame that cannot be sent."""
    where = frame.file or f"at {(frame.media_time or 0) / 1e9:.3f} s"
    source.damage.add(f"{where} ({error})")
