"""Layout of a wire message as the data of one MCAP message.

A message of a kind without binary parts is only its header, so that any reader of msgpack can read
it. A message of a kind with parts (`Frame`, `Faces`) has this layout::

    header, part, part, ...    their bytes one after the other
    u32 u32 u32 ...            little-endian: length of the header and of each part
    u16                        little-endian: how many lengths there are

and its channel has `PARTS` in its metadata. The header comes first, so that streaming msgpack
readers find it there, too.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

PARTS: Final = "parts"
"""Key of a channel's metadata: the channel's messages have their lengths at the end."""
KIND: Final = "message"
"""Key of a channel's metadata: the name of its kind of message, as in the ``message`` field."""
LAYOUT: Final = {PARTS: "u32le lengths and u16le count at the end"}


def pack_parts(parts: Sequence[bytes | memoryview], *, header_only: bool) -> bytes:
    """Lay out a message.

    Args:
        parts: Header and binary parts.
        header_only: Whether the message's kind has no binary parts.
    """
    if header_only:
        return bytes(parts[0])
    sizes = struct.pack(f"<{len(parts)}IH", *(len(part) for part in parts), len(parts))
    return b"".join((*parts, sizes))


def unpack_parts(metadata: Mapping[str, str], data: bytes) -> tuple[bytes, ...] | None:
    """Return the header and binary parts of a message; None if the lengths do not fit.

    Args:
        metadata: Metadata of the channel.
        data: The MCAP message's data.
    """
    if PARTS not in metadata:
        return (data,)
    if len(data) < 2:
        return None
    count = int.from_bytes(data[-2:], "little")
    end = len(data) - 2 - 4 * count
    if count < 1 or end < 0:
        return None
    sizes = struct.unpack_from(f"<{count}I", data, end)
    if sum(sizes) != end:
        return None
    parts, start = [], 0
    for size in sizes:
        parts.append(data[start : start + size])
        start += size
    return tuple(parts)
