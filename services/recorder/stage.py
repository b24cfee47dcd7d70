"""The stage of the recorder process: writes the bus's messages to a session file, byte for byte.

The recorder is one of the consumers that the configuration names: in lossless delivery the sources
wait for it, and everybody keeps messages until they are in its file (`common.runtime.keeping`), so
nothing is missing, whichever process is killed. Messages are handed to the operating system four
times a second. A killed recorder is replaced by one that continues the same file; in live delivery
less than a second is then missing, but no markers.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import ClassVar, Final

import cv2

from affectline.common import file_access
from affectline.common.clock import monotonic, monotonic_ns
from affectline.common.errors import AffectlineError, InvalidMessage
from affectline.common.model import artifact
from affectline.common.model.calibration import calibrated_id
from affectline.common.recording.reader import FILE, SessionReader
from affectline.common.recording.writer import SessionWriter, is_empty
from affectline.common.runtime.event_time import EventTimeMerger, RepeatFilter
from affectline.common.runtime.keeping import Keeper
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.runtime.tracing import TRACE
from affectline.common.settings.recording import Privacy
from affectline.common.vision.anonymize import Anonymizer, DetectorLimits
from affectline.common.wire import codec
from affectline.common.wire.base import Message
from affectline.common.wire.health import ends_replay
from affectline.common.wire.kept import Kept
from affectline.common.wire.kinds import recorded_kinds
from affectline.common.wire.messages import (
    Frame,
    FrameMessage,
    Marker,
    Packet,
    Scores,
    StreamDone,
)
from affectline.common.wire.watermark import Watermark
from affectline.services.recorder.file_notes import FileNotes
from affectline.services.recorder.spec import RecorderProcess

SLACK_NS: Final = 500_000_000
"""A message is written once all sources are past it by this much: face crops and scores go through
the work queue, and may arrive after the result that they led to."""
FRAME_TIMES_KEPT: Final = 1024
FLUSH_S: Final = 0.25
HOLD_S: Final = 1.0
MOST_EARLY: Final = 1000
"""How many messages without event time are kept until the session begins; any more are dropped and
counted as ``early_dropped``."""
RECENT_CHUNKS: Final = 64
"""When a file is continued, the messages of this many chunks at its end are remembered: 16 s of a
live session, and more than is ever in flight in a fast one."""
SYNC_S: Final = 1.0
"""How often the file is synchronised to disk, against power failures."""
PERMITTED_IMAGES: Final[dict[Privacy, Callable[[type[Message]], bool]]] = {
    "everything": lambda _: True,
    "blurred": lambda kind: kind is Frame,  # which is pixelated
    "features": lambda _: False,
}
"""Which kinds of message that show people are recorded, by privacy."""


class Recorder(Stage):
    """Writes a session file."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Kept: "bus"}
    tick_ms = 100
    gather_ms = 50

    def __init__(self, process: RecorderProcess) -> None:
        self._path = process.folder / FILE
        self._privacy, self._about = process.privacy, process.about
        self._limits = DetectorLimits.of(process.about)
        self._classifier = process.classifier
        expected, finishers = process.expected, process.finishers
        self._unfinished = {(stream, service) for stream in expected for service in finishers}
        self._is_endless, self._ends_with_replay = not expected, "replay" in finishers
        self._recorded_sources = process.recorded_sources
        self._waits_for_fusion = "fusion" in finishers and bool(process.recorded_sources)
        self._session_start = process.session_start
        self._has_replay_ended = False
        self._writer: SessionWriter | None = None
        self._is_finished = True
        """Whether nothing more will be written; so it is until the set-up is complete."""
        self._fsync: FsyncThread | None = None
        self._next_flush = 0.0

    def topic(self, kind: type[Message]) -> str | None:
        if kind.shows_people and not PERMITTED_IMAGES[self._privacy](kind):
            return None
        return super().topic(kind)

    def setup(self) -> None:
        self._started_at = self.context.now()
        cv2.setNumThreads(1)  # one core per process: the pipeline runs processes in parallel
        is_blurred = self._privacy == "blurred"
        self._anonymizer = Anonymizer(self.context.delivery, self._limits) if is_blurred else None
        fusion = ("fusion",) if self._waits_for_fusion else ()
        sources = (*self._recorded_sources, *fusion)
        self._merger = EventTimeMerger(sources, self.context.delivery, SLACK_NS)
        self._frame_times: OrderedDict[tuple[str, int, int], int] = OrderedDict()
        """Times of frames, for messages that name a frame without its time."""
        self._log_time = self._started_at
        self._notes = FileNotes(self.context, is_replay=self._ends_with_replay)
        self._repeats = RepeatFilter()
        context = self.context
        self._keeper = Keeper(context.service, self.subscriptions, context.delivery)
        context.keeper = self._keeper
        self._unflushed: list[Message] = []
        """Messages that are written, but not handed to the operating system yet."""
        self._early: list[Packet] = []
        """Messages that came before the file could be started."""
        try:
            file_access.make_folder(self._path.parent)
            is_continued = self._check_existing_file()
            self._hold_until = monotonic() + (HOLD_S if is_continued else 0.0)
        except OSError as error:
            raise self._cannot_write(error) from error
        if is_continued or self._session_start is not None:
            self._open_file(self._session_start or self._started_at)
        self._is_finished = False

    def _open_file(self, session_start: int) -> None:
        """Create or continue the file.

        Args:
            session_start: Zero of the session's time line; for a recording started by hand, the
                time of its first message.
        """
        self._log_time = session_start
        about = {
            "affectline": version("affectline"),
            "privacy": self._privacy,
            "model": self._model_id(),
            "session_start": session_start,
            **self._notes.about(),
            **self._about,
        }
        try:
            self._writer = SessionWriter(self._path, about, self._notes.read)
            self._notes.open(self._writer)
            self._fsync = FsyncThread(self._writer.fileno())
        except OSError as error:
            raise self._cannot_write(error) from error

    def _model_id(self) -> str:
        """ID of the classifying model, as in its results; empty if there is none."""
        if self._classifier is None:
            return ""
        try:
            chosen = self._classifier
            model_id = artifact.load(chosen.model).model_id_for(chosen.answer)
            return calibrated_id(model_id, chosen.calibration)
        except (AffectlineError, OSError):
            return ""

    def _check_existing_file(self) -> bool:
        """Check for a file to continue, which needs the privacy that it declares.

        Returns:
            Whether there is one.

        Raises:
            AffectlineError: The file was started with another privacy.
        """
        if not self._path.exists() or is_empty(self._path):
            return False
        with SessionReader(self._path) as reader:
            before = reader.about.get("privacy", self._privacy)
            recent = list(recent_messages(reader))
            self._keeper.prime(recent)
            for message in recent:
                self._repeats.is_repeated(message)
                if self._anonymizer:
                    self._anonymizer.remember(message, monotonic_ns())
        if before != self._privacy:
            raise AffectlineError(
                f"--privacy {self._privacy}: {self._path} was started with {before}",
                f"record into another folder with --out, or continue with --privacy {before}",
            )
        return True

    @on(*recorded_kinds())
    def record(self, packet: Packet) -> Iterable[Packet]:
        """Accept a message; it is written when it is its turn and its faces can be blurred.

        Messages that are replayed as recorded stay in the order of their file.
        """
        message = packet.message
        if self._ends_with_replay:
            self._write_in_order((packet,))
        # Without recorded sources it may be a replay that starts again
        elif self._recorded_sources and self._repeats.is_repeated(message):
            self._keeper.kept((message,))
            return ()
        else:
            self._merger.push(packet, monotonic(), self._event_time(packet.message))
            self._write_in_order(self._pop_ready())
        if isinstance(packet.message, StreamDone):
            self._unfinished.discard((packet.message.stream, packet.message.by))
        elif self._ends_with_replay and ends_replay(packet.message, self._started_at):
            self._has_replay_ended = True
        self._flush_if_due()
        return ()

    @on(Watermark)
    def on_watermark(self, packet: Packet[Watermark]) -> Iterable[Packet]:
        """Note the progress of a recorded source or of fusion."""
        self._merger.observe(packet.message, monotonic())
        self._write_in_order(self._pop_ready())
        self._flush_if_due()
        return ()

    def _pop_ready(self) -> Iterable[Packet]:
        """The messages that can be written now in event time order.

        A recorder that continues a file waits briefly, because messages that were lost with its
        predecessor are sent again.
        """
        now = monotonic()
        return self._merger.pop_ready(now) if now >= self._hold_until else ()

    def _event_time(self, message: Message) -> int | None:
        """When a message's event happened, on the session's time line; None without event time."""
        if isinstance(message, FrameMessage):
            self._frame_times[message.stream, message.epoch, message.seq] = message.captured_at
            if len(self._frame_times) > FRAME_TIMES_KEPT:
                self._frame_times.popitem(last=False)
        elif isinstance(message, Scores):
            return self._frame_times.get((message.stream, message.epoch, message.seq))
        return message.event_time

    def _write_in_order(self, packets: Iterable[Packet]) -> None:
        """Write messages in the order of their events, or buffer them for the anonymizer."""
        for packet in packets:
            at = self._event_time(packet.message)
            if self._writer is None and not self._is_finished:
                if at is None:  # its place is unknown until the session begins
                    if len(self._early) < MOST_EARLY:
                        self._early.append(packet)
                    else:
                        self.context.counters["early_dropped"] += 1
                    continue
                # A tool may be wrong about the time: no session begins in the future
                is_marker = isinstance(packet.message, Marker)
                self._open_file(min(at, self.context.now()) if is_marker else at)
                early, self._early = self._early, []
                self._write_in_order(early)
            log_time = self._log_time if at is None else at
            if not isinstance(packet.message, Marker):  # a tool may be wrong about the time
                self._log_time = log_time
            if self._anonymizer:
                self._anonymizer.add(packet, log_time, monotonic_ns())
            else:
                self._add(packet, log_time)
        self._write_anonymized()  # with every message, so that nothing piles up

    def tick(self) -> Iterable[Packet]:
        self._write_anonymized()
        self._flush_if_due()
        if self._fsync and self._fsync.failure:
            raise self._cannot_write(self._fsync.failure)
        try:
            self._notes.tick()
        except OSError as error:
            raise self._cannot_write(error) from error
        return ()

    def stop(self) -> Iterable[Packet]:
        self._write_in_order(self._merger.flush())
        self._write_anonymized(flush=True)
        if self._writer is None and not self._is_finished:
            self._open_file(self._started_at)  # a session in which nothing happened
            self._write_in_order(self._early)
        self._finish()
        return ()

    def cleanup(self) -> None:
        if self._fsync:
            self._fsync.stop()
        with suppress(AffectlineError):  # already reported, and the rest can be read
            if hasattr(self, "_merger"):
                self._write_in_order(self._merger.flush())
            self._write_anonymized(flush=True)
        with suppress(AffectlineError):
            self._finish()

    def _finish(self) -> None:
        self._is_finished = True
        writer, self._writer = self._writer, None
        if writer is None:
            return
        problem: OSError | None = None
        try:
            self._notes.finish()
        except OSError as error:  # the last messages are not in the file
            problem = error
            self._unflushed.clear()
        try:
            writer.finish()
        except OSError as error:
            problem = problem or error
        if problem:
            raise self._cannot_write(problem) from problem
        self._confirm()

    @property
    def done(self) -> bool:
        if self._anonymizer and self._anonymizer.is_ready(monotonic_ns()):
            return False  # heartbeats are sent between calls, but not while the process stops
        if self._is_endless or self._unfinished:
            return self._has_replay_ended
        return self._has_replay_ended or self._merger.have_all_ended

    def _flush_if_due(self) -> None:
        if monotonic() < self._next_flush or self._writer is None:
            return
        self._next_flush = monotonic() + FLUSH_S
        self._write_in_order(self._pop_ready())
        self._write_anonymized()
        try:
            with self.context.span("flush", count=self._writer.pending):
                self._writer.flush()
        except OSError as error:
            raise self._cannot_write(error) from error
        self._confirm()
        self.context.counters["recorded"] = self._writer.messages
        self.context.counters["late"] = self._merger.late

    def _confirm(self) -> None:
        """Tell the publishers that what was written is on disk."""
        self._keeper.kept(self._unflushed)
        self._unflushed.clear()

    def _write_anonymized(self, *, flush: bool = False) -> None:
        if self._anonymizer:
            ready = self._anonymizer.pop_ready(monotonic_ns(), flush=flush)
            for packet, log_time in ready:
                self._add(packet, log_time)
            self.context.counters["blurred_wholly"] = self._anonymizer.without_result
            if self._anonymizer.is_ready(monotonic_ns()):
                self.context.wake()  # for the rest

    def _add(self, packet: Packet, log_time: int) -> None:
        message = packet.message
        if self._writer is None:
            return
        try:
            kind = type(message).__name__
            publish_time = log_time if message.time is None else message.time
            with self.context.span("write", message, kind):
                self._writer.add(kind, codec.encode(packet), log_time, publish_time)
            self._unflushed.append(message)
            self._notes.observe(message, log_time)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> AffectlineError:
        return AffectlineError(
            f"recording {self._path}: cannot write ({error.strerror or error})",
            "free some space or record to another disk; what was recorded so far can be read",
        )


def recent_messages(reader: SessionReader) -> Iterator[Message]:
    """The last messages of a recording, as far as they can be read."""
    for recorded in reader.last_messages(RECENT_CHUNKS):
        with suppress(InvalidMessage):
            yield codec.decode(recorded.parts).message


class FsyncThread(threading.Thread):
    """Makes the operating system write to disk in the background, because that can take long.

    Args:
        descriptor: Descriptor of the file; a copy of it is used.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(name="fsync", daemon=True)
        self.failure: OSError | None = None
        self._stopping = threading.Event()
        self._descriptor = os.dup(descriptor)
        self.start()

    def run(self) -> None:
        """Sync until told to stop."""
        try:
            while not self._stopping.wait(SYNC_S):
                with TRACE.span("fsync"):
                    os.fsync(self._descriptor)
        except OSError as error:
            self.failure = error
        finally:
            os.close(self._descriptor)

    def stop(self) -> None:
        """Stop; do not wait for a disk that does not respond."""
        self._stopping.set()
        self.join(timeout=1)
