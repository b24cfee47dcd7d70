"""Subscribers: which topics each of them gets, and how many subscriptions it may have.

The socket for untrusted peers is an XPUB in manual mode (``ZMQ_XPUB_MANUAL``): a subscription takes
effect only once the hub grants it, and only for the connection that it came from.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import zmq

from affectline.common.runtime.sockets import new_socket
from affectline.services.hub.connections import Connections
from affectline.services.hub.peer_properties import connection_of, user_of
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
        """Prefixes that somebody gets, and for how many subscribers each."""
        self.connections: Connections | None = None
        """The connections to the socket; set before it is bound."""

    def read_events(self) -> Iterator[SubscriptionEvent]:
        """Yield subscriptions and unsubscriptions since the last call."""
        for _ in range(EVENTS_AT_ONCE):
            try:
                frame = self.socket.recv(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            number = connection_of(frame)
            if number is not None and self.connections is not None:
                self.connections.on_message(number, (len(frame),))
            if event := self._count(frame.bytes, number):
                yield event

    def wants(self, prefix: bytes) -> bool:
        """Whether anybody gets topics that begin with ``prefix``."""
        return any(prefix.startswith(topic) or topic.startswith(prefix) for topic in self.topics)

    def _count(self, data: bytes, number: int | None) -> SubscriptionEvent | None:
        kind, topic = data[:1], data[1:]
        if kind == SUBSCRIBED:
            self.topics[topic] += 1
        elif kind == UNSUBSCRIBED:
            _subtract(self.topics, (topic,))
        else:
            return None
        return SubscriptionEvent(kind == SUBSCRIBED, topic, number)


class Held(NamedTuple):
    """The subscriptions of one connection."""

    serial: int
    """Which of the connections with this descriptor it is."""
    topics: set[bytes]
    """What it has subscribed to."""
    granted: set[bytes]
    """What it gets for that."""


class UntrustedSubscribers(Subscribers):
    """An XPUB socket for peers that get only what they are entitled to.

    It closes connections with too many subscriptions, and those that send anything but
    subscriptions. After such a message libzmq (4.3.5, manual mode) no longer knows whose
    subscription is read. Subscriptions read along with one are therefore ignored and their peers
    disconnected; these connect again by themselves.

    libzmq also reports an unsubscription for each topic of a connection that has ended, but not
    whose it was, and includes topics that were never granted. So what a connection holds is kept
    here as a set, and released when the connection has ended.

    Args:
        context: The ZeroMQ context of the socket.
        hwm: How many messages may wait for one peer.
        refusals: Counts what was refused.
        narrow: What a user gets for a subscription.
        has_keys: Whether the socket requires keys.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        hwm: int,
        refusals: Refusals,
        narrow: Narrow,
        *,
        has_keys: bool = False,
    ) -> None:
        super().__init__(context, hwm)
        self.socket.setsockopt(zmq.XPUB_MANUAL, 1)
        self._refusals, self._narrow, self._has_keys = refusals, narrow, has_keys
        self._held: dict[int, Held] = {}
        """The subscriptions of each connection, by file descriptor."""
        self._holders: Counter[bytes] = Counter()
        """How many connections have subscribed to each topic."""
        self._ended = 0
        """How many connections had ended when the subscriptions were last compared with them."""
        self._out_of_step = False
        """Whether a message other than a subscription was read since the queue was last empty."""

    def read_events(self) -> Iterator[SubscriptionEvent]:
        for _ in range(EVENTS_AT_ONCE):
            try:
                frame = self.socket.recv(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                self._out_of_step = False
                return
            if self.connections is not None:
                with self._refusals.surviving("a subscription"):
                    yield from self._admit(frame, self.connections)

    def _admit(self, frame: zmq.Frame, peers: Connections) -> Iterator[SubscriptionEvent]:
        data, number = frame.bytes, connection_of(frame)
        user = user_of(frame, has_keys=self._has_keys)
        # Without a number libzmq itself says that a connection has ended
        serial = peers.serial_of(-1 if number is None else number)
        yield from self._release_ended(peers)
        if number is None or not serial:  # it has ended, or was cut
            return
        peers.on_message(number, (len(data),), user)
        kind, topic = data[:1], data[1:]
        if kind not in (SUBSCRIBED, UNSUBSCRIBED):
            self._out_of_step = True
            self._refusals.count("messages at the outlet", user)
        if self._out_of_step:
            peers.cut(number)
            yield from self._release_ended(peers)
            return
        held = self._held.setdefault(number, Held(serial, set(), set()))
        if kind == UNSUBSCRIBED:
            yield from self._unsubscribe(number, held, topic)
            return
        if (topic not in held.topics and len(held.topics) >= SUBSCRIPTIONS) or (
            len(topic) > LONGEST_TOPIC
        ):
            self._refusals.count("subscriptions beyond the limit", user)
            peers.cut(number)
            yield from self._release_ended(peers)
            return
        self._grant(held, topic, user)
        yield SubscriptionEvent(joined=True, topic=topic, number=number)

    def _grant(self, held: Held, topic: bytes, user: str) -> None:
        text = topic.decode(errors="replace")
        granted = {prefix.encode() for prefix in self._narrow(user, text)}
        if not granted:
            self._refusals.count("subscription to", user, detail=text)
        for prefix in granted:
            self.socket.setsockopt(zmq.SUBSCRIBE, prefix)
        self._holders.update({topic} - held.topics)
        self.topics.update(granted - held.granted)
        held.topics.add(topic)
        held.granted.update(granted)

    def _unsubscribe(self, number: int, held: Held, topic: bytes) -> Iterator[SubscriptionEvent]:
        # Narrower prefixes stay: their subscriber ignores what it no longer wants
        self.socket.setsockopt(zmq.UNSUBSCRIBE, topic)
        _subtract(self.topics, held.granted & {topic})
        held.granted.discard(topic)
        if topic in held.topics:
            held.topics.remove(topic)
            yield from self._leave(number, {topic})

    def _release_ended(self, peers: Connections) -> Iterator[SubscriptionEvent]:
        """Release what connections held that have ended."""
        ended, self._ended = self._ended, peers.ended
        if ended == self._ended:
            return
        for number in peers.find_ended({n: one.serial for n, one in self._held.items()}):
            held = self._held.pop(number)
            _subtract(self.topics, held.granted)
            yield from self._leave(number, held.topics)

    def _leave(self, number: int, topics: Iterable[bytes]) -> Iterator[SubscriptionEvent]:
        """Subtract topics of a connection; yield those that no other connection subscribes to."""
        _subtract(self._holders, topics)
        for topic in topics:
            if topic not in self._holders:
                yield SubscriptionEvent(joined=False, topic=topic, number=number)


def _subtract(counts: Counter[bytes], topics: Iterable[bytes]) -> None:
    """Count each topic once less, and remove those that reach zero."""
    for topic in topics:
        counts[topic] -= 1
        if counts[topic] <= 0:
            del counts[topic]
