"""Reading session files, including truncated or damaged ones and those still being written."""

import struct
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from mcap.opcode import Opcode

from affectline.common.errors import AffectlineError
from affectline.common.file_lock import is_locked
from affectline.common.json_text import parse_json
from affectline.common.recording.layout import KIND, unpack_parts
from affectline.common.recording.notes import FileNote, parse_note
from affectline.common.recording.records import (
    DATA_END_BYTES,
    PARSERS,
    SCAN_BYTES,
    FileRecord,
    McapFile,
)

FILE: Final = "session.mcap"
"""Name of the recording in a session folder."""
PROFILE: Final = "affectline"
METADATA_NAME: Final = "session"
"""Name of the metadata record about the session; its only value is JSON."""
MESSAGE_FIELDS: Final = struct.Struct("<HIQQ")
"""Fields of an MCAP message before its data: channel_id, sequence, log_time, publish_time."""


TEXTS: Final = ("affectline", "consent", "delivery", "model", "privacy", "replay_of", "title")
"""Fields about a session that are texts."""


def sound_about(about: Mapping[str, Any]) -> dict[str, Any]:
    """Clean up facts about a session: convert texts, and drop invalid values.

    Args:
        about: The facts as read.
    """
    found = {**about}
    found |= {name: str(found[name]) for name in TEXTS if found.get(name) is not None}
    if not isinstance(found.get("settings", {}), dict):
        del found["settings"]
    study = found.get("study", {})
    if not (isinstance(study, dict) and all(isinstance(text, str) for text in study.values())):
        del found["study"]
    return found


def locate(path: Path) -> Path:
    """Find the session that a path refers to: a recording or a session folder.

    Args:
        path: A recording, a session folder, or another file in one, such as ``emotions.csv``.
    """
    is_beside = path.suffix in (".csv", ".json") and path.is_file()
    return path.parent if is_beside else path


def _way_on(folder: Path) -> str:
    """The fix for a folder that is not a session: a session below it."""
    marks = (FILE, "session.json", "emotions.csv")
    for pattern in ("*", "sessions/*"):
        for below in sorted(folder.glob(pattern)):
            if not below.name.startswith(".") and any((below / mark).is_file() for mark in marks):
                return f"name one session, for example {below}"
    return "name a session folder, for example sessions/drive"


class RecordedMessage(NamedTuple):
    """A recorded message."""

    log_time: int
    """Event time on the session's time line, in ns since the Unix epoch; for a message without one,
    the moment of arrival. In recordings without a `SessionReader.session_start`: the time of
    arrival, by the clock."""
    publish_time: int
    """When it was made, by the clock, in ns since the Unix epoch."""
    kind: str
    """Name of its class, such as ``Emotion``."""
    parts: tuple[bytes, ...]
    """As on the wire: topic, header, binary parts."""

    @property
    def topic(self) -> str:
        return self.parts[0].decode()


@dataclass
class DamageReport:
    """Damage found while reading."""

    finished: bool = False
    """Whether the file has a footer: the recording was stopped properly."""
    messages: int = 0
    lost_messages: int = 0
    """Lost messages that can be counted; others are part of `lost_bytes`."""
    lost_bytes: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return self.finished and not self.problems


