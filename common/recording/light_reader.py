"""Reading parts of a recording: chunks by their times, and messages of selected topics.

For overviews of long recordings without reading everything: checksums are the only check, and
headers are not parsed.
"""

import struct
from collections.abc import Iterator, Set
from contextlib import suppress
from io import BytesIO
from operator import attrgetter
from typing import Final, NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel

from affectline.common.recording.layout import PARTS, unpack_parts
from affectline.common.recording.reader import MESSAGE_FIELDS, RecordedMessage, SessionReader
from affectline.common.recording.records import (
    CHUNK_HEADER,
    FOOTER_BYTES,
    MAX_RECORD_BYTES,
    UNREADABLE,
    FileRecord,
)

INDEX_FIELDS: Final = struct.Struct("<QQQQI")
"""Fields of a chunk index record: times of the first and last message, offset and length of the
chunk record, and length of the map that follows: offsets of message indexes by channel."""
INDEX_ENTRY: Final = struct.Struct("<HQ")
MESSAGE_INDEX_FIELDS: Final = struct.Struct("<HI")
"""Fields of a message index record: the channel, and the length of its entries."""
MESSAGE_INDEX_ENTRY: Final = struct.Struct("<QQ")
"""An entry: log time and offset of a message."""


class ChunkPlace(NamedTuple):
    """A chunk, and the times that it covers."""

    record: FileRecord
    first: int
    """Log time of its first message in ns since the Unix epoch."""
    last: int
    channels: frozenset[int] | None
    """Channels with messages in it; None: not known."""


class ChunkTimes(NamedTuple):
    """The times that a chunk covers, as log times in ns since the Unix epoch."""

    first: int
    last: int
    end: int
    """Offset of the first byte after the chunk, where its message indexes begin."""


class LightMessage(NamedTuple):
    """A message with an unparsed header."""

    topic: str
    log_time: int
    header: bytes


