"""Reading session files, also those that were cut off, damaged, or are still being written."""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from mcap.opcode import Opcode

from affectline.common.errors import AffectlineError
from affectline.common.recording.layout import KIND, unframe
from affectline.common.recording.records import (
    CHUNK_HEAD,
    DATA_END_BYTES,
    PARSERS,
    WINDOW,
    FileRecord,
    McapFile,
)

FILE: Final = "session.mcap"
"""The recording in a session folder."""
PROFILE: Final = "affectline"
ABOUT: Final = "session"
"""Name of the metadata record that says what the session is; its one value is JSON."""
MESSAGE: Final = struct.Struct("<HIQQ")
"""What an MCAP message has before its data: channel, number in it, arrival, its own time."""


class RecordedMessage(NamedTuple):
    """A message as it was recorded."""

    log_time: int
    """When the recorder got it."""
    publish_time: int
    """The message's own time."""
    kind: str
    """Its name, such as ``Emotion``."""
    parts: tuple[bytes, ...]
    """As on the wire: topic, header, binary parts."""

    @property
    def topic(self) -> str:
        return self.parts[0].decode()


@dataclass
class DamageReport:
    """What reading a file has shown."""

    finished: bool = False
    """The file has its end: the recording was stopped in order."""
    messages: int = 0
    lost_messages: int = 0
    """As far as they can be counted; others are among the bytes."""
    lost_bytes: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return self.finished and not self.problems


class SessionReader:
    """A session file, open for reading.

    Args:
        path: The file, or its session folder.

    Raises:
        AffectlineError: It cannot be opened, or holds nothing of a recording.
    """

    def __init__(self, path: Path) -> None:
        self.path = path / FILE if path.is_dir() else path
        try:
            self.file = McapFile(self.path)
        except OSError as error:
            raise self._refuse(error.strerror or str(error)) from error
        self.findings = DamageReport()
        if not self.file.begins_well and self.file.next_chunk(0) is None:
            self.file.close()
            raise self._refuse("no recording (it does not begin as an MCAP file does)")
        next(self.file.records(), None)
        if self.file.header and self.file.header.profile != PROFILE:
            self.file.close()
            raise self._refuse("an MCAP file, but not one that Affectline has recorded")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def _refuse(self, problem: str) -> AffectlineError:
        return AffectlineError(
            f"FILE {self.path}: {problem[0].lower()}{problem[1:]}",
            "name a recording, for example sessions/drive/session.mcap",
        )

    @property
    def about(self) -> dict[str, Any]:
        """What the recorder wrote about the session; empty where that is damaged."""
        self._read_head()
        try:
            content = json.loads(self.file.metadata.get(ABOUT, {}).get("json", "{}"))
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def _read_head(self) -> None:
        """Take in what is before the first chunk."""
        noted = (list(self.file.problems), self.file.lost_bytes)
        for record in self.file.records():
            if record.opcode == Opcode.CHUNK:
                break
        self.file.problems, self.file.lost_bytes = noted

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield all messages that can be read, in the order of their arrival.

        `findings` tells afterwards what was wrong.
        """
        file, found = self.file, DamageReport(finished=self.file.footer is not None)
        self.findings = found
        file.problems, file.lost_bytes = list(file.end_problems), 0
        dropped = False
        for record in file.records():
            if record.opcode == Opcode.CHUNK:
                content, dropped = self._open_chunk(record)
                yield from self._unpack(content)
            elif record.opcode == Opcode.MESSAGE_INDEX:
                found.lost_messages += (record.length - 6) // 16 * dropped
        if not found.finished:
            file.problems.append("the end is missing: the recording was not stopped in order")
        found.problems, found.lost_bytes = file.problems, file.lost_bytes

    def topics(self) -> dict[str, int]:
        """Every topic and its number of messages; from the index where there is one."""
        counts: dict[str, int] = {}
        statistics = self.file.statistics
        if statistics and not self.file.end_problems:
            for number, count in statistics.channel_message_counts.items():
                topic = self.file.channels[number].topic
                counts[topic] = counts.get(topic, 0) + count
        else:
            for recorded in self.messages():
                counts[recorded.topic] = counts.get(recorded.topic, 0) + 1
        return dict(sorted(counts.items()))

    def span(self) -> tuple[int, int]:
        """Arrival of the first and the last message in ns; from the heads of the chunks alone."""
        statistics = self.file.statistics
        if statistics and not self.file.end_problems:
            return statistics.message_start_time, statistics.message_end_time
        heads = [
            CHUNK_HEAD.unpack(self.file.read_at(record.at + 9, CHUNK_HEAD.size))
            for record in self.file.records()
            if record.opcode == Opcode.CHUNK
        ]
        return min((h[0] for h in heads), default=0), max((h[1] for h in heads), default=0)

    def _open_chunk(self, record: FileRecord) -> tuple[bytes, bool]:
        """A chunk's messages as far as they can be trusted; whether it had to be dropped."""
        content, sound = self.file.content(record)
        if sound:
            return content, False
        if self.file.is_cut(record):  # what is there of it is as it was written
            self.file.lose(record.at, record.end, "cut off at the end: ")
            return content, False
        self.file.lose(record.at, record.end, "damaged chunk: ")
        return b"", True

    def _unpack(self, content: bytes) -> Iterator[RecordedMessage]:
        at = 0
        while at + 9 <= len(content):
            opcode, length = struct.unpack_from("<BQ", content, at)
            end = at + 9 + length
            if end > len(content):
                return
            if opcode == Opcode.MESSAGE and length >= MESSAGE.size:
                taken = self._take(content, at + 9, end)
                if taken is None:
                    self.findings.lost_messages += 1
                else:
                    self.findings.messages += 1
                    yield taken
            elif opcode in PARSERS:
                self.file.keep(opcode, content[at + 9 : end], trusted=True)
            at = end

    def _take(self, content: bytes, at: int, end: int) -> RecordedMessage | None:
        number, _, log_time, publish_time = MESSAGE.unpack_from(content, at)
        channel = self.file.channels.get(number)
        if channel is None:
            return None
        parts = unframe(channel.metadata, content[at + MESSAGE.size : end])
        if parts is None:
            return None
        kind = channel.metadata.get(KIND, "")
        return RecordedMessage(log_time, publish_time, kind, (channel.topic.encode(), *parts))

    def checksum_is_right(self) -> bool:
        """Whether a finished file is byte for byte what was written, up to its index."""
        end = self.file.read_at(self.file.data_end, DATA_END_BYTES)
        if self.file.footer is None or not end.startswith(b"\x0f\x04" + bytes(7)):
            return False
        stated = int.from_bytes(end[9:13], "little")
        crc = 0
        for at in range(0, self.file.data_end, WINDOW):
            size = min(WINDOW, self.file.data_end - at)
            crc = zlib.crc32(self.file.read_at(at, size), crc)
        return stated in (0, crc)  # 0: not stated, as after a repair