class SessionReader:
    """A session file, open for reading.

    Args:
        path: The file, its session folder, or another file in it.

    Raises:
        AffectlineError: It cannot be opened, or is not a recording.
    """

    def __init__(self, path: Path) -> None:
        path = locate(path)
        self.path = path / FILE if path.is_dir() else path
        if (path / "session.json").is_file() and not self.path.exists():
            raise AffectlineError(
                f"FILE {path}: this needs a session recorded with --record, and this one was not",
                "record with affectline up --record; report, info and export --to csv work without",
            )
        try:
            self.file = McapFile(self.path)
        except OSError as error:
            raise self._error(error.strerror or str(error)) from error
        self.damage = DamageReport()
        if not self.file.has_magic and self.file.find_chunk(0) is None:
            self.file.close()
            raise self._error("not a recording (it does not begin like an MCAP file)")
        next(self.file.records(), None)
        if self.file.header and self.file.header.profile != PROFILE:
            self.file.close()
            raise self._error("an MCAP file, but not recorded by Affectline")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def _error(self, problem: str) -> AffectlineError:
        fix = "name a recording, for example sessions/drive/session.mcap"
        folder = self.path.parent
        if not self.path.exists() and self.path.name == FILE and folder.is_dir():
            return AffectlineError(f"FILE {folder}: a folder without a session", _way_on(folder))
        return AffectlineError(f"FILE {self.path}: {problem[0].lower()}{problem[1:]}", fix)

    @property
    def about(self) -> dict[str, Any]:
        """Facts about the session from the recorder; empty if they are damaged."""
        self._read_header()
        try:
            content = parse_json(self.file.metadata.get(METADATA_NAME, {}).get("json", "{}"))
        except ValueError:
            return {}
        return sound_about(content) if isinstance(content, dict) else {}

    @property
    def session_start(self) -> int | None:
        """Zero of the session's time line in ns since the Unix epoch.

        None in recordings by time of arrival, from before events had times.
        """
        start = self.about.get("session_start")
        is_time = isinstance(start, int) and not isinstance(start, bool) and 0 <= start < 2**63
        return start if is_time else None

    def _read_header(self) -> None:
        """Read the records before the first chunk."""
        saved = (list(self.file.problems), self.file.lost_bytes)
        for record in self.file.records():
            if record.opcode == Opcode.CHUNK:
                break
        self.file.problems, self.file.lost_bytes = saved

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield all messages that can be read, in the order of the file.

        This is the order of events, or in older recordings that of arrival.

        Afterwards `damage` describes what could not be read.
        """
        return (entry for entry in self.entries() if isinstance(entry, RecordedMessage))

    def entries(self) -> Iterator[RecordedMessage | FileNote]:
        """Yield all messages that can be read and the recorder's notes, in the order of the file.

        Meanwhile and afterwards, `damage` describes what could not be read.
        """
        file, found = self.file, DamageReport(finished=self.file.footer is not None)
        self.damage = found
        file.problems, file.lost_bytes = list(file.summary_problems), 0
        dropped = False
        for record in file.records():
            if record.opcode == Opcode.CHUNK:
                content, dropped = self._read_chunk(record)
                found.lost_bytes = file.lost_bytes
                yield from self.read_messages(content)
            elif record.opcode == Opcode.MESSAGE_INDEX:
                found.lost_messages += (record.length - 6) // 16 * dropped
            elif record.opcode == Opcode.METADATA and (note := self._read_note(record.start)):
                found.lost_bytes = file.lost_bytes
                yield note
        if not found.finished:
            is_open = is_locked(self.path)  # by its recorder
            why = (
                "it is still being recorded"
                if is_open
                else "the recording was not stopped properly"
            )
            file.problems.append(f"the end is missing: {why}")
        found.problems, found.lost_bytes = file.problems, file.lost_bytes

    def last_messages(self, chunks: int) -> Iterator[RecordedMessage]:
        """Yield the messages of the last chunks, in the order of the file.

        Args:
            chunks: Maximum number of chunks.
        """
        last: deque[FileRecord] = deque(maxlen=chunks)
        last.extend(r for r in self.file.records() if r.opcode == Opcode.CHUNK)
        for record in last:
            yield from self.read_messages(self._read_chunk(record)[0])

    def notes(self) -> list[FileNote]:
        """The recorder's notes, in order; reads no messages."""
        if self.file.footer is not None and self.file.metadata_index:
            starts = [index.offset for index in self.file.metadata_index]
        else:
            starts = [r.start for r in self.file.records() if r.opcode == Opcode.METADATA]
        return [note for start in starts if (note := self._read_note(start))]

    def _read_note(self, start: int) -> FileNote | None:
        record = self.file.read_metadata(start)
        return parse_note(record.name, record.metadata) if record else None

    def topics(self) -> dict[str, int]:
        """Number of messages by topic; from the summary section if there is one."""
        counts: dict[str, int] = {}
        statistics = self.file.statistics
        if statistics and not self.file.summary_problems:
            for number, count in statistics.channel_message_counts.items():
                channel = self.file.channels.get(number)
                if channel is not None:
                    counts[channel.topic] = counts.get(channel.topic, 0) + count
        else:
            for recorded in self.messages():
                counts[recorded.topic] = counts.get(recorded.topic, 0) + 1
        return dict(sorted(counts.items()))

    def _read_chunk(self, record: FileRecord) -> tuple[bytes, bool]:
        """Return the trustworthy records of a chunk, and whether it was dropped."""
        content, is_valid = self.file.read_chunk(record)
        if is_valid:
            return content, False
        if self.file.is_truncated(record):  # the rest of it is as written
            self.file.add_loss(record.start, record.end, "cut off at the end: ")
            return content, False
        self.file.add_loss(record.start, record.end, "damaged chunk: ")
        return b"", True

    def read_messages(self, content: bytes) -> Iterator[RecordedMessage]:
        """Yield the messages of a chunk.

        Args:
            content: Its records, from `McapFile.read_chunk`.
        """
        at = 0
        while at + 9 <= len(content):
            opcode, length = struct.unpack_from("<BQ", content, at)
            end = at + 9 + length
            if end > len(content):
                return
            if opcode == Opcode.MESSAGE and length >= MESSAGE_FIELDS.size:
                message = self._read_message(content, at + 9, end)
                if message is None:
                    self.damage.lost_messages += 1
                else:
                    self.damage.messages += 1
                    yield message
            elif opcode in PARSERS:
                self.file.register(opcode, content[at + 9 : end], trusted=True)
            at = end

    def _read_message(self, content: bytes, at: int, end: int) -> RecordedMessage | None:
        number, _, log_time, publish_time = MESSAGE_FIELDS.unpack_from(content, at)
        channel = self.file.channels.get(number)
        if channel is None:
            return None
        parts = unpack_parts(channel.metadata, content[at + MESSAGE_FIELDS.size : end])
        if parts is None:
            return None
        kind = channel.metadata.get(KIND, "")
        return RecordedMessage(log_time, publish_time, kind, (channel.topic.encode(), *parts))

    def has_valid_crc(self) -> bool:
        """Whether a finished file's data section matches the checksum in its Data End record."""
        end = self.file.read_at(self.file.data_end, DATA_END_BYTES)
        if self.file.footer is None or not end.startswith(b"\x0f\x04" + bytes(7)):
            return False
        stated = int.from_bytes(end[9:13], "little")
        crc = 0
        for at in range(0, self.file.data_end, SCAN_BYTES):
            size = min(SCAN_BYTES, self.file.data_end - at)
            crc = zlib.crc32(self.file.read_at(at, size), crc)
        return stated in (0, crc)  # 0: unknown, as after a recovery
