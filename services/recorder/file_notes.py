"""What the recorder notes in its file: interruptions, clocks that were set, and what is missing."""

from typing import Any, Final

from affectline.common.clock import ClockWatch
from affectline.common.recording.content import ContentScan
from affectline.common.recording.holes import to_content
from affectline.common.recording.notes import CONTENT, NOTE, NOTES_VERSION, FileNote
from affectline.common.recording.reader import RecordedMessage
from affectline.common.recording.writer import SessionWriter
from affectline.common.runtime.stage import StageContext
from affectline.common.wire.base import Message

BY_THE_CLOCK: Final = ("Frame", "Emotion", "Health")
"""Kinds of message whose ``publish_time`` is the clock of a process of ours."""


class FileNotes:
    """Takes note of what is written to a file, and writes notes into it.

    Args:
        context: The recorder's.
        is_replay: What is recorded is a replay.
    """

    def __init__(self, context: StageContext, *, is_replay: bool) -> None:
        self._context, self._is_replay = context, is_replay
        self._scan = ContentScan()
        self._last_publish_time = 0
        self._writer: SessionWriter | None = None
        self._watch = ClockWatch(lambda: context.now())

    def open(self, writer: SessionWriter) -> None:
        """The file has been opened; a file that is gone on with has been read with `read`.

        Raises:
            OSError: It cannot be written.
        """
        self._writer = writer
        self._watch.detect_step()  # since the set-up the hub's clock may have become known
        if writer.is_continued:
            tracker = self._scan.tracker
            fields = {
                "kind": "interrupted", "since": tracker.latest or 0,
                "away_from": self._last_publish_time, "away_until": self._context.now(),
            }  # fmt: skip
            writer.add_note(NOTE, fields)
            tracker.interrupt(self._last_publish_time)

    @staticmethod
    def about() -> dict[str, Any]:
        """What the record about the session says of them."""
        return {"notes": NOTES_VERSION}

    def read(self, entry: RecordedMessage | FileNote) -> None:
        """Something that another recorder has written to the file."""
        if isinstance(entry, RecordedMessage) and entry.kind in BY_THE_CLOCK:
            self._last_publish_time = max(self._last_publish_time, entry.publish_time)
        self._scan.add(entry)

    def observe(self, message: Message, log_time: int) -> None:
        """A message has been written to the file."""
        self._scan.tracker.observe(type(message).__name__, vars(message), log_time)

    def tick(self) -> None:
        """Look at the clock, if that is due.

        Raises:
            OSError: A note cannot be written.
        """
        step = self._watch.detect_step()
        if step and self._writer:
            fields = {"kind": "clock", "before": step.before, "after": step.after}
            self._writer.add_note(NOTE, fields)
            text = "the clock was set by %.3f s: noted in the recording"
            self._context.log.warning(text, step.by_ns / 1e9)

    def finish(self) -> None:
        """Everything has been written: note what is missing.

        Raises:
            OSError: There is no room.
        """
        if self._writer:
            is_live = self._context.delivery == "live"
            sequences = self._scan.tracker.sequences(is_live=is_live, is_replay=self._is_replay)
            self._writer.add_note(CONTENT, to_content(sequences))
            self._writer = None
