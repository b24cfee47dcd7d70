"""Reads untrusted Avro container files in bounded time and memory.

A file contains its own schema and is compressed, so a few bytes may stand for any number of values:
a compressed run of zeros, or an array of items that take no bytes. Both are refused before the
library (fastavro) reads the file. The format is that of Apache Avro 1.11, "Object Container Files".
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

import zstandard

MOST_BYTES: Final = 1 << 25
"""The most uncompressed bytes of a file: more than two hours of all sensors of a watch."""
SYNC_BYTES: Final = 16
STEP_BYTES: Final = 1 << 16

Decompress = Callable[[bytes], int]
"""Returns the uncompressed length, counted no further than just beyond `MOST_BYTES`."""


def read_records(path: Path, avro: Any) -> list[Any]:
    """The records of a file.

    Args:
        path: The file.
        avro: The module ``fastavro``.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not a complete Avro file, or would grow beyond `MOST_BYTES`.
    """
    with path.open("rb") as file:
        try:
            reader = avro.reader(file)  # reads only the header
            _check_schema(reader.writer_schema)
            blocks_at = file.tell()
            _check_blocks(file, str(reader.codec))
            file.seek(blocks_at)
            return list(reader)
        except OSError:
            raise
        except Exception as error:  # fastavro raises whatever the bytes lead to
            raise ValueError(str(error) or type(error).__name__) from error


def _check_blocks(file: BinaryIO, codec: str) -> None:
    """Check the uncompressed size of the blocks.

    Raises:
        ValueError: All blocks together are too large, or one is cut off.
    """
    total = 0
    while (count := _read_long(file)) is not None:
        size = _read_long(file)
        if count < 0 or size is None or not 0 <= size <= MOST_BYTES:
            raise ValueError(f"a block of {count} records in {size} bytes")
        data = file.read(size + SYNC_BYTES)
        if len(data) < size + SYNC_BYTES:
            raise ValueError("cut off")
        total += _uncompressed_bytes(data[:size], codec)
        if total > MOST_BYTES:
            raise ValueError(f"uncompressed it has more than {MOST_BYTES} bytes")


def _uncompressed_bytes(data: bytes, codec: str) -> int:
    match codec:
        case "deflate":
            return len(zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MOST_BYTES + 1))
        case "bzip2":
            return len(bz2.BZ2Decompressor().decompress(data, MOST_BYTES + 1))
        case "xz":
            return len(lzma.LZMADecompressor().decompress(data, MOST_BYTES + 1))
        case "zstandard":
            with zstandard.ZstdDecompressor().stream_reader(data) as reader:
                return len(reader.read(MOST_BYTES + 1))
        case "snappy":  # the length comes first, and 4 bytes of checksum last
            return _read_uvarint(data)
        case "null":
            return len(data)
    raise ValueError(f"codec {codec[:40]}")


def _read_long(file: BinaryIO) -> int | None:
    """A ``long``: zigzag, 7 bits per byte, the lowest first. None at the end of the file."""
    head = file.read(10)
    if not head:
        return None
    value = 0
    for i, byte in enumerate(head):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            file.seek(i + 1 - len(head), 1)
            return value >> 1 ^ -(value & 1)
    raise ValueError("a number that does not end")


def _read_uvarint(data: bytes) -> int:
    value = 0
    for i, byte in enumerate(data[:5]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value
    raise ValueError("a number that does not end")


def _check_schema(schema: Any) -> None:
    """Refuse lists whose items may take no bytes: one number would stand for any amount of them.

    Raises:
        ValueError: The schema has such a list.
    """
    named: dict[str, Any] = {}
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            if "name" in one:
                named[str(one["name"])] = one
            items = one.get("items")
            if items is not None and _may_be_empty(items, named, ()):
                raise ValueError("a list of nothing")
            waiting += [items, one.get("values"), one.get("type")]
            waiting += [field.get("type") for field in one.get("fields") or ()]


def _may_be_empty(schema: Any, named: dict[str, Any], within: tuple[str, ...]) -> bool:
    """Whether a value may take no bytes at all; a union takes at least one."""
    if isinstance(schema, str):
        known = named.get(schema)
        if known is None or schema in within:
            return schema == "null" or known is not None
        return _may_be_empty(known, named, (*within, schema))
    if not isinstance(schema, dict):
        return False
    match schema.get("type"):
        case "record" | "error":
            fields = (field.get("type") for field in schema.get("fields") or ())
            return all(_may_be_empty(field, named, within) for field in fields)
        case "fixed":
            return not schema.get("size")
        case "array" | "map" | "enum":
            return False
        case kind:
            return _may_be_empty(kind, named, within)
