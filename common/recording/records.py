"""The records of an MCAP file (https://mcap.dev/spec), including truncated or damaged files.

The reader of the mcap package stops at the first fault; this one skips it and continues after it.
Checksums show what a fault has cost: chunks written by Affectline have two, MCAP's and zstd's, so
the records of a chunk can still be verified if only its header is damaged.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Footer,
    Header,
    MessageIndex,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
)

MAGIC: Final = b"\x89MCAP0\r\n"
FOOTER_BYTES: Final = 9 + 20 + len(MAGIC)
"""Length of the footer record and the magic bytes after it."""
DATA_END_BYTES: Final = 9 + 4
CHUNK_HEADER: Final = struct.Struct("<QQQII4sQ")
"""Fields of an Affectline chunk before its records: message_start_time, message_end_time,
uncompressed_size, uncompressed_crc, compression with its length, length of the records."""
COMPRESSION_FIELD: Final = b"\x04\x00\x00\x00zstd"
COMPRESSION_OFFSET: Final = 9 + 28
"""Offset of the compression field from the first byte of a chunk record."""
MAX_CHUNK_BYTES: Final = 1 << 28
"""Affectline's chunks have about one MiB, or one message if that is larger."""
MAX_RECORD_BYTES: Final = 1 << 24
"""Maximum length of a record other than a chunk; Affectline's have a few kB."""
MOST_TRIED: Final = 8
"""Limit of what is read to identify damaged records, as a multiple of the file's size."""
SCAN_BYTES: Final = 1 << 20
AT_ONCE_BYTES: Final = 1 << 24
"""A chunk with a declared size up to this is decompressed at once."""
STEP_BYTES: Final = 4096
"""Compressed bytes decompressed per step, so that damaged ones cannot grow without limit; also the
size of the first search for the next chunk."""
UNREADABLE: Final = (McapError, struct.error, ValueError, OverflowError, MemoryError)
"""Errors that the parsers of the mcap package raise for damaged records."""
PARSERS: Final[dict[int, Any]] = {
    Opcode.HEADER: Header, Opcode.SCHEMA: Schema, Opcode.CHANNEL: Channel,
    Opcode.MESSAGE_INDEX: MessageIndex, Opcode.METADATA: Metadata, Opcode.STATISTICS: Statistics,
    Opcode.METADATA_INDEX: MetadataIndex,
}  # fmt: skip


class FileRecord(NamedTuple):
    """A record and its place in the file."""

    opcode: int
    start: int
    """Offset of its first byte."""
    length: int
    """Length of its content, which begins nine bytes later."""

    @property
    def end(self) -> int:
        return self.start + 9 + self.length


