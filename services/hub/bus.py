"""The bus: forwards every message to consumers and tools.

The pipeline's own consumers exert back-pressure in lossless delivery; the outlets for everybody
else always drop messages for slow readers. There are two sockets of each kind: one for the same
user's processes on this machine, and one for TCP, where permissions depend on the peer.
"""

import threading
from collections.abc import Callable, Container, Iterable
from typing import Final

import zmq

from affectline.common.clock import monotonic
from affectline.common.errors import InvalidMessage
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.endpoints import Endpoint, HubEndpoints
from affectline.common.runtime.keeping import KEEPERS
from affectline.common.runtime.sockets import SEND_WAIT_MS, bind, has_message, new_socket
from affectline.common.settings.hub import Delivery
from affectline.common.wire import codec
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import DELIVERY, READY, SENT_TO, Packet, StreamEnd, StreamStart
from affectline.services.hub.access import AccessControl, kind_of
from affectline.services.hub.authenticator import Authenticator
from affectline.services.hub.connections import (
    IDLE_MS,
    MOST_CONNECTIONS,
    MOST_PIPELINE_CONNECTIONS,
    Connections,
    ConnectionWatch,
)
from affectline.services.hub.guest_screen import MAX_GUEST_BYTES, PEER_HWM, GuestScreens
from affectline.services.hub.outlet import (
    SUBSCRIBED,
    UNSUBSCRIBED,
    Subscribers,
    UntrustedSubscribers,
)
from affectline.services.hub.ownership import (
    OWNED,
    STREAMS,
    StreamOwners,
    origin_of,
    sender_of,
    topic_of,
)
from affectline.services.hub.peer_properties import connection_of, user_of
from affectline.services.hub.refusals import Refusals

Parts = list[bytes]
Context = zmq.Context[zmq.Socket[bytes]]

ALL_TOPICS: Final = SUBSCRIBED
"""Subscription to all topics, as an XSUB socket sends it to publishers."""
CONSUMER_HWM: Final = 64
"""Messages that may wait for one consumer of the pipeline. In lossless delivery a full queue holds
everything up; a frame of 640x360 takes about 40 kB."""
OUTSIDER_HWM: Final = 128
"""Messages that may wait for one outside tool before it loses some."""
CROPS: Final = b"faces/"
FRAME_TOPICS: Final = (b"frame/", CROPS, b"scores/", b"emotion/")
"""Topics of the messages about frames, which a trace follows."""
SETTLE_MS: Final = 5
"""Wait before checking which consumers have no room: fast ones have read everything by then."""
KEEPALIVE: Final = {
    zmq.TCP_KEEPALIVE: 1, zmq.TCP_KEEPALIVE_IDLE: 5, zmq.TCP_KEEPALIVE_INTVL: 2,
    zmq.TCP_KEEPALIVE_CNT: 3,
}  # fmt: skip
"""A machine that does not answer for 11 s counts as gone. Kernels answer the probes, whatever their
processes do."""
TAP: Final = "inproc://outlet"

LOG: Final = ServiceLogger("hub")


