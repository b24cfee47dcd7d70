"""What a recording contains and lacks, by its recorder's notes or by all of its messages."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from affectline.common.clock import ClockStep
from affectline.common.recording.holes import (
    COUNTED,
    Sequence,
    SequenceTracker,
    compare,
    parse_content,
)
from affectline.common.recording.notes import CONTENT, FileNote
from affectline.common.recording.reader import RecordedMessage, SessionReader
from affectline.common.wire import codec

TRACKED: Final = (*COUNTED, "StreamStart", "StreamEnd")


@dataclass
class RecordingContent:
    """What a recording contains and lacks."""

    sequences: list[Sequence] = field(default_factory=list)
    clock_steps: list[ClockStep] = field(default_factory=list)
    """Changes of the clock during the recording."""
    interruptions: int = 0
    """How many times another recorder has continued the file."""
    is_noted: bool = True
    """Whether its recorder took notes; older recordings have none, so no reason can be found."""
    is_listed: bool = False
    """Whether the recorder finished the file with a list of what it contains and lacks."""
    is_cut_short: bool = False
    """Whether the recording ends early because the disk was full."""
    is_known: bool = False
    """Whether `sequences` is known, from that list or from reading the file."""

    @property
    def missing(self) -> int:
        """Number of missing messages."""
        return sum(sequence.missing for sequence in self.sequences)

    @property
    def unexplained(self) -> int:
        """Number of messages that are missing for an unknown reason."""
        return sum(sequence.unexplained for sequence in self.sequences)


def read_content(reader: SessionReader, *, scan: bool = True) -> RecordingContent:
    """What a recording contains and lacks, from its recorder's notes.

    Args:
        reader: The recording.
        scan: Read all messages if there is no such list. If False, nothing is known about files
            that were not finished.
    """
    if reader.file.footer is None:  # its notes may be anywhere
        return scan_content(reader) if scan else RecordingContent()
    content = _from_notes(reader, reader.notes())
    if content.is_listed:
        content.is_known = True
    elif scan:
        return scan_content(reader)
    return content


def scan_content(reader: SessionReader) -> RecordingContent:
    """What a recording contains and lacks, from all of its messages and the recorder's notes."""
    scan = ContentScan()
    for entry in reader.entries():
        scan.add(entry, reader)
    return scan.finish(reader)


class ContentScan:
    """Collects what a recording contains while its entries are read."""

    def __init__(self) -> None:
        self.tracker = SequenceTracker()
        self.notes: list[FileNote] = []
        self._lost_bytes = 0

    def add(self, entry: RecordedMessage | FileNote, reader: SessionReader | None = None) -> None:
        """Add a message or a note, in the order of the file.

        Args:
            entry: An entry from `SessionReader.entries`.
            reader: Its reader, which shows where it has found damage.
        """
        if reader and reader.damage.lost_bytes > self._lost_bytes:
            self._lost_bytes = reader.damage.lost_bytes
            self.tracker.pass_damage()
        if isinstance(entry, RecordedMessage):
            header = codec.read_header(entry.parts[1]) if entry.kind in TRACKED else {}
            self.tracker.observe(entry.kind, header, entry.log_time)
            return
        self.notes.append(entry)
        if entry.kind == "interrupted":
            self.tracker.interrupt(entry.number("away_from") or 0)

    def finish(self, reader: SessionReader) -> RecordingContent:
        """What the recording contains and lacks; call it after everything was added."""
        content = _from_notes(reader, self.notes)
        is_live = reader.about.get("delivery") == "live"
        content.sequences = compare(content.sequences, self.tracker, is_live=is_live)
        content.is_known = True
        return content


def _from_notes(reader: SessionReader, notes: Iterable[FileNote]) -> RecordingContent:
    content = RecordingContent(is_noted="notes" in reader.about)
    for note in notes:
        if note.name == CONTENT:
            # A continued file has several, and the last one is about all of it
            listed = parse_content(note.fields)
            content.sequences = listed or []
            content.is_listed = listed is not None and reader.file.footer is not None
        elif note.kind == "clock":
            before, after = note.number("before"), note.number("after")
            if before is not None and after is not None:
                content.clock_steps.append(ClockStep(before, after))
        elif note.kind == "interrupted":
            content.interruptions += 1
            content.is_cut_short = False  # another recorder has found space
        elif note.kind == "full":
            content.is_cut_short = True
    return content
