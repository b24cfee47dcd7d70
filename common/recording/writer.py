"""Writing session files: the wire messages of a session, as they are, in one MCAP file.

Messages are collected into chunks (zstd), each with an index behind it. `SessionWriter.flush` hands
a chunk to the operating system as one write, so a process that is killed loses what it has not
flushed and nothing else. A file that was not finished is taken up again behind its last sound
record, so that a session stays one file whatever happened to its recorder.

MCAP's own writer cannot take up a file, and writes channels only once; here every chunk repeats
those that its messages refer to, so that each can be read without the others.
"""

import fcntl
import json
import os
import zlib
from collections import Counter
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any, Final

import zstandard
from mcap.data_stream import RecordBuilder
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    Header,
    McapRecord,
    Message,
    MessageIndex,
    Metadata,
    Schema,
)

from affectline.common.errors import AffectlineError
from affectline.common.recording.index import FileIndex, end_records, taken
from affectline.common.recording.layout import KIND, LAYOUT, frame
from affectline.common.recording.reader import ABOUT, PROFILE
from affectline.common.recording.records import MAGIC
from affectline.common.wire.base import Message as WireMessage
from affectline.common.wire.kinds import message_kinds

CHUNK_BYTES: Final = 1 << 20
"""A chunk is written when it has grown to this, if not flushed before."""
LEVEL: Final = 1
"""Of zstd: JPEG files do not shrink at any, the rest shrinks enough at the fastest."""


