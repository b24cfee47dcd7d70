"""The records of an MCAP file (https://mcap.dev/spec), also where the file is cut or damaged.

MCAP's own reader stops at the first fault; this one passes over it and goes on behind. What a fault
costs is known by checksums: every chunk of ours carries two, MCAP's and zstd's, so a chunk of which
only the head is damaged can still be told to be right.
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
from mcap.records import Channel, Footer, Header, MessageIndex, Metadata, Schema, Statistics

MAGIC: Final = b"\x89MCAP0\r\n"
END_BYTES: Final = 9 + 20 + len(MAGIC)
"""The footer and the magic behind it."""
DATA_END_BYTES: Final = 9 + 4
CHUNK_HEAD: Final = struct.Struct("<QQQII4sQ")
"""What a chunk of ours has before its data: times of its first and last message, size and CRC of
its content, "zstd" with its length, size of the data."""
CHUNK_MARK: Final = b"\x04\x00\x00\x00zstd"
MARK_AT: Final = 9 + 28
"""Bytes from the beginning of a chunk to its mark."""
LARGEST_CHUNK: Final = 1 << 28
"""Bytes; chunks of ours have about one MiB, or one message if that is larger."""
LARGEST_RECORD: Final = 1 << 24
"""Bytes of a record that is no chunk; those of ours have a few kB."""
WINDOW: Final = 1 << 20
PIECE: Final = 4096
"""Compressed bytes taken at once, so that damaged ones cannot grow without limit."""
UNREADABLE: Final = (McapError, struct.error, ValueError, OverflowError, MemoryError)
"""What MCAP's parsers raise for damaged records."""
PARSERS: Final[dict[int, Any]] = {
    Opcode.HEADER: Header, Opcode.SCHEMA: Schema, Opcode.CHANNEL: Channel,
    Opcode.MESSAGE_INDEX: MessageIndex, Opcode.METADATA: Metadata, Opcode.STATISTICS: Statistics,
}  # fmt: skip


class FileRecord(NamedTuple):
    """Where a record is in the file."""

    opcode: int
    at: int
    """Of its first byte."""
    length: int
    """Of its body, which begins nine bytes later."""

    @property
    def end(self) -> int:
        return self.at + 9 + self.length


