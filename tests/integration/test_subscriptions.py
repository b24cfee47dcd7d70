"""Whether anybody wants a topic: whoever else comes, goes, or is cut off."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import zmq

from affectline.common.clock import monotonic
from affectline.services.hub.connections import Connections
from affectline.services.hub.outlet import (
    LONGEST_TOPIC,
    SUBSCRIPTIONS,
    SubscriptionEvent,
    UntrustedSubscribers,
)
from affectline.services.hub.refusals import Refusals
from tests.attacks.raw_peer import RawPeer

WANTED = b"faces/"
FORBIDDEN = b"frame/"
WAIT_S = 60


class Outlet:
    """An outlet for peers without keys, as the hub has it."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.counters: Counter[str] = Counter()
        self.subscribers = UntrustedSubscribers(
            self._context, 16, Refusals(self.counters), self._narrow
        )
        socket = self.subscribers.socket
        self.connections = Connections(socket, "the outlet", self.counters)
        self.subscribers.connections = self.connections
        self.port = socket.bind_to_random_port("tcp://127.0.0.1")
        self.events: list[SubscriptionEvent] = []

    def _narrow(self, _user: str, topic: str) -> tuple[str, ...]:
        return () if topic.encode().startswith(FORBIDDEN) else (topic,)

    def wants(self, topic: bytes) -> bool:
        return self.subscribers.wants(topic)

    def has_refused_more(self, before: int) -> bool:
        return self.counters.total() > before

    def left(self) -> list[bytes]:
        return [event.topic for event in self.events if not event.joined]

    def joined(self) -> list[bytes]:
        return [event.topic for event in self.events if event.joined]

    def read_until(self, reached: Callable[[], bool]) -> None:
        """Handle what arrives until something is the case."""
        poller = zmq.Poller()
        poller.register(self.subscribers.socket, zmq.POLLIN)
        poller.register(self.connections.descriptor, zmq.POLLIN)
        deadline = monotonic() + WAIT_S
        while not reached():
            assert monotonic() < deadline, (self.counters, self.subscribers.topics)
            poller.poll(20)
            self.connections.update()
            self.events += self.subscribers.read_events()

    def close(self) -> None:
        self.connections.close()
        self._context.destroy(linger=0)


@pytest.fixture
def outlet() -> Iterator[Outlet]:
    made = Outlet()
    yield made
    made.close()


def subscribe(peer: RawPeer, *topics: bytes) -> None:
    for topic in topics:
        peer.send(b"\x01" + topic)


def honest(outlet: Outlet) -> RawPeer:
    """Somebody who wants crops, and whose subscription has arrived."""
    peer = RawPeer(outlet.port, "SUB")
    subscribe(peer, WANTED)
    outlet.read_until(lambda: outlet.wants(WANTED))
    return peer


def too_many(peer: RawPeer) -> None:
    subscribe(peer, *(b"emotion/%d" % number for number in range(SUBSCRIPTIONS)), WANTED)


def too_long(peer: RawPeer) -> None:
    subscribe(peer, WANTED, WANTED + bytes(LONGEST_TOPIC))


def out_of_step(peer: RawPeer) -> None:
    peer.send(b"no subscription")
    subscribe(peer, WANTED)


CUT = (too_many, too_long, out_of_step)
"""What the hub ends the connection for."""


def never_subscribed(peer: RawPeer) -> None:
    for _ in range(3):
        peer.send(b"\x00" + WANTED)
    subscribe(peer, b"x")


def several_times(peer: RawPeer) -> None:
    subscribe(peer, WANTED, WANTED, WANTED)
    peer.send(b"\x00" + WANTED)


@pytest.mark.parametrize("act", [too_many, too_long, out_of_step, never_subscribed, several_times])
def test_nobody_ends_the_subscription_of_another(
    outlet: Outlet, act: Callable[[RawPeer], None]
) -> None:
    with honest(outlet):
        for _ in range(2):
            refused = outlet.counters.total()
            with RawPeer(outlet.port, "SUB") as peer:
                act(peer)
                if act in CUT:  # what is read along with such messages is ignored
                    outlet.read_until(partial(outlet.has_refused_more, refused))
                else:
                    outlet.read_until(lambda: len(outlet.connections) == 2)
            outlet.read_until(lambda: len(outlet.connections) == 1)
            with RawPeer(outlet.port, "SUB") as last:  # all that came before it has been read
                subscribe(last, b"last")
                outlet.read_until(lambda: b"last" in outlet.joined())
            outlet.read_until(lambda: b"last" in outlet.left())
            outlet.events.clear()
            assert outlet.wants(WANTED)
            assert outlet.subscribers.topics == {WANTED: 1}
    outlet.read_until(lambda: not outlet.subscribers.topics)
    assert not outlet.wants(WANTED)


def test_nothing_is_left_of_connections_that_have_ended(outlet: Outlet) -> None:
    """A topic that was subscribed to twice counted for ever."""
    for _ in range(20):
        with RawPeer(outlet.port, "SUB") as peer:
            subscribe(peer, b"a/", b"a/", b"b/", b"b/", b"end/")
            outlet.read_until(lambda: outlet.wants(b"end/"))
        outlet.read_until(lambda: not outlet.subscribers.topics)
    assert not outlet.wants(b"")


def test_what_is_not_granted_is_not_wanted(outlet: Outlet) -> None:
    with RawPeer(outlet.port, "SUB") as peer:
        subscribe(peer, FORBIDDEN, b"x/")
        outlet.read_until(lambda: outlet.wants(b"x/"))
        assert not outlet.wants(FORBIDDEN)
    outlet.read_until(lambda: b"x/" in outlet.left())


def test_a_topic_is_left_when_its_last_subscriber_has_gone(outlet: Outlet) -> None:
    with honest(outlet):
        with RawPeer(outlet.port, "SUB") as second:
            subscribe(second, WANTED, b"end/")
            outlet.read_until(lambda: outlet.wants(b"end/"))
            assert outlet.joined() == [WANTED, WANTED, b"end/"]
        outlet.read_until(lambda: b"end/" in outlet.left())
        assert outlet.left() == [b"end/"]
    outlet.read_until(lambda: WANTED in outlet.left())


def test_refused_subscriptions_of_one_peer_do_not_hide_other_refusals(
    outlet: Outlet, caplog: pytest.LogCaptureFixture
) -> None:
    """There were a hundred log entries for all peers, and peers could choose their text."""
    with RawPeer(outlet.port, "SUB") as peer:
        for number in range(500):
            peer.send(b"\x01frame/%d" % number)
            peer.send(b"\x00frame/%d" % number)
        outlet.read_until(lambda: outlet.counters["refused"] == 500)
        peer.send(b"no subscription")
        outlet.read_until(lambda: outlet.counters["refused"] == 501)
    assert [record.getMessage() for record in caplog.records] == [
        "refused: subscription to frame/0 of a peer without a key; repeats are only counted",
        "refused: messages at the outlet of a peer without a key; repeats are only counted",
    ]
