"""The recorder's notes in its file: interruptions, clock changes, and what is missing."""

import errno
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from affectline.common.clock import STEP_NS, ClockStep, ClockWatch, elapsed_ns, now_ns
from affectline.common.recording.content import ContentScan
from affectline.common.recording.holes import to_content
from affectline.common.recording.notes import CONTENT, NOTE, NOTES_VERSION, FileNote
from affectline.common.recording.reader import RecordedMessage
from affectline.common.recording.writer import SessionWriter
from affectline.common.runtime.stage import StageContext
from affectline.common.wire.base import Message

BY_THE_CLOCK: Final = ("Frame", "Emotion", "Health")
"""Kinds of message whose ``publish_time`` comes from the clock of one of our processes."""

STEERED: Final = 2000
"""NTP makes a clock fast or slow by at most one part in this many."""

ENTRIES_BETWEEN_BEATS: Final = 500

DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class FileNotes:
    """Observes what is written to a file, and writes notes into it.

    Args:
        context: Context of the recorder.
        is_replay: Whether a replay is recorded.
    """

    def __init__(self, context: StageContext, *, is_replay: bool) -> None:
        self._context, self._is_replay = context, is_replay
        self._scan = ContentScan()
        self._read = 0
        self._last_publish_time = 0
        self._clock_before: FileNote | None = None
        """The previous recorder's note about its clock."""
        self._writer: SessionWriter | None = None
        self._pending: list[tuple[str, dict[str, Any], int]] = []
        """Observed messages that the writer may not have written yet."""
        self._watch: ClockWatch | None = None
        self._is_corrected = False
        """Whether the hub's clock is known to differ from this machine's."""

    @staticmethod
    def about() -> dict[str, Any]:
        """What the record about the session says about the notes."""
        return {"notes": NOTES_VERSION}

    def read(self, entry: RecordedMessage | FileNote) -> None:
        """Read an entry that an earlier recorder has written to the file."""
        if isinstance(entry, FileNote) and entry.number("ahead") is not None:
            self._clock_before = entry
        elif isinstance(entry, RecordedMessage) and entry.kind in BY_THE_CLOCK:
            self._last_publish_time = max(self._last_publish_time, entry.publish_time)
        self._scan.add(entry)
        self._read += 1
        if self._read % ENTRIES_BETWEEN_BEATS == 0:  # hours of frames take minutes
            self._context.keep_alive()

    def open(self, writer: SessionWriter) -> None:
        """Start the notes in an opened file; an existing one has been read with `read`.

        Raises:
            OSError: The file cannot be written.
        """
        self._writer = writer
        clock = describe_clock()
        if not writer.is_continued:
            writer.add_note(NOTE, {"kind": "begun", **clock})
            return
        tracker = self._scan.tracker
        away = {"since": tracker.latest or 0, "away_from": self._last_publish_time}
        writer.add_note(NOTE, {"kind": "interrupted", **away, **clock})
        tracker.interrupt(self._last_publish_time)
        self._note_step(find_step(self._clock_before, clock))

    def observe(self, message: Message, log_time: int) -> None:
        """Observe a message that was just added to the file's writer."""
        if self._writer is None or self._writer.pending <= 1:
            self._note_written()
        self._pending.append((type(message).__name__, vars(message), log_time))

    def _note_written(self) -> None:
        """Register that all observed messages are in the file."""
        for kind, fields, log_time in self._pending:
            self._scan.tracker.observe(kind, fields, log_time)
        self._pending.clear()

    def tick(self) -> None:
        """Compare the clocks, if that is due.

        Raises:
            OSError: A note cannot be written.
        """
        is_corrected = abs(self._context.now() - now_ns()) > STEP_NS
        becomes_known = is_corrected and not self._is_corrected
        self._is_corrected |= is_corrected
        if self._watch is None or becomes_known:  # which is not a step of any clock
            self._watch = ClockWatch(self._context.now)
        self._note_step(self._watch.detect_step())

    def _note_step(self, step: ClockStep | None) -> None:
        if step and self._writer:
            fields = {"kind": "clock", "before": step.before, "after": step.after}
            self._writer.add_note(NOTE, fields)
            text = "the clock was set by %.3f s: noted in the recording"
            self._context.log.warning(text, step.by_ns / 1e9)

    def finish(self) -> None:
        """Note what is missing, once everything has been written.

        If the disk is full, the last messages are dropped: they need more space than the notes.

        Raises:
            OSError: Not everything could be written, usually because the disk is full.
        """
        writer, self._writer = self._writer, None
        if writer is None:
            return
        failure: OSError | None = None
        try:
            writer.flush()
            self._note_written()
        except OSError as error:
            failure = error
            writer.drop_pending()
            self._pending.clear()
            if error.errno in DISK_FULL:
                writer.add_note(NOTE, {"kind": "full"})
        is_live = self._context.delivery == "live"
        sequences = self._scan.tracker.sequences(is_live=is_live, is_replay=self._is_replay)
        writer.add_note(CONTENT, to_content(sequences))
        if failure:
            raise failure


def describe_clock() -> dict[str, Any]:
    """The fields of a note that show a later recorder whether the clock was set meanwhile."""
    now = now_ns()
    return {"at": now, "ahead": now - elapsed_ns(), "boot": boot_id()}


def find_step(before: FileNote | None, now: Mapping[str, Any]) -> ClockStep | None:
    """By how much this machine's clock was set since an earlier note; None if it was not.

    Args:
        before: A note with the fields of `describe_clock`.
        now: The current values of these fields.
    """
    if before is None or before.fields.get("boot") != now["boot"] or not now["boot"]:
        return None
    then, ahead = before.number("at"), before.number("ahead")
    if then is None or ahead is None:
        return None
    step = now["ahead"] - ahead
    passed = abs(now["at"] - step - then)
    if abs(step) <= STEP_NS + passed // STEERED:
        return None
    return ClockStep(now["at"] - step, now["at"])


def boot_id() -> str:
    """An ID of this boot of the machine that does not identify the machine; empty if unknown."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return ""
    return hashlib.sha256(text).hexdigest()[:8]