class McapFile:
    """An MCAP file, open for reading.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb", buffering=0)
        self.header: Header | None = None
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.statistics: Statistics | None = None
        self.problems: list[str] = []
        """What was found so far, in words."""
        self.lost_bytes = 0
        self.size = os.fstat(self._file.fileno()).st_size
        self.footer = self._find_footer()
        self.data_end = self.size
        """Where the data section ends, as far as it is known."""
        if self.footer:
            summary = self.footer.summary_start or self.size - END_BYTES
            self.data_end = summary - DATA_END_BYTES
            self._load_summary(self.footer)
        self.end_problems = tuple(self.problems)
        """What is wrong with the footer and the index."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def begins_well(self) -> bool:
        """It begins as every MCAP file does."""
        return self.read_at(0, len(MAGIC)) == MAGIC

    def read_at(self, at: int, length: int) -> bytes:
        """Bytes of the file; fewer at its end."""
        self._file.seek(at)
        pieces = []
        while length > 0 and (piece := self._file.read(length)):
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def body(self, record: FileRecord) -> bytes:
        """What a record holds."""
        return self.read_at(record.at + 9, record.length)

    def records(self) -> Iterator[FileRecord]:
        """Yield the sound records of the data section; faults are noted and passed over.

        A last chunk that the end of the file cuts off is among them.
        """
        at = len(MAGIC)
        if not self.begins_well:
            self.problems.append("the first bytes are not those of an MCAP file")
        while at < self.data_end:
            record = self._record_at(at)
            if record is None:
                found = self.next_chunk(at + 1)
                following = self.data_end if found is None else found
                self.lose(at, following)
                at = following
            elif record.opcode in (Opcode.DATA_END, Opcode.FOOTER):
                return
            else:
                yield record
                at = record.end

    def next_chunk(self, start: int) -> int | None:
        """Where the next whole chunk begins, at ``start`` or later."""
        at = start + MARK_AT
        while at < self.data_end:
            window = self.read_at(at, WINDOW + len(CHUNK_MARK))
            found = window.find(CHUNK_MARK)
            if found < 0:
                at += WINDOW
                continue
            begin = at + found - MARK_AT
            head = self.read_at(begin, 9 + CHUNK_HEAD.size)
            if len(head) == 9 + CHUNK_HEAD.size and head[0] == Opcode.CHUNK:
                length = int.from_bytes(head[1:9], "little")
                declared = CHUNK_HEAD.size + CHUNK_HEAD.unpack_from(head, 9)[-1]
                if length == declared and begin + 9 + length <= self.data_end:
                    return begin
            at += found + 1
        return None

    def lose(self, start: int, end: int, what: str = "") -> None:
        """Note that a part of the file cannot be read."""
        self.lost_bytes += end - start
        self.problems.append(f"{what}{end - start} bytes at {start} cannot be read")

    def content(self, record: FileRecord) -> tuple[bytes, bool]:
        """What is in a chunk, and whether one of its checksums says that it is right."""
        body = self.body(record)
        if len(body) < CHUNK_HEAD.size:
            return b"", False
        crc = CHUNK_HEAD.unpack_from(body)[3]
        content, sound = decompress(body[CHUNK_HEAD.size :])
        return content, sound or bool(content and crc and zlib.crc32(content) == crc)

    def is_cut(self, record: FileRecord) -> bool:
        """True for a chunk that the end of the file cuts off."""
        if self.footer or record.end < self.size:
            return False
        head = CHUNK_HEAD.unpack(self.read_at(record.at + 9, CHUNK_HEAD.size))
        return bool(head[-1] > record.length - CHUNK_HEAD.size)

    def keep(self, opcode: int, body: bytes, *, trusted: bool = False) -> bool:
        """Remember what later records refer to; False where a record is no such record.

        Args:
            opcode: Its kind.
            body: What it holds.
            trusted: A checksum says that it is right, so it counts more than what was kept.
        """
        stream = ReadDataStream(BytesIO(body))
        with suppress(*UNREADABLE):
            parsed = PARSERS[opcode].read(stream)
            if stream.count != len(body):
                return False
            if isinstance(parsed, (Schema, Channel)):
                kept: dict[int, Any] = self.schemas if isinstance(parsed, Schema) else self.channels
                if trusted or parsed.id not in kept:
                    kept[parsed.id] = parsed
            elif isinstance(parsed, Metadata):
                self.metadata.setdefault(parsed.name, parsed.metadata)
            elif isinstance(parsed, Header):
                self.header = self.header or parsed
            elif isinstance(parsed, Statistics):
                self.statistics = parsed
            return True
        return False

    def _record_at(self, at: int) -> FileRecord | None:
        """The record that begins here, if it is sound or can be mended."""
        head = self.read_at(at, 9)
        if len(head) < 9:
            return None
        record = FileRecord(head[0], at, int.from_bytes(head[1:], "little"))
        if record.end <= self.data_end and self._is_sound(record):
            return record
        # Its first bytes may be what is damaged: whole chunks are known by their checksum
        inner = self.read_at(at + 9, CHUNK_HEAD.size)
        if len(inner) < CHUNK_HEAD.size:
            return None
        length = CHUNK_HEAD.size + CHUNK_HEAD.unpack(inner)[-1]
        if at + 9 + length > self.data_end:
            rest = FileRecord(Opcode.CHUNK, at, self.data_end - at - 9)
            is_last = head[0] == Opcode.CHUNK and inner[28:36] == CHUNK_MARK
            return rest if is_last and self.next_chunk(at + 1) is None else None
        mended = FileRecord(Opcode.CHUNK, at, length)
        return mended if self.content(mended)[1] else None

    def _is_sound(self, record: FileRecord) -> bool:
        if record.opcode == Opcode.CHUNK:
            if not CHUNK_HEAD.size <= record.length <= LARGEST_CHUNK:
                return False
            inner = self.read_at(record.at + 9, CHUNK_HEAD.size)
            declared = CHUNK_HEAD.size + CHUNK_HEAD.unpack(inner)[-1]
            return bool(declared == record.length) or self.content(record)[1]
        if record.opcode in PARSERS:
            return record.length <= LARGEST_RECORD and self.keep(record.opcode, self.body(record))
        sizes = {Opcode.DATA_END: 4, Opcode.FOOTER: 20}
        return (
            record.length == sizes.get(Opcode(record.opcode)) if record.opcode in sizes else False
        )

    def _find_footer(self) -> Footer | None:
        end = self.read_at(max(0, self.size - END_BYTES), END_BYTES)
        if len(end) < END_BYTES or not end.endswith(MAGIC):
            return None
        if end[:9] != struct.pack("<BQ", Opcode.FOOTER, 20):
            return None
        footer: Footer = Footer.read(ReadDataStream(BytesIO(end[9:29])))
        lowest, highest = len(MAGIC) + DATA_END_BYTES, self.size - END_BYTES
        if footer.summary_start and not lowest <= footer.summary_start <= highest:
            self.problems.append("the footer is damaged")
            return None
        return footer

    def _load_summary(self, footer: Footer) -> None:
        """Take in what the index at the end says, if it is undamaged."""
        if not footer.summary_start:
            return
        end = self.size - END_BYTES
        crc = zlib.crc32(self.read_at(footer.summary_start, end + 25 - footer.summary_start))
        if crc != footer.summary_crc:
            self.problems.append("the index at the end is damaged")
            self.data_end = self.size if not self._data_ends(self.data_end) else self.data_end
            return
        at = footer.summary_start
        while at + 9 <= end:
            opcode, length = struct.unpack("<BQ", self.read_at(at, 9))
            if opcode in PARSERS:
                self.keep(opcode, self.read_at(at + 9, length), trusted=True)
            at += 9 + length

    def _data_ends(self, at: int) -> bool:
        """Whether the record that ends the data section is here."""
        return self.read_at(at, 9) == struct.pack("<BQ", Opcode.DATA_END, 4)


def decompress(data: bytes) -> tuple[bytes, bool]:
    """Decompress one zstd frame as far as that goes.

    Returns:
        Its content, or the beginning of it, and whether the frame's own checksum was found right.
    """
    engine = zstandard.ZstdDecompressor().decompressobj()
    content, size = [], 0
    try:
        checked = zstandard.get_frame_parameters(data).has_checksum
        for at in range(0, len(data), PIECE):
            piece = engine.decompress(data[at : at + PIECE])
            content.append(piece)
            size += len(piece)
            if engine.eof:
                whole = at + PIECE >= len(data) and not engine.unused_data
                return b"".join(content), bool(whole and checked)
            if size > LARGEST_CHUNK:
                break
    except (zstandard.ZstdError, MemoryError):
        pass
    return b"".join(content), False