class Bus:
    """Forwards messages from publishers to consumers and outside tools.

    Args:
        context: The ZeroMQ context of its sockets.
        local: Where this user's processes connect.
        network: Where all others connect; None: they cannot.
        access: What those others may do.
        refusals: Counts what they were refused.
        delivery: Whether consumers exert back-pressure.
        authenticator: Accepts only peers with a key; None: everybody may connect.
        named: Consumers that the hub waits for however slow they are; empty: all that announce
            themselves.
    """

    def __init__(
        self,
        context: Context,
        local: HubEndpoints,
        network: HubEndpoints | None,
        access: AccessControl,
        refusals: Refusals,
        delivery: Delivery,
        authenticator: Authenticator | None = None,
        named: Iterable[str] = (),
    ) -> None:
        self.counters = refusals.counters
        self.refusals = refusals
        self._authenticator = authenticator
        self._has_keys = authenticator is not None
        """Whether sockets that can be reached over the network require keys."""
        self.lossless = delivery == "lossless"
        self._access, self._screens = access, GuestScreens()
        self.has_crop_subscribers = threading.Event()
        self.ready: set[str] = set()
        """Consumers that have announced themselves."""
        self._undelivered: list[tuple[Subscribers, Connections]] = []
        """Sockets with no room yet for a message that others have already got."""
        self.ingress = new_socket(context, zmq.XSUB)
        self._owners = StreamOwners()
        self.outlets = [Subscribers(context, OUTSIDER_HWM)]
        self._named = frozenset(named)
        self.connections: list[Connections] = []
        """The connections to each socket that others connect to."""
        self._by_network: list[Connections] = []
        """Those of these sockets that can be reached over the network."""
        self._own = self._watch(self.ingress, "the ingress", most=MOST_PIPELINE_CONNECTIONS)
        self._consumers: list[tuple[Subscribers, Connections]] = []
        self._add_consumers(Subscribers(context, CONSUMER_HWM))
        self._listening = [self._watch_subscribers(self.outlets[0], most=MOST_PIPELINE_CONNECTIONS)]
        self.tap = new_socket(context, zmq.PULL)
        self.tap.setsockopt(zmq.RCVHWM, OUTSIDER_HWM)
        self._untrusted: list[UntrustedSubscribers] = []
        self.network_ingress: zmq.Socket[bytes] | None = None
        self.clock: zmq.Socket[bytes] | None = None
        self._others: Connections | None = None
        """TCP connections to the ingress."""
        self._asking: Connections | None = None
        """Connections to the clock."""
        self._next_look = 0.0
        bind(self.ingress, local.ingress)
        bind(self.outlets[0].socket, local.outlet)
        bind(self.consumers[0].socket, local.bus)
        self.tap.bind(TAP)
        if network is not None:
            self._open_to_the_network(context, network)
        self._publishers = [s for s in (self.ingress, self.network_ingress) if s is not None]
        self._tell_publishers(ALL_TOPICS)
        self._tell_publishers(SUBSCRIBED + f"{DELIVERY}{delivery}".encode())
        self._memory_watch = ConnectionWatch(self.connections)
        self._memory_watch.start()

    def _open_to_the_network(self, context: Context, network: HubEndpoints) -> None:
        self.network_ingress = new_socket(context, zmq.XSUB)
        is_open_to_pipeline = self._access.is_open_to_pipeline
        for option, value in KEEPALIVE.items():  # a machine that is gone must not own streams
            self.network_ingress.setsockopt(option, value)
        most = MOST_PIPELINE_CONNECTIONS if is_open_to_pipeline else MOST_CONNECTIONS
        self._others = self._watch(self.network_ingress, "the ingress", most, is_open=True)
        if not is_open_to_pipeline:
            self.network_ingress.setsockopt(zmq.MAXMSGSIZE, MAX_GUEST_BYTES)
        self.network_ingress.setsockopt(zmq.RCVHWM, PEER_HWM)
        outlet = self._untrusted_subscribers(context, OUTSIDER_HWM)
        self._listening.append(self._watch_subscribers(outlet, MOST_CONNECTIONS, is_open=True))
        self.clock = new_socket(context, zmq.ROUTER)
        self._asking = self._watch(self.clock, "the clock", MOST_CONNECTIONS, is_open=True)
        self._bind(self.network_ingress, network.ingress)
        self._bind(outlet.socket, network.outlet)
        self._bind(self.clock, network.clock)
        self.outlets.append(outlet)
        self._untrusted = [outlet]
        if self._access.is_open_to_pipeline:
            consumers = self._untrusted_subscribers(context, CONSUMER_HWM)
            self._add_consumers(consumers, is_open=True)
            self._bind(consumers.socket, network.bus, for_pipeline=True)
            self._untrusted.append(consumers)

    def _untrusted_subscribers(self, context: Context, hwm: int) -> UntrustedSubscribers:
        return UntrustedSubscribers(
            context, hwm, self.refusals, self._access.narrow, has_keys=self._has_keys
        )

    def _bind(
        self, socket: zmq.Socket[bytes], endpoint: Endpoint, *, for_pipeline: bool = False
    ) -> None:
        if self._authenticator:
            self._authenticator.bind(socket, endpoint, for_pipeline=for_pipeline)
        else:
            bind(socket, endpoint)

    def disconnect(self, users: Iterable[str]) -> None:
        """Close the connections of users whose keys have changed.

        Only its messages show whose connection it is, so connections that have sent nothing yet are
        closed as well; peers that still have a key connect again.
        """
        for one in self._by_network:
            one.cut_user(None)
        for user in users:
            self._screens.forget(user)
            count = sum(one.cut_user(user) for one in self._by_network)
            LOG.warning("the key of %s has changed; connections closed: %d", user, count)

    def _watch(
        self,
        peers: zmq.Socket[bytes],
        name: str,
        most: int,
        may_wait: Callable[[str], bool] | None = None,
        *,
        is_open: bool = False,
    ) -> Connections:
        """Watch the connections of a socket.

        Args:
            peers: The socket.
            name: What the socket is for.
            most: How many connections there may be.
            may_wait: Which services may read nothing for as long as they like.
            is_open: Reachable over the network, where keys are required if the hub has any.
        """
        made = Connections(
            peers, name, self.counters, most, may_wait, self._access.is_pipeline,
            has_keys=is_open and self._has_keys,
        )  # fmt: skip
        self.connections.append(made)
        if is_open:
            self._by_network.append(made)
        return made

    def _watch_subscribers(
        self, subscribers: Subscribers, most: int, *, is_open: bool = False
    ) -> Connections:
        made = self._watch(subscribers.socket, "the outlet", most, is_open=is_open)
        subscribers.connections = made
        return made

    def _add_consumers(self, consumers: Subscribers, *, is_open: bool = False) -> None:
        consumers.socket.setsockopt(zmq.XPUB_NODROP, int(self.lossless))

        def may_wait(service: str) -> bool:
            is_keeper = service.split("/")[0] in KEEPERS  # a command may have started a recorder
            return not self._named or service in self._named or is_keeper

        made = self._watch(
            consumers.socket, "the bus", MOST_PIPELINE_CONNECTIONS, may_wait, is_open=is_open
        )
        consumers.connections = made
        self._consumers.append((consumers, made))

    @property
    def consumers(self) -> list[Subscribers]:
        """The sockets that the pipeline's own consumers connect to."""
        return [consumers for consumers, _ in self._consumers]

    @property
    def sockets(self) -> tuple[zmq.Socket[bytes], ...]:
        """All sockets that the loop polls."""
        subscribers = (one.socket for one in (*self.consumers, *self.outlets))
        others = [self.tap, *([self.clock] if self.clock else [])]
        others += [self._authenticator.socket] if self._authenticator else []
        return *self._publishers, *subscribers, *others

    def watch_connections(self, ready: Container[object]) -> None:
        """Close connections beyond the limits, and those that hold up the run.

        Args:
            ready: What a poller found readable among `sockets` and the connections' descriptors.
        """
        for one in self.connections:
            if one.descriptor in ready:
                one.update()
        if monotonic() >= self._next_look:
            self._next_look = monotonic() + IDLE_MS / 1000
            for one in self.connections:
                if one is not self._own:  # a hung process is replaced, and loses nothing until then
                    one.cut_mute()
            for one in self._listening:
                one.name_late()

    def close(self) -> None:
        """Close all sockets."""
        self._memory_watch.close()
        for socket in self.sockets:
            socket.close(linger=200)

    @property
    def sources(self) -> tuple[zmq.Socket[bytes], ...]:
        """The sockets from which messages are received."""
        return *self._publishers, self.tap

    def forward_message(self, source: zmq.Socket[bytes]) -> Parts | None:
        """Receive one message and send it to the outlets; return it for the consumers.

        Returns an empty list if the publisher may not publish the message, None if there is none.
        """
        # Asking first: most calls find nothing, and an exception takes ten times as long
        if not has_message(source):
            return None
        try:
            parts = self._receive(source)
        except zmq.Again:  # its sender has gone meanwhile
            return None
        if parts:
            self.counters["in"] += 1
            if not parts[0].startswith(SENT_TO.encode()):
                self.publish(parts)
        return parts

    def _receive(self, source: zmq.Socket[bytes]) -> Parts:
        if source is self.tap:
            copied = source.recv_multipart(zmq.DONTWAIT)
            return copied if is_crop(copied) else []
        first = source.recv(zmq.DONTWAIT, copy=False)
        parts = [first.bytes, *(source.recv_multipart() if first.more else ())]
        if source is self.network_ingress:
            parts = self._screened(first, parts)
        if parts and (topic := topic_of(parts)).startswith(OWNED):
            is_local = source is not self.network_ingress
            stream = topic.split(b"/", 1)[1]
            origin = origin_of(first, is_local=is_local, has_keys=self._has_keys)
            if not self._owners.is_of(stream, origin):
                return parts if self._is_admitted(stream, first, parts, is_local=is_local) else []
        return parts

    def _screened(self, first: zmq.Frame, parts: Parts) -> Parts:
        """A message that came by TCP, or nothing if its peer may not publish it."""
        number, others, kind = connection_of(first), self._others, kind_of(parts[0])
        user = user_of(first, has_keys=self._has_keys)
        if number is None or others is None:  # it had ended before it was accepted
            self.counters["refused"] += 1
            return []
        others.on_message(number, [len(part) for part in parts], user)
        if not self._access.is_let_in(user):  # its key was revoked before it sent anything
            others.cut(number)
        if not self._access.may_publish(user, parts):
            self.refusals.count(f"{kind}/", user, counter=f"refused_{kind}")
            return []
        if self._access.is_pipeline(user):
            others.find(number, origin_of(first, is_local=False, has_keys=self._has_keys))
            return parts
        reason = self._screens.of(user, self._access.role_of(user)).refusal(parts)
        if reason is not None:
            self.refusals.count(f"{kind}/", user, reason=reason, counter=f"refused_{reason}")
        return [] if reason else parts

    def _is_admitted(
        self, stream: bytes, first: zmq.Frame, parts: Parts, *, is_local: bool
    ) -> bool:
        """Whether no other sender owns the stream that a message starts, continues or ends."""
        sender = sender_of(first, is_local=is_local, has_keys=self._has_keys)
        if sender is None or (topic_of(parts).startswith(STREAMS) and _is_told_by_others(parts)):
            return True
        connections = self._own if is_local or self._others is None else self._others
        if self._owners.find_other(stream, sender, connections) is None:
            return True
        for one in self.connections:
            one.update()  # the owner's connection may have ended since
        other = self._owners.find_other(stream, sender, connections)
        if other is None:
            return True
        if connections.find(sender.number, sender.origin) is None:  # left over from one that ended
            self.counters["refused_owner"] += 1
            return False
        self.refusals.count(
            "stream",
            sender.name,
            detail=stream.decode(errors="replace"),
            reason=f"{other.sender.name} publishes it: stop one of them, or name them differently",
            counter="refused_owner",
        )
        return False

    def on_question(self, frame: zmq.Frame, sizes: list[int]) -> None:
        """Count a message to the clock: a request for the time, or anything else."""
        number = connection_of(frame)
        if number is not None and self._asking is not None:
            user = user_of(frame, has_keys=self._has_keys)
            self._asking.on_message(number, sizes, user)

    def publish(self, parts: Parts) -> None:
        """Send a message to the outlets."""
        for outlet in self.outlets:
            outlet.socket.send_multipart(parts, zmq.DONTWAIT)

    def tell_sensors(self, receipt: Kept) -> None:
        """Send each holder of a sensor's key the receipts for what it has published."""
        for untrusted in self._untrusted[:1]:
            for topic, own in self._access.split_receipt(receipt):
                if untrusted.wants(topic.encode()):
                    parts = [topic.encode(), *map(bytes, codec.encode(Packet(own)))]
                    untrusted.socket.send_multipart(parts, zmq.DONTWAIT)

    def deliver(self, parts: Parts) -> bool:
        """Send a message to the consumers; False if one of them has no room yet.

        In lossless delivery the next call must then pass the same message.
        """
        waiting = self._undelivered or list(self._consumers)
        while waiting:
            if not _send(waiting[0][0].socket, parts) and self.lossless:
                self._undelivered = waiting
                if not self._send_waiting(*waiting[0], parts):
                    return False
            waiting = waiting[1:]
        self._undelivered = []
        self.counters["out"] += 1
        return True

    def _send_waiting(self, consumers: Subscribers, connections: Connections, parts: Parts) -> bool:
        """Wait briefly for room, and record who has none; False if there is still none."""
        began = monotonic()
        is_sent = _send(consumers.socket, parts, SETTLE_MS)
        if not is_sent:
            holders = connections.find_holders()
            is_sent = _send(consumers.socket, parts, SEND_WAIT_MS)
            longest_s = (SETTLE_MS + SEND_WAIT_MS) / 1000  # leaves out time when we were stopped
            connections.on_held_up(holders, min(monotonic() - began, longest_s))
        if is_sent:
            connections.on_room()
        return is_sent

    def give_up(self) -> None:
        """Forget the message that some consumers have not got yet: the next one may be another."""
        self._undelivered = []

    def forward_subscriptions(self, ready: Container[object]) -> set[str]:
        """Tell the sources which consumers are ready; return those that have just connected.

        Args:
            ready: The sockets that a poller found readable.
        """
        came: set[str] = set()
        events = [
            (connections, event)
            for consumers, connections in self._consumers
            if consumers.socket in ready
            for event in consumers.read_events()
        ]
        for connections, (joined, topic, number) in events:
            if not topic.startswith(READY.encode()):
                continue
            self._tell_publishers((SUBSCRIBED if joined else UNSUBSCRIBED) + topic)
            service = topic[len(READY) :].decode(errors="replace")
            if joined and number is not None:
                connections.announce(number, service)
            (self.ready.add if joined else self.ready.discard)(service)
            (came.add if joined else came.discard)(service)
        if events:
            self._update_crop_subscribers()
        return came

    def update_outsiders(self, ready: Container[object]) -> None:
        """Read the subscriptions of outside tools.

        Args:
            ready: The sockets that a poller found readable.
        """
        asked = [outlet for outlet in self.outlets if outlet.socket in ready]
        if [event for outlet in asked for event in outlet.read_events()]:
            self._update_crop_subscribers()

    def _update_crop_subscribers(self) -> None:
        """Update whether anybody subscribes to the face crops in the work queue."""
        if any(one.wants(CROPS) for one in (*self.consumers, *self.outlets)):
            self.has_crop_subscribers.set()
        else:
            self.has_crop_subscribers.clear()

    def _tell_publishers(self, event: bytes) -> None:
        for socket in self._publishers:
            socket.send(event)


