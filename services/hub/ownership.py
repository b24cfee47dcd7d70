"""Whose a stream is: that of the connection which began it, for as long as the connection lasts.

A connection's file descriptor does not name it, for its number is used again while messages of the
one before still wait to be read. What does is its origin: on Unix sockets the process, whose number
the kernel tells; over TCP the address with what the authenticator has called the connection.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import zmq

from affectline.common.wire.messages import SENT_TO, Frame, StreamStart
from affectline.services.hub.authenticator import CONNECTION
from affectline.services.hub.connections import Connection, Connections
from affectline.services.hub.outlet import connection_of, property_of, user_of

MOST_STREAMS: Final = 256
"""Of which it is known whose they are: four times as many as anybody follows."""
FRAMES: Final = f"{Frame.topic_prefix}/".encode()
STREAMS: Final = f"{StreamStart.topic_prefix}/".encode()
OWNED: Final = (FRAMES, STREAMS)
_AGAIN: Final = SENT_TO.encode()


class Sender(NamedTuple):
    """Where a message came from."""

    origin: str
    """What nobody else has."""
    name: str
    """For people: a process, or an address with the name of its key."""
    number: int
    """The file descriptor of the connection."""


def origin_of(first: zmq.Frame, *, is_local: bool) -> str:
    """What nobody else has who sends messages; empty: not known.

    Args:
        first: The first part of a message.
        is_local: It came by a Unix socket, whose address is user, group and process.
    """
    address = property_of(first, "Peer-Address")
    if is_local:
        return address
    called = property_of(first, CONNECTION) or f"#{connection_of(first)}"
    return f"{address} {called}"


def sender_of(first: zmq.Frame, *, is_local: bool) -> Sender | None:
    """Who has sent a message; None: a thread of this process.

    Args:
        first: Its first part.
        is_local: It came by a Unix socket.
    """
    number = connection_of(first)
    if number is None:
        return None
    origin = origin_of(first, is_local=is_local)
    if is_local:
        process = origin.rpartition(":")[2]
        return Sender(origin, f"process {process}" if process else "a process", number)
    address, user = origin.rpartition(" ")[0], user_of(first)
    return Sender(origin, f"{user} at {address}" if user else address, number)


def topic_of(parts: list[bytes]) -> bytes:
    """The topic of a message, also where it is sent to one consumer alone."""
    return parts[1] if parts[0].startswith(_AGAIN) and len(parts) > 1 else parts[0]


@dataclass
class Owner:
    """Who publishes a stream."""

    sender: Sender
    connection: Connection | None
    """None: it has ended before it was asked for."""

    @property
    def is_there(self) -> bool:
        """Whether its connection lasts."""
        one = self.connection
        return one is not None and one.is_open and one.origin == self.sender.origin


class StreamOwners:
    """Knows whose the streams are."""

    def __init__(self) -> None:
        self._owners: dict[bytes, Owner] = {}

    def is_of(self, stream: bytes, origin: str) -> bool:
        """Whether a stream is known to be of this origin: for most messages the only question."""
        owner = self._owners.get(stream)
        return owner is not None and owner.sender.origin == origin and owner.is_there

    def find_other(self, stream: bytes, sender: Sender, connections: Connections) -> Owner | None:
        """Who else owns a stream; None: it is the sender's, from now on at least.

        Args:
            stream: Its name.
            sender: Who publishes on it.
            connections: Those to the socket that the message came by.
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