class SessionWriter:
    """A session file, open for writing.

    Args:
        path: Is made, or taken up again where it holds a recording.
        about: What the file shall say of the session, as JSON values.

    Raises:
        OSError: It cannot be written.
        AffectlineError: It is there, and no recording, or is being recorded into.
    """

    _first: int
    """Arrival of the first message that waits to be flushed; 0 where there is none."""
    _last: int
    _waiting: int

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        self.messages = 0
        self._index = FileIndex()
        self._channels: dict[tuple[str, str], Channel] = {}
        self._sequences: Counter[int] = Counter()
        self._crc: int | None = 0
        """Of all that was written; None where the file was taken up, and nobody knows."""
        self._end = 0
        self._file = path.open("r+b" if path.exists() else "xb", buffering=0)
        try:
            take_alone(self._file)
            if not is_empty(path):
                self._index = FileIndex.of(path)
                self._end, self._crc = self._index.end, None
        except (AffectlineError, OSError):
            self._file.close()
            raise
        self._file.truncate(self._end)
        self._file.seek(self._end)
        self._new_chunk()
        if self._end:
            channels = self._index.channels.values()
            self._channels = {(c.topic, c.metadata.get(KIND, "")): c for c in channels}
            self._sequences = Counter(self._index.counts)
        else:
            self._crc = 0
            self._write_head(about)

    def _write_head(self, about: dict[str, Any]) -> None:
        library = f"affectline {about.get('affectline', '')}".strip()
        head = MAGIC + encoded(Header(PROFILE, library))
        note = Metadata(ABOUT, {"json": json.dumps(about)})
        data = encoded(note)
        self._index.add_metadata(note, len(head), len(data))
        self._append(head + data)

    def fileno(self) -> int:
        """The file's descriptor, for ``os.fsync``."""
        return self._file.fileno()

    @property
    def waiting(self) -> int:
        """Messages that `flush` would write."""
        return self._waiting

    def add(
        self, kind: str, parts: Sequence[bytes | memoryview], log_time: int, publish_time: int
    ) -> None:
        """Add a message; it is in the file after `flush`.

        Args:
            kind: Its name, one of `affectline.common.wire.kinds.message_kinds`.
            parts: As on the wire: topic, header, binary parts.
            log_time: When it arrived, in ns since the Unix epoch.
            publish_time: Its own time.

        Raises:
            OSError: The disk is full, or the like.
        """
        channel = self._channel(bytes(parts[0]).decode(), kind)
        data = frame(parts[1:], plain=is_plain(kind))
        if channel.id not in self._entries:
            channel.write(self._builder)
            self._entries[channel.id] = []
        self._entries[channel.id].append((log_time, self._builder.count))
        number = self._sequences[channel.id]
        self._sequences[channel.id] = (number + 1) % 2**32
        Message(channel.id, log_time, data, publish_time, number).write(self._builder)
        self._first = min(self._first, log_time) if self._waiting else log_time
        self._last = max(self._last, log_time)
        self._waiting += 1
        if self._builder.count >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system.

        Raises:
            OSError: The disk is full, or the like; the file is as it was before.
        """
        if not self._waiting:
            return
        content = taken(self._builder)
        data = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(content)
        chunk = Chunk("zstd", data, self._last, self._first, zlib.crc32(content), len(content))
        head, body = taken(self._new_records), encoded(chunk)
        at = self._end + len(head)
        indexes, offsets = b"", {}
        for number, entries in self._entries.items():
            offsets[number] = at + len(body) + len(indexes)
            indexes += encoded(MessageIndex(number, entries))
        entry = ChunkIndex(
            len(body), at, "zstd", len(data), self._last, len(indexes), offsets, self._first,
            len(content),
        )  # fmt: skip
        counts = {number: len(entries) for number, entries in self._entries.items()}
        written = self._waiting
        self._new_chunk()
        self._append(head + body + indexes)
        self._index.add_chunk(entry, counts)
        self.messages += written

    def finish(self) -> None:
        """Write what is left, and the file's end with its index; close it.

        Raises:
            OSError: There is no room. What was written before can be read all the same.
        """
        problem: OSError | None = None
        try:
            self.flush()
        except OSError as error:
            problem = error
        for index in (
            self._index,
            FileIndex(),
        ):  # where the whole index has no room, a small end may
            try:
                self._append(end_records(index, self._end, self._crc or 0))
                break
            except OSError as error:
                problem = problem or error
        self._file.close()
        if problem:
            raise problem

    def close(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _new_chunk(self) -> None:
        self._builder, self._new_records = RecordBuilder(), RecordBuilder()
        self._entries: dict[int, list[tuple[int, int]]] = {}
        self._first = self._last = self._waiting = 0

    def _channel(self, topic: str, kind: str) -> Channel:
        found = self._channels.get((topic, kind))
        if found:
            return found
        schemas = self._index.schemas
        schema = next((s for s in schemas.values() if s.name == kind), None)
        if schema is None:
            text = json.dumps(message_kinds()[kind].model_json_schema())
            schema = Schema(len(schemas) + 1, text.encode(), "jsonschema", kind)
            schemas[schema.id] = schema
            schema.write(self._new_records)
        layout = {} if is_plain(kind) else LAYOUT
        number = max(self._index.channels, default=0) + 1
        channel = Channel(number, topic, "msgpack", {KIND: kind, **layout}, schema.id)
        self._index.channels[number] = self._channels[topic, kind] = channel
        channel.write(self._new_records)
        return channel

    def _append(self, data: bytes) -> None:
        """Write all of it or nothing."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError:
            os.ftruncate(self._file.fileno(), self._end)
            self._file.seek(self._end)
            raise
        self._end += len(data)
        if self._crc is not None:
            self._crc = zlib.crc32(data, self._crc)


def take_alone(file: FileIO) -> None:
    """See to it that nobody else writes into a file, until it is closed or the process ends.

    Raises:
        AffectlineError: Somebody does.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AffectlineError(
            f"recording {file.name}: somebody else is recording into it",
            "name another folder with --out, or stop the other one",
        ) from error
    except OSError:  # a file system without locks
        return


def is_empty(path: Path) -> bool:
    """True for a file of which not even the first bytes were written."""
    with path.open("rb") as file:
        return MAGIC.startswith(file.read(len(MAGIC) + 1))


def is_plain(kind: str) -> bool:
    """True for messages that never have binary parts."""
    return message_kinds()[kind].part_sizes is WireMessage.part_sizes


def encoded(record: McapRecord) -> bytes:
    """A record's bytes."""
    builder = RecordBuilder()
    record.write(builder)
    return taken(builder)