class LightReader:
    """The chunks of a recording.

    Args:
        reader: An open reader, which is left open.
    """

    def __init__(self, reader: SessionReader) -> None:
        self._reader = reader
        self._topics: dict[bytes, tuple[int, str, bool] | None] = {}
        """By channel record: number, topic, whether its messages have binary parts."""

    def chunks(self) -> list[ChunkPlace]:
        """All chunks, in the order of the file; from the index at its end if there is one."""
        return self.indexed() or list(self._searched())

    def channels(self, prefix: str) -> Set[int]:
        """The channels of topics with this prefix, as far as their records have been read."""
        channels = self._reader.file.channels
        return {number for number, one in channels.items() if one.topic.startswith(prefix)}

    def having(self, chunks: list[ChunkPlace], prefix: str) -> list[ChunkPlace]:
        """The chunks that may have messages of topics with this prefix."""
        numbers = self.channels(prefix)
        return [
            chunk
            for chunk in chunks
            if chunk.channels is None or not numbers.isdisjoint(chunk.channels)
        ]

    def messages(self, chunk: ChunkPlace, prefixes: tuple[str, ...]) -> Iterator[LightMessage]:
        """Yield a chunk's messages of topics with these prefixes; none if it is damaged."""
        content, is_sound = self._reader.file.read_chunk(chunk.record)
        if not is_sound:
            return
        wanted: dict[int, tuple[str, bool]] = {}
        at = 0
        while at + 9 <= len(content):
            opcode, length = struct.unpack_from("<BQ", content, at)
            begin, at = at + 9, at + 9 + length
            if at > len(content):
                return
            if opcode == Opcode.CHANNEL:
                channel = self._channel(content[begin:at])
                if channel and channel[1].startswith(prefixes):
                    wanted[channel[0]] = channel[1:]
            elif opcode == Opcode.MESSAGE and length >= MESSAGE_FIELDS.size:
                number, _, log_time, _ = MESSAGE_FIELDS.unpack_from(content, begin)
                if number in wanted:
                    topic, has_parts = wanted[number]
                    data = content[begin + MESSAGE_FIELDS.size : at]
                    parts = unpack_parts({PARTS: ""} if has_parts else {}, data)
                    if parts:
                        yield LightMessage(topic, log_time, parts[0])

    def _channel(self, body: bytes) -> tuple[int, str, bool] | None:
        if body not in self._topics:
            found = None
            with suppress(*UNREADABLE):
                channel = Channel.read(ReadDataStream(BytesIO(body)))
                found = channel.id, channel.topic, PARTS in channel.metadata
            self._topics[body] = found
        return self._topics[body]

    def indexed(self) -> list[ChunkPlace]:
        """The chunks from the index at the end of the file; empty if it is missing or damaged."""
        summary, found = self._read_summary(), []
        for at, first, last, place, size, extent in self._chunk_indexes(summary):
            begin = at + INDEX_FIELDS.size
            entries = summary[begin : begin + extent // INDEX_ENTRY.size * INDEX_ENTRY.size]
            numbers = frozenset(number for number, _ in INDEX_ENTRY.iter_unpack(entries))
            record = FileRecord(Opcode.CHUNK, place, size - 9)
            found.append(ChunkPlace(record, first, last, numbers))
        return found

    def spans(self) -> list[ChunkTimes]:
        """The times of all chunks, which is quicker than `chunks`."""
        indexes = self._chunk_indexes(self._read_summary())
        found = [
            ChunkTimes(first, last, place + size) for _, first, last, place, size, _ in indexes
        ]
        return found or [
            ChunkTimes(one.first, one.last, one.record.end) for one in self._searched()
        ]

    def edges(self, of: Set[int], spans: list[ChunkTimes]) -> tuple[list[int], list[int]]:
        """The earliest and latest log times of channels and of all others, among more such times.

        Args:
            of: The channels. Times between those of others may be left out.
            spans: The times of all chunks.

        Returns:
            Times of these channels, and of all others.
        """
        these, others = list[int](), list[int]()

        def add(span: ChunkTimes) -> None:
            known = self.index_times(span.end) or {-1: [span.first, span.last]}
            for number, times in known.items():
                (these if number in of else others).extend(times)

        for span in sorted(spans, key=attrgetter("last"), reverse=True):
            if others and span.last <= max(others):
                break
            add(span)
        for span in sorted(spans, key=attrgetter("first")):
            if others and span.first >= min(others):
                break
            add(span)
        return these, others

    def index_times(self, end: int) -> dict[int, list[int]]:
        """The log times of a chunk's messages by channel; empty if its indexes are damaged.

        Args:
            end: Offset of the first byte after the chunk.
        """
        file, at = self._reader.file, end
        found: dict[int, list[int]] = {}
        while True:
            opcode, length = struct.unpack("<BQ", file.read_at(at, 9).ljust(9, b"\0"))
            if opcode != Opcode.MESSAGE_INDEX or length > MAX_RECORD_BYTES:
                return found
            body = file.read_at(at + 9, length)
            if len(body) < length or length < MESSAGE_INDEX_FIELDS.size:
                return found
            number, size = MESSAGE_INDEX_FIELDS.unpack_from(body)
            entries = body[MESSAGE_INDEX_FIELDS.size :][:size]
            whole = len(entries) // MESSAGE_INDEX_ENTRY.size * MESSAGE_INDEX_ENTRY.size
            found[number] = [at for at, _ in MESSAGE_INDEX_ENTRY.iter_unpack(entries[:whole])]
            at += 9 + length

    def _read_summary(self) -> bytes:
        """The section at the end of the file; empty if it is missing or damaged."""
        file = self._reader.file
        if not file.footer or not file.footer.summary_start or file.summary_problems:
            return b""
        start = file.footer.summary_start
        return file.read_at(start, file.size - FOOTER_BYTES - start)

    def _chunk_indexes(self, summary: bytes) -> Iterator[tuple[int, ...]]:
        """Offset of each chunk index's fields in the section, and its fields, if possible."""
        at, file_size = 0, self._reader.file.size
        while at + 9 <= len(summary):
            opcode, length = struct.unpack_from("<BQ", summary, at)
            begin, at = at + 9, at + 9 + length
            if opcode == Opcode.CHUNK_INDEX and length >= INDEX_FIELDS.size:
                first, last, place, size, extent = INDEX_FIELDS.unpack_from(summary, begin)
                if size >= 9 and place + size <= file_size:
                    yield begin, first, last, place, size, extent

    def _searched(self) -> Iterator[ChunkPlace]:
        file = self._reader.file
        for record in file.records():
            if record.opcode != Opcode.CHUNK:
                continue
            head = file.read_at(record.start + 9, CHUNK_HEADER.size)
            if len(head) == CHUNK_HEADER.size:
                first, last, *_ = CHUNK_HEADER.unpack(head)
                yield ChunkPlace(record, first, last, None)


def messages_from(
    reader: SessionReader, at: int, kept: str, kept_prefix: str
) -> Iterator[RecordedMessage]:
    """Yield the messages of a recording from a moment on, without reading everything before it.

    They include some messages from before, and all messages of one kind. Without an index, the
    whole recording is read. A marker counts as set before the next other message: the tool that has
    set it may be wrong about the time.

    Args:
        reader: Reader of the recording.
        at: The moment, as log time in ns since the Unix epoch.
        kept: The kind of message to include from the beginning, such as ``StreamStart``.
        kept_prefix: Prefix of its topics.
    """
    light = LightReader(reader)
    chunks = light.indexed()
    begin = _find_begin(light, chunks, at)
    if not chunks or not begin:
        yield from reader.messages()
        return
    for chunk in light.having(chunks[:begin], kept_prefix):
        yield from (one for one in _sound_messages(reader, chunk) if one.kind == kept)
    for chunk in chunks[begin:]:
        yield from _sound_messages(reader, chunk)


def _find_begin(light: LightReader, chunks: list[ChunkPlace], at: int) -> int:
    """The first chunk to read for the messages from a moment on."""
    markers = light.channels("marker/")

    def reaches(chunk: ChunkPlace) -> bool:
        if chunk.last < at or not chunk.channels or markers.isdisjoint(chunk.channels):
            return chunk.last >= at
        known = light.index_times(chunk.record.end)
        times = (times for number, times in known.items() if number not in markers)
        return not known or any(max(some, default=0) >= at for some in times)

    begin = next((i for i, chunk in enumerate(chunks) if reaches(chunk)), len(chunks))
    # A marker may come just before it, at the end of the chunk before
    while begin and not markers.isdisjoint(chunks[begin - 1].channels or ()):
        begin -= 1
        if not (chunks[begin].channels or set()) <= markers:
            break
    return begin


def _sound_messages(reader: SessionReader, chunk: ChunkPlace) -> Iterator[RecordedMessage]:
    """Yield the messages of a chunk; none if it is damaged."""
    content, is_sound = reader.file.read_chunk(chunk.record)
    return reader.read_messages(content if is_sound else b"")
