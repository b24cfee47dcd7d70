"""Encoding and decoding of messages; the only module that imports msgpack."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgpack
from pydantic import ValidationError

from affectline.common.errors import InvalidMessage
from affectline.common.wire.base import Message
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import Packet

MAX_HEADER_BYTES: Final = 1 << 20
"""Maximum length of any header; a longer one is refused without parsing it. Most kinds of message
have a lower limit (`Message.max_header_bytes`)."""
MAX_PARTS: Final = 768
MAX_ITEMS: Final = 1 << 13
"""Maximum items of one list or map in a header: a message has 4096 samples at most."""
MAX_PART_BYTES: Final = 1 << 28
"""Maximum length of a part on the bus: that of a raw frame of 89 megapixels. Sockets close the
connection to a peer that sends more (``ZMQ_MAXMSGSIZE``)."""


def encode(packet: Packet) -> list[bytes | memoryview]:
    """Encode a message as the parts of a multipart ZeroMQ message: topic, header, binary parts."""
    message = packet.message
    header: bytes = msgpack.packb(message.model_dump())
    return [message.topic.encode(), header, *packet.parts]


def decode(parts: Sequence[bytes | memoryview]) -> Packet:
    """Decode a multipart message.

    Args:
        parts: Topic, msgpack header, then the binary parts.

    Raises:
        InvalidMessage: Something does not match the declaration of the message's class.
    """
    if not 2 <= len(parts) <= 2 + MAX_PARTS:
        raise InvalidMessage(f"{len(parts)} parts")
    topic, header, *rest = parts
    if len(header) > _max_header_bytes().get(bytes(topic[:64]).split(b"/")[0], MAX_HEADER_BYTES):
        raise InvalidMessage(f"a header of {len(header)} bytes")
    message = _parse(header)
    if bytes(topic) != message.topic.encode():
        raise InvalidMessage(f"a {type(message).__name__} on topic {bytes(topic)[:80]!r}")
    sizes = message.part_sizes
    if len(sizes) != len(rest):
        raise InvalidMessage(f"{type(message).__name__} with {len(rest)} parts, not {len(sizes)}")
    for size, part in zip(sizes, rest, strict=True):
        if size is not None and size != len(part):
            raise InvalidMessage(f"{type(message).__name__} with a part of {len(part)} bytes")
    return Packet(message, tuple(rest))


def read_header(header: bytes | memoryview) -> dict[str, Any]:
    """The fields of a header, unchecked; empty if it is not a msgpack map."""
    try:
        fields = _unpack(header)
    except InvalidMessage:
        return {}
    return fields if isinstance(fields, dict) else {}


@cache
def _max_header_bytes() -> Mapping[bytes, int]:
    """Maximum length of the header, by first level of the topic."""
    found: dict[bytes, int] = {}
    for kind in message_kinds().values():
        prefix = kind.topic_prefix.encode()
        found[prefix] = max(found.get(prefix, 0), kind.max_header_bytes)
    return found


def _unpack(header: bytes | memoryview) -> Any:
    try:
        return msgpack.unpackb(
            header, max_array_len=MAX_ITEMS, max_map_len=MAX_ITEMS, max_bin_len=0, max_ext_len=0
        )
    # msgpack itself limits how deep lists are nested
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise InvalidMessage(f"a header that is not msgpack: {error}") from error


def _parse(header: bytes | memoryview) -> Message:
    fields = _unpack(header)
    kind = fields.get("message") if isinstance(fields, dict) else None
    model = message_kinds().get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InvalidMessage(f"not an Affectline message: {str(kind)[:80]!r}")
    if fields.get("version") != model.model_fields["version"].default:
        fields = model.upgrade(fields)
    try:
        return model.model_validate(fields)
    except (ValidationError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"msg": str(error)}
        raise InvalidMessage(f"{kind}: {first.get('loc', ())} {first['msg']}") from error
