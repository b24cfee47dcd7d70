"""Writing session files: the unchanged wire messages of a session, in one MCAP file.

Messages are collected into chunks (zstd), each followed by an index. `SessionWriter.flush` passes a
chunk to the operating system in one write, so a killed process loses only what it has not flushed.
A file that was not finished is continued after its last valid record, so that a session stays one
file whatever happened to its recorder.

The writer of the mcap package cannot continue a file, and writes channels only once. Here every
chunk repeats the channels of its messages, so that it can be read without the others.
"""

import json
import os
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
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
    Message,
    MessageIndex,
    Metadata,
    Schema,
)

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.file_lock import try_lock
from affectline.common.recording.layout import KIND, LAYOUT, pack_parts
from affectline.common.recording.notes import to_record
from affectline.common.recording.reader import METADATA_NAME, PROFILE
from affectline.common.recording.records import MAGIC
from affectline.common.recording.summary import (
    FileSummary,
    OnEntry,
    encode_end,
    encode_records,
    pop_bytes,
)
from affectline.common.wire.base import Message as WireMessage
from affectline.common.wire.kinds import message_kinds

CHUNK_BYTES: Final = 1 << 20
"""Size at which a chunk is written, if it was not flushed before."""
ZSTD_LEVEL: Final = -1
"""JPEG files do not shrink at any level, and level 1 takes four times as long to find that out; the
rest shrinks enough."""


