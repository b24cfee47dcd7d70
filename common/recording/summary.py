"""The end of an MCAP file: statistics, and the index of everything before it."""

import struct
import zlib
from collections import Counter
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

from affectline.common.recording.reader import SessionReader
from affectline.common.recording.records import CHUNK_HEAD, MAGIC, FileRecord


@dataclass
class FileIndex:
    """What a file holds, and where."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkIndex] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)
    """Messages in each channel."""
    metadata: list[MetadataIndex] = field(default_factory=list)
    end: int = 0
    """Where the data section ends, or the last sound record of an unfinished file."""

    @classmethod
    def of(cls, path: Path) -> Self:
        """Make the index of a recording, finished or not.

        Raises:
            AffectlineError: It is no recording.
        """
        index, usable = cls(), False
        with SessionReader(path) as reader:
            for record in reader.file.records():
                if record.opcode == Opcode.CHUNK:
                    usable = reader.file.content(record)[1]
                    if not usable:
                        continue
                    index._add_chunk_at(reader, record)
                elif record.opcode == Opcode.MESSAGE_INDEX and usable:
                    index._add_message_index(reader, record)
                elif record.opcode == Opcode.METADATA:
                    stream = ReadDataStream(BytesIO(reader.file.body(record)))
                    length = record.end - record.at
                    index.add_metadata(Metadata.read(stream), record.at, length)
                index.end = record.end
            index.schemas, index.channels = reader.file.schemas, reader.file.channels
        return index

    def _add_chunk_at(self, reader: SessionReader, record: FileRecord) -> None:
        head = reader.file.read_at(record.at + 9, CHUNK_HEAD.size)
        first, last, size, _, _, _, compressed = CHUNK_HEAD.unpack(head)
        self.chunks.append(
            ChunkIndex(
                record.end - record.at, record.at, "zstd", compressed, last, 0, {}, first, size
            )
        )

    def _add_message_index(self, reader: SessionReader, record: FileRecord) -> None:
        stream = ReadDataStream(BytesIO(reader.file.body(record)))
        found, chunk = MessageIndex.read(stream), self.chunks[-1]
        chunk.message_index_offsets[found.channel_id] = record.at
        chunk.message_index_length += record.end - record.at
        self.counts[found.channel_id] += len(found.records)

    def add_chunk(self, chunk: ChunkIndex, counts: dict[int, int]) -> None:
        """Note a chunk that has been written, and its messages for each channel."""
        self.chunks.append(chunk)
        self.counts.update(counts)

    def add_metadata(self, note: Metadata, at: int, length: int) -> None:
        """Note a metadata record."""
        self.metadata.append(MetadataIndex(at, length, note.name))

    def statistics(self) -> Statistics:
        """The file in figures."""
        return Statistics(
            attachment_count=0,
            channel_count=len(self.channels),
            channel_message_counts=dict(self.counts),
            chunk_count=len(self.chunks),
            message_count=sum(self.counts.values()),
            message_end_time=max((c.message_end_time for c in self.chunks), default=0),
            message_start_time=min((c.message_start_time for c in self.chunks), default=0),
            metadata_count=len(self.metadata),
            schema_count=len(self.schemas),
        )


def end_records(index: FileIndex, at: int, crc: int) -> bytes:
    """The bytes that finish a file.

    Args:
        index: What the file holds; an empty one makes a small end without summary, from which
            readers learn that they must read the whole file.
        at: Where the data section ends.
        crc: CRC-32 of everything before, 0 where it is not known.
    """
    data = RecordBuilder()
    DataEnd(crc).write(data)
    start = at + data.count if index.chunks else 0
    summary, groups = RecordBuilder(), RecordBuilder()
    if start:
        _write_groups(index, start, summary, groups)
    offset = start + summary.count if start else 0
    body = taken(summary) + taken(groups)
    # The checksum covers the footer up to itself (MCAP, "Footer")
    beginning = struct.pack("<BQQQ", Opcode.FOOTER, 20, start, offset)
    footer = RecordBuilder()
    Footer(start, offset, zlib.crc32(beginning, zlib.crc32(body))).write(footer)
    return taken(data) + body + taken(footer) + MAGIC


def _write_groups(
    index: FileIndex, start: int, summary: RecordBuilder, groups: RecordBuilder
) -> None:
    kinds: tuple[tuple[Opcode, list[McapRecord]], ...] = (
        (Opcode.SCHEMA, [*index.schemas.values()]),
        (Opcode.CHANNEL, [*index.channels.values()]),
        (Opcode.STATISTICS, [index.statistics()]),
        (Opcode.CHUNK_INDEX, [*index.chunks]),
        (Opcode.METADATA_INDEX, [*index.metadata]),
    )
    for opcode, records in kinds:
        begin = summary.count
        for record in records:
            record.write(summary)
        if records:
            SummaryOffset(opcode, start + begin, summary.count - begin).write(groups)


def taken(builder: RecordBuilder) -> bytes:
    """The records that were built, which are then no longer in the builder."""
    data: bytes = builder.end()  # type: ignore[no-untyped-call]
    return data
