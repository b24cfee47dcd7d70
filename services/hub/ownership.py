"""Ownership of streams: the connection that begins a stream owns it for as long as it lasts.

A file descriptor does not identify a connection: the number is reused while messages of the earlier
connection still wait to be read. Its origin does: on Unix sockets the process ID, which the kernel
reports; over TCP the address with the name that the authenticator gave the connection.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import zmq

from affectline.common.wire.messages import SENT_TO, Frame, StreamStart
from affectline.services.hub.connections import Connection, Connections
from affectline.services.hub.peer_properties import (
    address_of,
    connection_name_of,
    connection_of,
    user_of,
)

MOST_STREAMS: Final = 256
"""Streams whose owners are kept: four times as many as any consumer follows."""
FRAMES: Final = f"{Frame.topic_prefix}/".encode()
STREAMS: Final = f"{StreamStart.topic_prefix}/".encode()
OWNED: Final = (FRAMES, STREAMS)
_AGAIN: Final = SENT_TO.encode()


class Sender(NamedTuple):
    """Where a message came from."""

    origin: str
    """Unique to the sender."""
    name: str
    """For display: a process, or an address with the name of its key."""
    number: int
    """The file descriptor of the connection."""


def origin_of(first: zmq.Frame, *, is_local: bool, has_keys: bool) -> str:
    """What identifies the sender of a message uniquely; empty if that is not known.

    Args:
        first: The first part of a message.
        is_local: The message came by a Unix socket, whose address is user, group and process.
        has_keys: Whether its socket requires keys.
    """
    address = address_of(first)
    if is_local:
        return address
    called = connection_name_of(first, has_keys=has_keys) or f"#{connection_of(first)}"
    return f"{address} {called}"


def sender_of(first: zmq.Frame, *, is_local: bool, has_keys: bool) -> Sender | None:
    """Who sent a message; None for a thread of this process.

    Args:
        first: The first part of the message.
        is_local: The message came by a Unix socket.
        has_keys: Whether its socket requires keys.
    """
    number = connection_of(first)
    if number is None:
        return None
    origin = origin_of(first, is_local=is_local, has_keys=has_keys)
    if is_local:
        process = origin.rpartition(":")[2]
        return Sender(origin, f"process {process}" if process else "a process", number)
    address, user = origin.rpartition(" ")[0], user_of(first, has_keys=has_keys)
    return Sender(origin, f"{user} at {address}" if user else address, number)


def topic_of(parts: list[bytes]) -> bytes:
    """The topic of a message, even if it is addressed to a single consumer."""
    return parts[1] if parts[0].startswith(_AGAIN) and len(parts) > 1 else parts[0]


@dataclass
class Owner:
    """The publisher of a stream."""

    sender: Sender
    connection: Connection | None
    """None: it ended before it could be looked up."""

    @property
    def is_there(self) -> bool:
        """Whether its connection is still open."""
        one = self.connection
        return one is not None and one.is_open and one.origin == self.sender.origin


class StreamOwners:
    """Keeps track of the owners of streams."""

    def __init__(self) -> None:
        self._owners: dict[bytes, Owner] = {}

    def is_of(self, stream: bytes, origin: str) -> bool:
        """Whether this origin is known to own a stream: the only check that most messages need."""
        owner = self._owners.get(stream)
        return owner is not None and owner.sender.origin == origin and owner.is_there

    def find_other(self, stream: bytes, sender: Sender, connections: Connections) -> Owner | None:
        """The other owner of a stream; None if the sender owns it already, or takes it now.

        Args:
            stream: Name of the stream.
            sender: Who publishes on it.
            connections: The connections to the socket on which the message arrived.
        """
        owner = self._owners.get(stream)
        if owner is not None and owner.is_there:
            return None if owner.sender.origin == sender.origin else owner
        connections.update()
        self._claim(stream, Owner(sender, connections.find(sender.number, sender.origin)))
        return None

    def _claim(self, stream: bytes, owner: Owner) -> None:
        self._owners.pop(stream, None)
        if len(self._owners) >= MOST_STREAMS:
            gone = [name for name, one in self._owners.items() if not one.is_there]
            origin = owner.sender.origin
            own = [name for name, one in self._owners.items() if one.sender.origin == origin]
            for name in gone or own[:1] or list(self._owners)[:1]:
                del self._owners[name]
        self._owners[stream] = owner
