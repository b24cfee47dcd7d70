"""Subscribers: which topics each of them gets, and how many subscriptions it may have.

The socket for untrusted peers is an XPUB in manual mode (``ZMQ_XPUB_MANUAL``): a subscription takes
effect only once the hub grants it, and only for the connection that it came from.
"""

import contextlib
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import zmq

from affectline.common.runtime.sockets import new_socket
from affectline.services.hub.refusals import Refusals

SUBSCRIBED: Final = b"\x01"
UNSUBSCRIBED: Final = b"\x00"
"""First byte of a message that an XPUB socket receives for a subscription; the topic follows."""
EVENTS_AT_ONCE: Final = 256
SUBSCRIPTIONS: Final = 64
"""How many subscriptions one connection of an untrusted peer may have."""
LONGEST_TOPIC: Final = 256
"""The most bytes of an untrusted peer's subscription."""

Narrow = Callable[[str, str], tuple[str, ...]]
"""What a user gets for a subscription to a topic prefix: that prefix, narrower ones, or none."""

OnMessage = Callable[[int, Sequence[int], str], None]


class SubscriptionEvent(NamedTuple):
    """A consumer has subscribed or unsubscribed, as an XPUB socket reports it."""

    joined: bool
    topic: bytes
    number: int | None = None
    """The file descriptor of its connection, if known."""


class Subscribers:
    """An XPUB socket for peers without limits: the user's own processes."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], hwm: int) -> None:
        self.socket = new_socket(context, zmq.XPUB)
        self.socket.setsockopt(zmq.SNDHWM, hwm)
        self.topics: Counter[bytes] = Counter()
        """Prefixes with subscribers, and how many each has."""
        self.on_message: OnMessage = lambda _number, _sizes, _user: None
        """Called with the connection's number, the sizes of the parts read, and the user."""
        self.serial_of: Callable[[int], int] = lambda _number: 0
        """Tells connections apart that have had the same number one after the other."""

    def read_events(self) -> Iterator[SubscriptionEvent]:
        """Yield subscriptions and unsubscriptions since the last call."""
        for _ in range(EVENTS_AT_ONCE):
            try:
                frame = self.socket.recv(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            number = connection_of(frame)
            if number is not None:
                self.on_message(number, (len(frame),), "")
            if event := self._count(frame.bytes, number):
                yield event

    def wants(self, prefix: bytes) -> bool:
        """Whether anybody subscribes to topics that begin with ``prefix``."""
        return any(prefix.startswith(topic) or topic.startswith(prefix) for topic in self.topics)

    def _count(self, data: bytes, number: int | None) -> SubscriptionEvent | None:
        kind, topic = data[:1], data[1:]
        if kind == SUBSCRIBED:
            self.topics[topic] += 1
        elif kind == UNSUBSCRIBED:
            self.topics[topic] -= 1
            if self.topics[topic] <= 0:
                del self.topics[topic]
        else:
            return None
        return SubscriptionEvent(kind == SUBSCRIBED, topic, number)


class UntrustedSubscribers(Subscribers):
    """An XPUB socket for peers that get only what they are entitled to.

    It closes connections with too many subscriptions, and those that send anything but
    subscriptions. After such a message libzmq (4.3.5, manual mode) no longer knows whose
    subscription is read. Subscriptions read along with one are therefore ignored and their peers
    disconnected; these connect again by themselves.

    Args:
        context: The ZeroMQ context of the socket.
        hwm: How many messages may wait for one peer.
        refusals: Counts what was refused.
        narrow: What a user gets for a subscription.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        hwm: int,
        refusals: Refusals,
        narrow: Narrow,
    ) -> None:
        super().__init__(context, hwm)
        self.socket.setsockopt(zmq.XPUB_MANUAL, 1)
        self._refusals, self._narrow = refusals, narrow
        self._held: dict[int, Counter[bytes]] = {}
        """The subscriptions of each connection, by file descriptor."""
        self._serials: dict[int, int] = {}
        """Which connection with this descriptor they are of."""
        self._users: dict[int, str] = {}
        self._out_of_step = False
        """Whether a message other than a subscription was read since the queue was last empty."""

    def read_events(self) -> Iterator[SubscriptionEvent]:
        for _ in range(EVENTS_AT_ONCE):
            try:
                frame = self.socket.recv(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                self._out_of_step = False
                return
            if event := self._admit(frame):
                yield event

    def wants(self, prefix: bytes) -> bool:
        users = set(self._users.values())
        may_hear = any(self._narrow(user, prefix.decode()) for user in users)
        return may_hear and super().wants(prefix)

    def disconnect(self, user: str) -> None:
        """Close the connections of a user; their subscriptions end."""
        found = [number for number, name in self._users.items() if name == user]
        for number in found:
            self._disconnect(number)

    def _admit(self, frame: zmq.Frame) -> SubscriptionEvent | None:
        data, number, user = frame.bytes, connection_of(frame), user_of(frame)
        if number is None:  # a connection has ended, and so have its subscriptions
            return self._count(data, number)
        self.on_message(number, (len(data),), user)
        serial = self.serial_of(number)
        if self._serials.get(number, serial) != serial:
            del self._held[number]  # the number belonged to a connection that has ended
        self._users[number], self._serials[number] = user, serial
        held = self._held.setdefault(number, Counter())
        if data[:1] not in (SUBSCRIBED, UNSUBSCRIBED):
            self._out_of_step = True
            self._refusals.count("messages at the outlet", user)
            self._disconnect(number)
            return None
        if self._out_of_step:
            self._disconnect(number)
            return None
        topic = data[1:]
        if data[:1] == UNSUBSCRIBED:
            held[topic] -= 1
            if held[topic] <= 0:
                del held[topic]
            # Narrower prefixes stay: their subscriber ignores what it no longer wants
            self.socket.setsockopt(zmq.UNSUBSCRIBE, topic)
            return self._count(data, number)
        held[topic] += 1
        if held.total() > SUBSCRIPTIONS or len(topic) > LONGEST_TOPIC:
            self._refusals.count("subscriptions beyond the limit", user)
            self._disconnect(number)
            return None
        granted = self._narrow(user, topic.decode(errors="replace"))
        if not granted:
            self._refusals.count(f"subscription to {topic.decode(errors='replace')}", user)
        for prefix in granted:
            self.socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        return self._count(data, number)

    def _disconnect(self, number: int) -> None:
        """End a connection as if its cable had been cut."""
        self._held.pop(number, None)
        self._users.pop(number, None)
        self._serials.pop(number, None)
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as connection:
            connection.getpeername()
            connection.shutdown(socket.SHUT_RDWR)


def user_of(frame: zmq.Frame) -> str:
    """The sender of a message: the name of its key, or empty if the peer has none."""
    return property_of(frame, "User-Id")


def connection_of(frame: zmq.Frame) -> int | None:
    """The file descriptor of the connection by which a message came."""
    number = property_of(frame, "__fd")
    return int(number) if number else None


def property_of(frame: zmq.Frame, name: str) -> str:
    """A property of the connection by which a message came; empty if it has no such property."""
    try:
        return str(frame.get(name))
    except zmq.ZMQError:  # no property has this name
        return ""