class SessionWriter:
    """A session file, open for writing.

    Args:
        path: The file, which is created, or continued if it contains a recording.
        about: Facts about the session for the metadata record, as JSON values.
        on_entry: Called with every entry of a file that is continued.

    Raises:
        OSError: The file cannot be written.
        AffectlineError: It exists and is not a recording, or another process records into it.
    """

    _start_time: int
    """Log time of the first pending message; 0 if there is none."""
    _end_time: int
    _pending: int

    def __init__(self, path: Path, about: dict[str, Any], on_entry: OnEntry | None = None) -> None:
        self.path = path
        self.is_continued = False
        """Whether the file contained a recording already."""
        self.messages = 0
        self._summary = FileSummary()
        self._channels: dict[tuple[str, str], Channel] = {}
        self._sequences: Counter[int] = Counter()
        self._compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
        self._crc: int | None = 0
        """CRC-32 of the data section; None (unknown) if the file was continued."""
        self._end = 0
        self._file = path.open("r+b" if path.exists() else "xb", buffering=0)
        try:
            lock(self._file)
            if not is_empty(path):
                self._summary = FileSummary.rebuild(path, on_entry)
                self._end, self._crc = self._summary.end, None
                self.is_continued = True
        except (AffectlineError, OSError):
            self._file.close()
            raise
        self._file.truncate(self._end)
        self._file.seek(self._end)
        self._new_chunk()
        if self._end:
            channels = self._summary.channels.values()
            self._channels = {(c.topic, c.metadata.get(KIND, "")): c for c in channels}
            self._sequences = Counter(self._summary.counts)
        else:
            self._crc = 0
            self._write_header(about)

    def _write_header(self, about: dict[str, Any]) -> None:
        library = f"affectline {about.get('affectline', '')}".strip()
        header = MAGIC + encode_records(Header(PROFILE, library))
        metadata = Metadata(METADATA_NAME, {"json": json.dumps(about)})
        data = encode_records(metadata)
        self._summary.add_metadata(metadata, len(header), len(data))
        self._append(header + data)

    def fileno(self) -> int:
        """File descriptor, for ``os.fsync``."""
        return self._file.fileno()

    @property
    def pending(self) -> int:
        """Number of messages that `flush` would write."""
        return self._pending

    def add(
        self, kind: str, parts: Sequence[bytes | memoryview], log_time: int, publish_time: int
    ) -> None:
        """Add a message; it is in the file after `flush`.

        Args:
            kind: Name of its class, one of `affectline.common.wire.kinds.message_kinds`.
            parts: As on the wire: topic, header, binary parts.
            log_time: When it happened, in ns since the Unix epoch: the file is in this order.
            publish_time: Its own time, in ns since the Unix epoch.

        Raises:
            OSError: It cannot be written, for example because the disk is full.
        """
        channel = self._find_or_add_channel(bytes(parts[0]).decode(), kind)
        data = pack_parts(parts[1:], header_only=is_header_only(kind))
        if channel.id not in self._entries:
            channel.write(self._builder)
            self._entries[channel.id] = []
        self._entries[channel.id].append((log_time, self._builder.count))
        sequence = self._sequences[channel.id]
        self._sequences[channel.id] = (sequence + 1) % 2**32
        Message(channel.id, log_time, data, publish_time, sequence).write(self._builder)
        self._start_time = min(self._start_time, log_time) if self._pending else log_time
        self._end_time = max(self._end_time, log_time)
        self._pending += 1
        if self._builder.count >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Pass all pending messages to the operating system.

        Raises:
            OSError: They cannot be written; the file is unchanged, and they are still pending.
        """
        if not self._pending:
            return
        content, new_records = pop_bytes(self._builder), pop_bytes(self._new_records)
        try:
            self._write_chunk(content, new_records)
        except OSError:
            self._builder.write(content)
            self._new_records.write(new_records)
            raise
        self.messages += self._pending
        self._new_chunk()

    def _write_chunk(self, content: bytes, new_records: bytes) -> None:
        data = self._compressor.compress(content)
        chunk = Chunk(
            "zstd", data, self._end_time, self._start_time, zlib.crc32(content), len(content)
        )
        body = encode_records(chunk)
        start = self._end + len(new_records)
        indexes, offsets = b"", {}
        for channel_id, entries in self._entries.items():
            offsets[channel_id] = start + len(body) + len(indexes)
            indexes += encode_records(MessageIndex(channel_id, entries))
        index = ChunkIndex(
            len(body), start, "zstd", len(data), self._end_time, len(indexes), offsets,
            self._start_time, len(content),
        )  # fmt: skip
        counts = {channel_id: len(entries) for channel_id, entries in self._entries.items()}
        self._append(new_records + body + indexes)
        self._summary.add_chunk(index, counts)

    def add_note(self, name: str, fields: Mapping[str, Any]) -> None:
        """Flush, and write a note after everything that was added before.

        Args:
            name: `affectline.common.recording.notes.NOTE` or ``CONTENT``.
            fields: JSON values.

        Raises:
            OSError: It cannot be written; the file is unchanged.
        """
        self.flush()
        metadata = to_record(name, fields)
        data, start = encode_records(metadata), self._end
        self._append(data)
        self._summary.add_metadata(metadata, start, len(data))

    def drop_pending(self) -> None:
        """Forget the messages that `flush` could not write, so that the end may fit on the disk."""
        self._new_chunk()

    def finish(self) -> None:
        """Flush, write the end of the file with its summary section, and close it.

        Raises:
            OSError: There is no space. What was written before can still be read.
        """
        problem: OSError | None = None
        try:
            self.flush()
        except OSError as error:
            problem = error
        # If there is no space for the summary section, there may be for an end without one
        for summary in (self._summary, FileSummary()):
            try:
                self._append(encode_end(summary, self._end, self._crc or 0))
                break
            except OSError as error:
                problem = problem or error
        self._file.close()
        if problem:
            raise problem

    def close(self) -> None:
        """Close the file without finishing it."""
        self._file.close()

    def _new_chunk(self) -> None:
        self._builder, self._new_records = RecordBuilder(), RecordBuilder()
        self._entries: dict[int, list[tuple[int, int]]] = {}
        self._start_time = self._end_time = self._pending = 0

    def _find_or_add_channel(self, topic: str, kind: str) -> Channel:
        existing = self._channels.get((topic, kind))
        if existing:
            return existing
        schemas = self._summary.schemas
        schema = next((s for s in schemas.values() if s.name == kind), None)
        if schema is None:
            text = json.dumps(message_kinds()[kind].model_json_schema())
            schema = Schema(len(schemas) + 1, text.encode(), "jsonschema", kind)
            schemas[schema.id] = schema
            schema.write(self._new_records)
        layout = {} if is_header_only(kind) else LAYOUT
        channel_id = max(self._summary.channels, default=0) + 1
        channel = Channel(channel_id, topic, "msgpack", {KIND: kind, **layout}, schema.id)
        self._summary.channels[channel_id] = self._channels[topic, kind] = channel
        channel.write(self._new_records)
        return channel

    def _append(self, data: bytes) -> None:
        """Write all of the data or nothing."""
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


LOCK_S: Final = 1.0
"""How long a file may be locked by somebody who only reads it."""


def lock(file: FileIO) -> None:
    """Lock a file against other writers until it is closed or the process ends.

    Raises:
        AffectlineError: Another process has locked it.
    """
    give_up_at = monotonic() + LOCK_S
    while not try_lock(file):  # who reads an unfinished recording locks it for a moment
        if monotonic() < give_up_at:
            time.sleep(0.01)
            continue
        raise AffectlineError(
            f"recording {file.name}: another process is recording into it",
            "name another folder with --out, or stop the other one",
        )


def is_empty(path: Path) -> bool:
    """Whether not even the magic bytes of a file were written completely."""
    with path.open("rb") as file:
        return MAGIC.startswith(file.read(len(MAGIC) + 1))


def is_header_only(kind: str) -> bool:
    """Whether messages of a kind never have binary parts."""
    return message_kinds()[kind].part_sizes is WireMessage.part_sizes