def is_crop(parts: Parts) -> bool:
    """Whether a message is of the kind that the work queue is for."""
    return parts[0].startswith(CROPS)


def describe(parts: Parts) -> tuple[bytes | None, str, int]:
    """What `affectline.common.runtime.tracing.TraceSpan.describe` takes about a message."""
    topic, header = parts[1:3] if parts[0].startswith(SENT_TO.encode()) else parts[:2]
    is_about_frame = topic.startswith(FRAME_TOPICS)
    text = topic.decode(errors="replace")
    return header if is_about_frame else None, text, sum(map(len, parts))


def _is_told_by_others(parts: Parts) -> bool:
    """Whether a message is not a stream's start or end, but a consumer's message about it."""
    try:
        message = codec.decode(
            parts[1:] if parts[0].startswith(SENT_TO.encode()) else parts
        ).message
    except InvalidMessage:
        return True  # nobody accepts it
    return not isinstance(message, StreamStart | StreamEnd)


def _send(socket: zmq.Socket[bytes], parts: Parts, wait_ms: int = 0) -> bool:
    """Send a message if there is room for it within this time."""
    if wait_ms:
        socket.setsockopt(zmq.SNDTIMEO, wait_ms)
    try:
        socket.send_multipart(parts, 0 if wait_ms else zmq.DONTWAIT)
    except zmq.Again:
        return False
    return True
