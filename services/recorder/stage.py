"""The recorder process: what goes over the bus, written down as it is.

It is one of the consumers that the configuration names: in lossless delivery the sources wait for
it, so nothing is missing. What has arrived is handed to the operating system four times a second,
so a recorder that is killed loses less than a second; its successor goes on in the same file.
"""

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from typing import Final

import cv2

from affectline.common.clock import monotonic, monotonic_ns
from affectline.common.errors import AffectlineError
from affectline.common.model import artifact
from affectline.common.recording.reader import FILE, SessionReader
from affectline.common.recording.writer import SessionWriter, is_empty
from affectline.common.runtime.stage import Stage, on
from affectline.common.settings.recording import Privacy
from affectline.common.wire import codec
from affectline.common.wire.base import Message
from affectline.common.wire.control import Control
from affectline.common.wire.health import ends_replay
from affectline.common.wire.messages import MESSAGES, Packet, StreamDone
from affectline.services.recorder.anonymize import Anonymizer
from affectline.services.recorder.spec import RecorderProcess

FLUSH_S: Final = 0.25
SYNC_S: Final = 1.0
"""How often the operating system is asked to have it all on the disk: against power failures."""
RECORDED: Final = tuple(kind for kind in MESSAGES.values() if kind is not Control)
"""Everything but commands: a replay must not repeat those."""
LEFT_OUT: Final[dict[Privacy, tuple[str, ...]]] = {
    "everything": (),
    "blurred": ("faces",),
    "features": ("faces", "frame"),
}


class Recorder(Stage):
    """Writes a session file."""

    tick_ms = 100

    def __init__(self, process: RecorderProcess) -> None:
        self._path = process.folder / FILE
        self._privacy, self._about = process.privacy, process.about
        self._classifier = process.classifier
        expected, closers = process.expected, process.closers
        self._missing = {(stream, closer) for stream in expected for closer in closers}
        self._endless, self._follows_replay = not expected, "replay" in closers
        self._is_replayed = False
        self._writer: SessionWriter | None = None
        self._syncing: FsyncThread | None = None
        self._next_flush = 0.0

    def topic(self, kind: type[Message]) -> str | None:
        return None if kind.topic_prefix in LEFT_OUT[self._privacy] else super().topic(kind)

    def setup(self) -> None:
        self._begun = self.context.now()
        cv2.setNumThreads(1)  # one core a process: the pipeline's parallelism is its processes
        blurs = self._privacy == "blurred"
        self._blurring = Anonymizer(self.context.delivery) if blurs else None
        about = {
            "affectline": version("affectline"),
            "privacy": self._privacy,
            "model": self._model_id(),
            **self._about,
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._check_what_is_there()
            self._writer = SessionWriter(self._path, about)
            self._syncing = FsyncThread(self._writer.fileno())
        except OSError as error:
            raise self._cannot_write(error) from error

    def _model_id(self) -> str:
        """Id of the model that classifies, as its answers name it; empty where there is none."""
        if self._classifier is None:
            return ""
        try:
            return artifact.load(self._classifier.model).model_id_for(self._classifier.label_set)
        except (AffectlineError, OSError):
            return ""

    def _check_what_is_there(self) -> None:
        """Go on with a file only as it was begun: it says what its pictures are, once.

        Raises:
            AffectlineError: It was recorded with another privacy.
        """
        if not self._path.exists() or is_empty(self._path):
            return
        with SessionReader(self._path) as reader:
            before = reader.about.get("privacy", self._privacy)
        if before != self._privacy:
            raise AffectlineError(
                f"--privacy {self._privacy}: {self._path} was begun with {before}",
                f"record into another folder with --out, or go on with --privacy {before}",
            )

    @on(*RECORDED)
    def record(self, packet: Packet) -> Iterable[Packet]:
        """Write a message, or keep it until its faces can be blurred."""
        now = self.context.now()
        if self._blurring:
            self._blurring.add(packet, now, monotonic_ns())
        else:
            self._add(packet, now)
        if isinstance(packet.message, StreamDone):
            self._missing.discard((packet.message.stream, packet.message.by))
        elif self._follows_replay and ends_replay(packet.message, self._begun):
            self._is_replayed = True
        self._flush_in_time()
        return ()

    def tick(self) -> Iterable[Packet]:
        self._flush_in_time()
        if self._syncing and self._syncing.failure:
            raise self._cannot_write(self._syncing.failure)
        return ()

    def stop(self) -> Iterable[Packet]:
        self._write_blurred(all_of_them=True)
        self._finish()
        return ()

    def cleanup(self) -> None:
        if self._syncing:
            self._syncing.stop()
        with suppress(AffectlineError):  # told already, and the rest can be read
            self._write_blurred(all_of_them=True)
        with suppress(AffectlineError):
            self._finish()

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        try:
            if writer:
                writer.finish()
        except OSError as error:
            raise self._cannot_write(error) from error

    @property
    def done(self) -> bool:
        return self._is_replayed or not (self._endless or self._missing)

    def _flush_in_time(self) -> None:
        if monotonic() < self._next_flush or self._writer is None:
            return
        self._next_flush = monotonic() + FLUSH_S
        self._write_blurred()
        try:
            self._writer.flush()
        except OSError as error:
            raise self._cannot_write(error) from error
        self.context.counters["recorded"] = self._writer.messages

    def _write_blurred(self, *, all_of_them: bool = False) -> None:
        if self._blurring:
            ready = self._blurring.pop_ready(monotonic_ns(), flush=all_of_them)
            for packet, arrived in ready:
                self._add(packet, arrived)
            self.context.counters["blurred_wholly"] = self._blurring.without_result

    def _add(self, packet: Packet, arrived: int) -> None:
        message = packet.message
        if self._writer is None:
            return
        try:
            kind = type(message).__name__
            at = arrived if message.time is None else message.time
            self._writer.add(kind, codec.encode(packet), arrived, at)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> AffectlineError:
        return AffectlineError(
            f"recording {self._path}: cannot write ({error.strerror or error})",
            "free some space or record to another disk; what was recorded so far can be read",
        )


class FsyncThread(threading.Thread):
    """Has the operating system write to the disk, beside the work, for that can take its time.

    Args:
        descriptor: Of the file; a copy of it is used.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(name="syncing", daemon=True)
        self.failure: OSError | None = None
        self._stopping = threading.Event()
        self._descriptor = os.dup(descriptor)
        self.start()

    def run(self) -> None:
        """Sync until told to stop."""
        try:
            while not self._stopping.wait(SYNC_S):
                os.fsync(self._descriptor)
        except OSError as error:
            self.failure = error
        finally:
            os.close(self._descriptor)

    def stop(self) -> None:
        """Stop; a disk that does not answer is not waited for."""
        self._stopping.set()
        self.join(timeout=1)
