"""Reading parts of a recording: chunks by their times, and messages of selected topics.

For overviews of long recordings without reading everything: checksums are the only check, and
headers are not parsed.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Final, NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel

from affectline.common.recording.layout import PARTS, unpack_parts
from affectline.common.recording.reader import MESSAGE_FIELDS, RecordedMessage, SessionReader
from affectline.common.recording.records import CHUNK_HEADER, FOOTER_BYTES, UNREADABLE, FileRecord

INDEX_FIELDS: Final = struct.Struct("<QQQQI")
"""Fields of a chunk index record: times of the first and last message, offset and length of the
chunk record, and length of the map that follows: offsets of message indexes by channel."""
INDEX_ENTRY: Final = struct.Struct("<HQ")


class ChunkPlace(NamedTuple):
    """A chunk, and the times that it covers."""

    record: FileRecord
    first: int
    """Log time of its first message in ns since the Unix epoch."""
    last: int
    channels: frozenset[int] | None
    """Channels with messages in it; None: not known."""


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

    def having(self, chunks: list[ChunkPlace], prefix: str) -> list[ChunkPlace]:
        """The chunks that may have messages of topics with this prefix."""
        numbers = {
            n for n, one in self._reader.file.channels.items() if one.topic.startswith(prefix)
        }
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
        file = self._reader.file
        if not file.footer or not file.footer.summary_start or file.summary_problems:
            return []
        start = file.footer.summary_start
        summary = file.read_at(start, file.size - FOOTER_BYTES - start)
        found, at = [], 0
        while at + 9 <= len(summary):
            opcode, length = struct.unpack_from("<BQ", summary, at)
            if opcode == Opcode.CHUNK_INDEX and length >= INDEX_FIELDS.size:
                first, last, place, size, extent = INDEX_FIELDS.unpack_from(summary, at + 9)
                begin = at + 9 + INDEX_FIELDS.size
                entries = summary[begin : begin + extent // INDEX_ENTRY.size * INDEX_ENTRY.size]
                numbers = frozenset(number for number, _ in INDEX_ENTRY.iter_unpack(entries))
                if size >= 9 and place + size <= file.size:
                    record = FileRecord(Opcode.CHUNK, place, size - 9)
                    found.append(ChunkPlace(record, first, last, numbers))
            at += 9 + length
        return found

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
    whole recording is read.

    Args:
        reader: Reader of the recording.
        at: The moment, as log time in ns since the Unix epoch.
        kept: The kind of message to include from the beginning, such as ``StreamStart``.
        kept_prefix: Prefix of its topics.
    """
    light = LightReader(reader)
    chunks = light.indexed()
    begin = next((i for i, chunk in enumerate(chunks) if chunk.last >= at), len(chunks))
    if not chunks or not begin:
        yield from reader.messages()
        return
    for chunk in light.having(chunks[:begin], kept_prefix):
        found = reader.read_messages(reader.file.read_chunk(chunk.record)[0])
        yield from (one for one in found if one.kind == kept)
    for chunk in chunks[begin:]:
        content, is_sound = reader.file.read_chunk(chunk.record)
        if is_sound:
            yield from reader.read_messages(content)
