"""The summary section of an MCAP file: statistics, and the index of everything before it."""

import struct
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Self

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    McapRecord,
    MessageIndex,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

from affectline.common.recording.notes import FileNote, parse_note
from affectline.common.recording.reader import RecordedMessage, SessionReader
from affectline.common.recording.records import CHUNK_HEADER, MAGIC, FileRecord

OnEntry = Callable[[RecordedMessage | FileNote], None]


class ChunkIndexes:
    """The index records of all chunks, as bytes: an hour has some 14,000 of them.

    The last one can still be changed until the next one is added.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first_time, self.last_time = 0, 0
        """Log times of the first and the last message, in ns since the Unix epoch."""
        self._encoded = bytearray()
        self._last: ChunkIndex | None = None

    @property
    def last(self) -> ChunkIndex:
        """The last record that was added."""
        assert self._last  # noqa: S101 - for the type checker: never used before there is one
        return self._last

    def add(self, chunk: ChunkIndex) -> None:
        """Add the record of the next chunk."""
        self._encode_last()
        begin, end = chunk.message_start_time, chunk.message_end_time
        self.first_time = min(self.first_time, begin) if self.count else begin
        self.last_time = max(self.last_time, end)
        self.count += 1
        self._last = chunk

    def encode(self) -> bytes:
        """All records as bytes."""
        self._encode_last()
        return bytes(self._encoded)

    def _encode_last(self) -> None:
        if self._last:
            self._encoded += encode_records(self._last)
            self._last = None


@dataclass
class FileSummary:
    """The content of a summary section."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: ChunkIndexes = field(default_factory=ChunkIndexes)
    counts: Counter[int] = field(default_factory=Counter)
    """Number of messages in each channel."""
    metadata: list[MetadataIndex] = field(default_factory=list)
    end: int = 0
    """Offset of the end of the last valid record of the data section."""

    @classmethod
    def rebuild(cls, path: Path, on_entry: OnEntry | None = None) -> Self:
        """Rebuild the summary of a recording, finished or not.

        Args:
            path: The recording.
            on_entry: Called with every message and note in it, in order.

        Raises:
            AffectlineError: It is not a recording.
        """
        summary, is_usable = cls(), False
        with SessionReader(path) as reader:
            for record in reader.file.records():
                if record.opcode == Opcode.CHUNK:
                    content, is_usable = reader.file.read_chunk(record)
                    if not is_usable:
                        continue
                    summary._add_chunk_at(reader, record)
                    if on_entry:
                        for message in reader.read_messages(content):
                            on_entry(message)
                elif record.opcode == Opcode.MESSAGE_INDEX and is_usable:
                    summary._add_message_index(reader, record)
                elif record.opcode == Opcode.METADATA:
                    stream = ReadDataStream(BytesIO(reader.file.read_body(record)))
                    length, metadata = record.end - record.start, Metadata.read(stream)
                    summary.add_metadata(metadata, record.start, length)
                    note = parse_note(metadata.name, metadata.metadata)
                    if note and on_entry:
                        on_entry(note)
                summary.end = record.end
            summary.schemas, summary.channels = reader.file.schemas, reader.file.channels
        return summary

    def _add_chunk_at(self, reader: SessionReader, record: FileRecord) -> None:
        header = reader.file.read_at(record.start + 9, CHUNK_HEADER.size)
        first, last, size, _, _, _, compressed = CHUNK_HEADER.unpack(header)
        self.chunks.add(
            ChunkIndex(
                record.end - record.start,
                record.start,
                "zstd",
                compressed,
                last,
                0,
                {},
                first,
                size,
            )
        )

    def _add_message_index(self, reader: SessionReader, record: FileRecord) -> None:
        stream = ReadDataStream(BytesIO(reader.file.read_body(record)))
        found, chunk = MessageIndex.read(stream), self.chunks.last
        chunk.message_index_offsets[found.channel_id] = record.start
        chunk.message_index_length += record.end - record.start
        self.counts[found.channel_id] += len(found.records)

    def add_chunk(self, chunk: ChunkIndex, counts: dict[int, int]) -> None:
        """Add a chunk, and the number of its messages in each channel."""
        self.chunks.add(chunk)
        self.counts.update(counts)

    def add_metadata(self, record: Metadata, start: int, length: int) -> None:
        """Add a metadata record."""
        self.metadata.append(MetadataIndex(start, length, record.name))

    def statistics(self) -> Statistics:
        """Return the statistics record."""
        return Statistics(
            attachment_count=0,
            channel_count=len(self.channels),
            channel_message_counts=dict(self.counts),
            chunk_count=self.chunks.count,
            message_count=sum(self.counts.values()),
            message_end_time=self.chunks.last_time,
            message_start_time=self.chunks.first_time,
            metadata_count=len(self.metadata),
            schema_count=len(self.schemas),
        )


def encode_end(summary: FileSummary, data_end: int, crc: int) -> bytes:
    """Encode the end of a file: Data End, summary section, summary offset section, footer.

    Args:
        summary: The content of the summary section; if empty, it is omitted and readers must read
            the whole file.
        data_end: Offset of the end of the data section.
        crc: CRC-32 of the data section, 0 if unknown.
    """
    data = RecordBuilder()
    DataEnd(crc).write(data)
    start = data_end + data.count if summary.chunks.count else 0
    section, offsets = _encode_summary(summary, start) if start else (b"", b"")
    offset = start + len(section) if start else 0
    body = section + offsets
    # The checksum covers the footer up to itself (MCAP, "Footer")
    checked = struct.pack("<BQQQ", Opcode.FOOTER, 20, start, offset)
    footer = RecordBuilder()
    Footer(start, offset, zlib.crc32(checked, zlib.crc32(body))).write(footer)
    return pop_bytes(data) + body + pop_bytes(footer) + MAGIC


def _encode_summary(summary: FileSummary, start: int) -> tuple[bytes, bytes]:
    """Encode the summary section, which begins at ``start``, and the summary offset section."""
    kinds: tuple[tuple[Opcode, bytes], ...] = (
        (Opcode.SCHEMA, encode_records(*summary.schemas.values())),
        (Opcode.CHANNEL, encode_records(*summary.channels.values())),
        (Opcode.STATISTICS, encode_records(summary.statistics())),
        (Opcode.CHUNK_INDEX, summary.chunks.encode()),
        (Opcode.METADATA_INDEX, encode_records(*summary.metadata)),
    )
    section, offsets = b"", b""
    for opcode, records in kinds:
        if records:
            offsets += encode_records(SummaryOffset(opcode, start + len(section), len(records)))
        section += records
    return section, offsets


def encode_records(*records: McapRecord) -> bytes:
    """Encode records one after another."""
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    return pop_bytes(builder)


def pop_bytes(builder: RecordBuilder) -> bytes:
    """Remove and return the bytes of a builder."""
    data: bytes = builder.end()  # type: ignore[no-untyped-call]
    return data