class McapFile:
    """An MCAP file, open for reading.

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb", buffering=0)
        self.header: Header | None = None
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.metadata_index: list[MetadataIndex] = []
        """Positions of metadata records, from the summary section."""
        self.statistics: Statistics | None = None
        self.problems: list[str] = []
        """Descriptions of the faults found so far."""
        self.lost_bytes = 0
        self.size = os.fstat(self._file.fileno()).st_size
        self._tried_bytes = 0
        self.footer = self._find_footer()
        self.data_end = self.size
        """Offset of the end of the data section, as far as is known."""
        if self.footer:
            summary = self.footer.summary_start or self.size - FOOTER_BYTES
            self.data_end = summary - DATA_END_BYTES
            self._load_summary(self.footer)
        self.summary_problems = tuple(self.problems)
        """Faults in the footer and the summary section."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def has_magic(self) -> bool:
        """Whether the file begins with MCAP's magic bytes."""
        return self.read_at(0, len(MAGIC)) == MAGIC

    def read_at(self, at: int, length: int) -> bytes:
        """Read bytes; fewer at the end, by the file's size when it was opened."""
        if not 0 <= at < self.size:  # damaged records may have impossible offsets
            return b""
        self._file.seek(at)
        length = min(length, self.size - at)
        pieces = []
        while length > 0 and (piece := self._file.read(length)):
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def read_body(self, record: FileRecord) -> bytes:
        """Read the content of a record."""
        return self.read_at(record.start + 9, record.length)

    def read_metadata(self, at: int) -> Metadata | None:
        """The metadata record that starts here; None if there is none, or it is damaged."""
        opcode, length = struct.unpack("<BQ", self.read_at(at, 9).ljust(9, b"\0"))
        if opcode != Opcode.METADATA or length > MAX_RECORD_BYTES:
            return None
        body = self.read_at(at + 9, length)
        with suppress(*UNREADABLE):
            record: Metadata = Metadata.read(ReadDataStream(BytesIO(body)))
            return record
        return None

    def records(self) -> Iterator[FileRecord]:
        """Yield the valid records of the data section; faults are recorded and skipped.

        This includes a last chunk that is truncated by the end of the file.
        """
        at = len(MAGIC)
        if not self.has_magic:
            self.problems.append("the first bytes are not those of an MCAP file")
        while at < self.data_end:
            record = self._record_at(at)
            if record is None:
                found = self.find_chunk(at + 1)
                following = self.data_end if found is None else found
                self.add_loss(at, following)
                at = following
            elif record.opcode in (Opcode.DATA_END, Opcode.FOOTER):
                return
            else:
                yield record
                at = record.end

    def find_chunk(self, start: int) -> int | None:
        """Find the offset of the next complete chunk, at ``start`` or later."""
        at, size = start + COMPRESSION_OFFSET, STEP_BYTES  # usually it is near
        while at < self.data_end:
            window = self.read_at(at, size + len(COMPRESSION_FIELD))
            found = window.find(COMPRESSION_FIELD)
            if found < 0:
                at, size = at + size, min(2 * size, SCAN_BYTES)
                continue
            begin = at + found - COMPRESSION_OFFSET
            head = self.read_at(begin, 9 + CHUNK_HEADER.size)
            if len(head) == 9 + CHUNK_HEADER.size and head[0] == Opcode.CHUNK:
                length = int.from_bytes(head[1:9], "little")
                declared = CHUNK_HEADER.size + CHUNK_HEADER.unpack_from(head, 9)[-1]
                is_possible = length <= MAX_CHUNK_BYTES and begin + 9 + length <= self.data_end
                if length == declared and is_possible:
                    return begin
            at += found + 1
        return None

    def add_loss(self, start: int, end: int, what: str = "") -> None:
        """Record that a part of the file cannot be read."""
        self.lost_bytes += end - start
        self.problems.append(f"{what}{end - start} bytes at {start} cannot be read")

    def read_chunk(self, record: FileRecord) -> tuple[bytes, bool]:
        """Return the decompressed records of a chunk, and whether a checksum confirms them."""
        body = self.read_body(record)
        if len(body) < CHUNK_HEADER.size:
            return b"", False
        crc = CHUNK_HEADER.unpack_from(body)[3]
        content, is_whole, is_sound = decompress(body[CHUNK_HEADER.size :])
        # Bytes after the end belong to the next records: this one's length is wrong
        has_crc = bool(is_whole and content and crc and zlib.crc32(content) == crc)
        return content, is_sound or has_crc

    def is_truncated(self, record: FileRecord) -> bool:
        """Whether a chunk is truncated by the end of the file."""
        if self.footer or record.end < self.size:
            return False
        head = CHUNK_HEADER.unpack(self.read_at(record.start + 9, CHUNK_HEADER.size))
        return bool(head[-1] > record.length - CHUNK_HEADER.size)

    def register(self, opcode: int, body: bytes, *, trusted: bool = False) -> bool:
        """Store a record that later records refer to; False if it cannot be parsed.

        Args:
            opcode: Its opcode.
            body: Its content.
            trusted: Whether a checksum confirms it, so that it replaces earlier ones.
        """
        stream = ReadDataStream(BytesIO(body))
        with suppress(*UNREADABLE):
            parsed = PARSERS[opcode].read(stream)
            if stream.count != len(body):
                return False
            match parsed:
                case Schema(id=number) if trusted or number not in self.schemas:
                    self.schemas[number] = parsed
                case Channel(id=number) if trusted or number not in self.channels:
                    self.channels[number] = parsed
                case Metadata(name=name, metadata=content):
                    self.metadata.setdefault(name, content)
                case MetadataIndex():
                    self.metadata_index.append(parsed)
                case Header():
                    self.header = self.header or parsed
                case Statistics():
                    self.statistics = parsed
            return True
        return False

    def _record_at(self, at: int) -> FileRecord | None:
        """The record that starts here, if it is valid or can be repaired."""
        head = self.read_at(at, 9)
        if len(head) < 9:
            return None
        record = FileRecord(head[0], at, int.from_bytes(head[1:], "little"))
        if record.end <= self.data_end and self._is_valid(record):
            return record
        # Perhaps only its first bytes are damaged: a complete chunk is confirmed by its checksum
        inner = self.read_at(at + 9, CHUNK_HEADER.size)
        if len(inner) < CHUNK_HEADER.size:
            return None
        length = CHUNK_HEADER.size + CHUNK_HEADER.unpack(inner)[-1]
        if at + 9 + length > self.data_end:
            rest = FileRecord(Opcode.CHUNK, at, self.data_end - at - 9)
            is_last = head[0] == Opcode.CHUNK and inner[28:36] == COMPRESSION_FIELD
            return rest if is_last and self.find_chunk(at + 1) is None else None
        repaired = FileRecord(Opcode.CHUNK, at, length)
        return repaired if self._is_confirmed(repaired) else None

    def _is_confirmed(self, record: FileRecord) -> bool:
        """Whether a checksum confirms a possible chunk.

        The number of attempts is limited: a file with a false record in each byte would otherwise
        be read forever.
        """
        if record.length > MAX_CHUNK_BYTES or self._tried_bytes > MOST_TRIED * self.size:
            return False
        self._tried_bytes += record.length
        return self.read_chunk(record)[1]

    def _is_valid(self, record: FileRecord) -> bool:
        if record.opcode == Opcode.CHUNK:
            if not CHUNK_HEADER.size <= record.length <= MAX_CHUNK_BYTES:
                return False
            inner = self.read_at(record.start + 9, CHUNK_HEADER.size)
            declared = CHUNK_HEADER.size + CHUNK_HEADER.unpack(inner)[-1]
            return bool(declared == record.length) or self._is_confirmed(record)
        if record.opcode in PARSERS:
            return record.length <= MAX_RECORD_BYTES and self.register(
                record.opcode, self.read_body(record)
            )
        sizes = {Opcode.DATA_END: 4, Opcode.FOOTER: 20}
        return (
            record.length == sizes.get(Opcode(record.opcode)) if record.opcode in sizes else False
        )

    def _find_footer(self) -> Footer | None:
        end = self.read_at(max(0, self.size - FOOTER_BYTES), FOOTER_BYTES)
        if len(end) < FOOTER_BYTES or not end.endswith(MAGIC):
            return None
        if end[:9] != struct.pack("<BQ", Opcode.FOOTER, 20):
            return None
        footer: Footer = Footer.read(ReadDataStream(BytesIO(end[9:29])))
        lowest, highest = len(MAGIC) + DATA_END_BYTES, self.size - FOOTER_BYTES
        if footer.summary_start and not lowest <= footer.summary_start <= highest:
            self.problems.append("the footer is damaged")
            return None
        return footer

    def _load_summary(self, footer: Footer) -> None:
        """Read the summary section, if it is undamaged."""
        if not footer.summary_start:
            return
        size = self.size - FOOTER_BYTES - footer.summary_start
        section = self.read_at(footer.summary_start, size + 25)
        if zlib.crc32(section) != footer.summary_crc:
            self.problems.append("the index at the end is damaged")
            self.data_end = self.size if not self._is_data_end(self.data_end) else self.data_end
            return
        at = 0
        while at + 9 <= size:
            opcode, length = struct.unpack_from("<BQ", section, at)
            begin, at = at + 9, at + 9 + length
            if at > size:
                self.problems.append("the index at the end is damaged")
                return
            if opcode in PARSERS:
                self.register(opcode, section[begin:at], trusted=True)

    def _is_data_end(self, at: int) -> bool:
        """Whether a Data End record starts here."""
        return self.read_at(at, 9) == struct.pack("<BQ", Opcode.DATA_END, 4)


def decompress(data: bytes) -> tuple[bytes, bool, bool]:
    """Decompress one zstd frame as far as possible.

    Returns:
        Its content or the beginning of it; whether it ends where the data ends; and whether its
        checksum was valid in that case.
    """
    content, size = [], 0
    try:
        frame = zstandard.get_frame_parameters(data)
        has_checksum = frame.has_checksum
        if frame.content_size <= AT_ONCE_BYTES:
            with suppress(zstandard.ZstdError):  # else decompress what there is
                at_once = zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
                return at_once, True, bool(has_checksum)
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        for at in range(0, len(data), STEP_BYTES):
            piece = decompressor.decompress(data[at : at + STEP_BYTES])
            content.append(piece)
            size += len(piece)
            if decompressor.eof:
                whole = at + STEP_BYTES >= len(data) and not decompressor.unused_data
                return b"".join(content), whole, bool(whole and has_checksum)
            if size > MAX_CHUNK_BYTES:
                break
    except (zstandard.ZstdError, MemoryError):
        pass
    return b"".join(content), False, False
