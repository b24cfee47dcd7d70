"""The ZeroMQ sockets of a process: where they connect, and how they behave without a peer.

Every process but the hub connects. A process publishes on the bus through an XPUB socket, because
an XPUB receives subscriptions: that is how a source knows that its consumers are there.
"""

import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import zmq

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError, InvalidMessage
from affectline.common.runtime.allowance import Pace
from affectline.common.runtime.endpoints import Endpoint, outlet_at, reach
from affectline.common.runtime.handshakes import HandshakeMonitor
from affectline.common.runtime.keeping import Keeper
from affectline.common.runtime.tracing import TRACE
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.wire import codec
from affectline.common.wire.messages import DELIVERY, READY, SENT_TO, Packet
from affectline.common.wire.screening import ImpossibleMessage, MessageScreen

LOG: Final = logging.getLogger(__name__)

BUS_HWM: Final = 1000
"""Messages that a bus queue holds; in lossless delivery far fewer frames are in flight."""
WORK_HWM: Final = 2
"""Face crops that wait at one classifier: few, so that a slow one does not hoard them."""
WORK_BUFFER_BYTES: Final = 1 << 17
"""Size of the work queue's kernel buffers: large ones would hoard crops as well."""
SEND_WAIT_MS: Final = 100
RECONNECT_MS: Final = 50
RECONNECT_MAX_MS: Final = 500
LINGER_MS: Final = 500
MAX_PEER_BYTES: Final[dict[int, int]] = {
    zmq.SUB: codec.MAX_PART_BYTES, zmq.XSUB: codec.MAX_PART_BYTES, zmq.PULL: 1 << 25,
}  # fmt: skip
"""The longest message part that a socket accepts, by the socket's kind. If a peer announces a
longer one, the socket closes the connection before it stores any of it."""
MAX_SHORT_BYTES: Final = 1 << 10
"""The same for all other sockets: they receive subscriptions and time requests."""
ECHO_S: Final = 1.0
"""Seconds that a message may take to come back from a hub that is alive."""


def new_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    """Make a socket with the timeouts and queue lengths that all sockets share."""
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
    work = kind in (zmq.PUSH, zmq.PULL)
    socket.setsockopt(zmq.SNDHWM, WORK_HWM if work else BUS_HWM)
    socket.setsockopt(zmq.RCVHWM, WORK_HWM if work else BUS_HWM)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_PEER_BYTES.get(kind, MAX_SHORT_BYTES))
    if work:
        socket.setsockopt(zmq.SNDBUF, WORK_BUFFER_BYTES)
        socket.setsockopt(zmq.RCVBUF, WORK_BUFFER_BYTES)
    return socket


def bind(socket: zmq.Socket[bytes], endpoint: Endpoint | str) -> None:
    """Bind to an address.

    Raises:
        AffectlineError: The port is in use, or the address does not belong to this host.
    """
    address = endpoint if isinstance(endpoint, str) else endpoint.address
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        raise AffectlineError(
            f"cannot listen on {address} ({error.strerror})",
            "stop the program that uses the port (another affectline?) or choose another one "
            "with --bind",
        ) from error


def taken_ports(hub: HubSettings) -> list[str]:
    """The ports of a hub that cannot be bound now, each with its use and the reason."""
    taken = []
    for port, use in hub.ports.items():
        with socket.socket() as probe:
            # As ZeroMQ does: a port whose connections are all in TIME_WAIT is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((hub.host, port))
            except OSError as error:
                taken.append(f"{port} ({use}): {error.strerror}")
    return taken


def connect(peer: zmq.Socket[bytes], endpoint: Endpoint | str) -> None:
    """Connect, now or as soon as the peer has bound the address.

    Args:
        peer: The socket.
        endpoint: The peer, from `reach`; a plain address is connected to without keys.

    Raises:
        AffectlineError: The address is not valid.
    """
    if isinstance(endpoint, str):
        endpoint = Endpoint(endpoint)
    address = endpoint.address
    if credentials := endpoint.credentials:
        peer.setsockopt(zmq.CURVE_SERVERKEY, credentials.hub_key.encode())
        peer.setsockopt(zmq.CURVE_PUBLICKEY, credentials.pair.public_key.encode())
        peer.setsockopt(zmq.CURVE_SECRETKEY, credentials.pair.secret_key.encode())
    try:
        peer.connect(address)
    except zmq.ZMQError as error:
        raise AffectlineError(
            f"cannot connect to {address!r} ({error.strerror})",
            "name the hub as HOST:PORT, or its outlet as tcp://HOST:PORT",
        ) from error


def has_message(peer: zmq.Socket[bytes]) -> bool:
    """Whether a message can be received at once."""
    return bool(int(peer.get(zmq.EVENTS)) & zmq.POLLIN)


class Receiver:
    """Receives messages: a SUB socket on the bus, or a PULL socket on the work queue.

    Args:
        context: The socket's ZeroMQ context.
        address: The address to connect to.
        counters: Counts messages by outcome.
        prefixes: Topic prefixes to subscribe to; None: pull from the work queue.
        hwm: How many messages may wait; None: the default of the socket's kind.
        now: The hub's time in ns since the Unix epoch; None: it is not known.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: Endpoint | str,
        counters: Counter[str],
        *,
        prefixes: Iterable[str] | None,
        hwm: int | None = None,
        now: Callable[[], int] | None = None,
    ) -> None:
        self.socket = new_socket(context, zmq.PULL if prefixes is None else zmq.SUB)
        # All that it sends are subscriptions: closing must not wait to send them to another hub
        self.socket.setsockopt(zmq.LINGER, 0)
        if hwm is not None:
            self.socket.setsockopt(zmq.RCVHWM, hwm)
        for prefix in prefixes or ():
            self.socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        self.handshakes = watch_handshakes(self.socket, address)
        connect(self.socket, address)
        self._counters = counters
        self._keeper: Keeper | None = None
        self._screen = MessageScreen(now)
        self._reported: set[str] = set()
        """Reasons that were logged already."""
        self.has_more = False
        """Whether `receive` stopped at its limit, so that more messages are probably waiting."""

    def attach_keeper(self, service: str, keeper: Keeper) -> None:
        """Also receive messages addressed to this consumer alone, and drop repeated ones."""
        self._keeper = keeper
        self.socket.setsockopt(zmq.SUBSCRIBE, address_to(service))

    def announce(self, service: str) -> None:
        """Announce to the sources that this consumer is ready; call it after all subscriptions."""
        self.socket.setsockopt(zmq.SUBSCRIBE, (READY + service).encode())

    def receive(self, limit: int = 100) -> Iterator[Packet]:
        """Yield the messages that have arrived, at most ``limit``; count invalid ones."""
        self.has_more = False
        for _ in range(limit):
            # Asking first: every call ends with nothing, and an exception takes ten times as long
            if not has_message(self.socket):
                return
            try:
                parts = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:  # its sender has gone meanwhile
                return
            is_sent_again = parts[0].startswith(SENT_TO.encode())
            try:
                with TRACE.span("receive") as span:
                    packet = codec.decode(parts[1:] if is_sent_again else parts)
                    self._screen.check(packet.message)
                    span.describe(packet.message, type(packet.message).__name__)
            except InvalidMessage as error:
                self._refuse(error)
                continue
            if self._keeper is None or self._keeper.admit(
                packet.message, is_sent_again=is_sent_again
            ):
                self._counters["in"] += 1
                yield packet
            else:
                self._counters["repeated"] += 1
        self.has_more = True

    def _refuse(self, error: InvalidMessage) -> None:
        """Count a dropped message, and log the first one for each reason."""
        self._counters["invalid"] += 1
        if isinstance(error, ImpossibleMessage):
            self._counters[f"invalid_{error.reason}"] += 1
            if error.reason not in self._reported:
                self._reported.add(error.reason)
                LOG.warning("dropped %s; further ones of this kind are only counted", error)


class Publisher:
    """Publishes on the bus, and knows which services have announced themselves.

    Args:
        context: The socket's ZeroMQ context.
        address: The address to connect to.
        pace: Limits the rate; None: as fast as the hub accepts messages.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: Endpoint | str,
        pace: Pace | None = None,
    ) -> None:
        self._pace = pace
        self.socket = new_socket(context, zmq.XPUB)
        # Without NODROP a full queue loses messages silently; with it, sending fails.
        self.socket.setsockopt(zmq.XPUB_NODROP, 1)
        self.socket.setsockopt(zmq.SNDTIMEO, SEND_WAIT_MS)
        # The pipe ends with the hub, so that this process also notices the hub's end
        self.socket.setsockopt(zmq.IMMEDIATE, 1)
        self._handshakes = watch_handshakes(self.socket, address)
        connect(self.socket, address)
        self.connected = False
        self.losses = 0
        """How often the connection to the hub has ended."""
        self.delivery: Delivery | None = None
        """How the hub delivers; None until it has said so."""
        self.ready: set[str] = set()
        """Services that have announced themselves, e.g. ``detector/sample``."""

    def check_hub(self) -> None:
        """Check that the hub accepts this process.

        Raises:
            AffectlineError: It refuses this process, or its key is not the known one.
        """
        if self._handshakes:
            self._handshakes.check()

    def update_consumers(self) -> set[str]:
        """Read new subscriptions; return the services that have just become ready.

        Raises:
            AffectlineError: The hub refuses this process, or its key is not the known one.
        """
        self.check_hub()
        before = set(self.ready)
        while True:
            try:
                event = self.socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return self.ready - before
            joined, topic = event[:1] == b"\x01", event[1:]
            if not topic:
                self.connected = joined
                self.losses += not joined
            elif topic.startswith(READY.encode()):
                service = topic[len(READY) :].decode(errors="replace")
                before.discard(service)  # gone and back within one call counts as new
                (self.ready.add if joined else self.ready.discard)(service)
            elif joined and topic.startswith(DELIVERY.encode()):
                is_lossless = topic.endswith(b"/lossless")
                self.delivery = "lossless" if is_lossless else "live"

    def send(self, packet: Packet, *, wait: bool, to: str | None = None) -> bool:
        """Publish; False if the hub is away or its queue is full (after a short wait).

        Args:
            packet: What to publish.
            wait: Wait a little if it cannot be sent at once.
            to: The only consumer to receive it; None: all subscribers.
        """
        if not self.connected:
            if wait:
                self.socket.poll(SEND_WAIT_MS)
            return False
        return send(self.socket, packet, wait=wait, to=to, pace=self._pace)


def watch_handshakes(peer: zmq.Socket[bytes], endpoint: Endpoint | str) -> HandshakeMonitor | None:
    """Watch the handshakes of a socket that will connect to a hub by TCP."""
    if isinstance(endpoint, str) or not endpoint.is_tcp:
        return None
    return HandshakeMonitor(peer, endpoint)


def address_to(service: str) -> bytes:
    """The first part of messages for one consumer alone, and its subscription to them."""
    return f"{SENT_TO}{service}:".encode()


def send(
    socket: zmq.Socket[bytes],
    packet: Packet,
    *,
    wait: bool,
    to: str | None = None,
    pace: Pace | None = None,
) -> bool:
    """Send, waiting at most for the socket's timeout; False if the queue was full."""
    parts = codec.encode(packet)
    if pace:
        pace.wait(sum(map(len, parts)))
    if to is not None:
        parts = [address_to(to), *parts]
    try:
        socket.send_multipart(parts, 0 if wait else zmq.DONTWAIT)
    except zmq.Again:
        return False
    return True


class WorkQueueClient:
    """Sends face crops to the work queue."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: Endpoint | str) -> None:
        self.socket = new_socket(context, zmq.PUSH)
        self.socket.setsockopt(zmq.SNDTIMEO, SEND_WAIT_MS)
        self.socket.setsockopt(zmq.IMMEDIATE, 1)  # queue nothing for a hub that is away
        connect(self.socket, address)

    def send(self, packet: Packet, *, wait: bool) -> bool:
        """Send; False if the hub is away or its queue is full (after a short wait)."""
        return send(self.socket, packet, wait=wait)


class OutletSubscriber:
    """Subscribes to the hub's outlet, as tools outside the pipeline do.

    Args:
        hub: The hub to connect to.
        prefixes: Topic prefixes to subscribe to.
        address: The outlet's address, if it is not the hub's own.
    """

    def __init__(
        self, hub: HubSettings, prefixes: Iterable[str] = ("",), address: str | None = None
    ) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._hub = hub
        self._publisher: Publisher | None = None
        self._came: set[str] = set()
        self.counters: Counter[str] = Counter()
        # Another host's clock may be wrong: it must not make the hub's messages look impossible
        now = now_ns if hub.is_loopback and address is None else None
        self._receiver = Receiver(
            self._context,
            outlet_at(address) if address else reach(hub).outlet,
            self.counters,
            prefixes=prefixes,
            now=now,
        )

    def wait(
        self, others: Iterable[socket.socket | int] = (), timeout_s: float | None = None
    ) -> bool:
        """Wait for a message, or for one of the other sockets; False after the timeout."""
        poller = zmq.Poller()
        poller.register(self._receiver.socket, zmq.POLLIN)
        if watched := self._receiver.handshakes:
            watched.check()
            poller.register(watched.socket, zmq.POLLIN)
        for other in others:
            poller.register(other, zmq.POLLIN)
        return bool(poller.poll(None if timeout_s is None else int(timeout_s * 1000)))

    def receive(self) -> Iterator[Packet]:
        """Yield the messages that have arrived."""
        return self._receiver.receive(limit=1000)

    def publish(self, packet: Packet, *, wait: bool = False, to: str | None = None) -> bool:
        """Publish from outside the pipeline; False if it could not be sent (yet).

        The first call makes the connection, and therefore returns False.

        Args:
            packet: What to publish.
            wait: Wait a little for the hub if it is away.
            to: The only consumer to receive it; None: all subscribers.
        """
        return self._connected_publisher().send(packet, wait=wait, to=to)

    def publish_heard(self, packet: Packet, timeout_s: float) -> bool:
        """Publish until the hub has forwarded the message; False if it has not in time.

        A message sent to a dying or hung hub is lost. It is published again in that case, so some
        subscribers may receive it twice.

        Args:
            packet: The message; its topic must be among those subscribed to.
            timeout_s: How long to try, in s.
        """
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            if not self.publish(packet, wait=True):
                continue
            heard_by = time.monotonic() + min(left_s, ECHO_S)
            while (left_s := heard_by - time.monotonic()) > 0:
                self.wait(timeout_s=left_s)
                if any(heard.message == packet.message for heard in self.receive()):
                    return True
        return False

    @property
    def ready(self) -> set[str]:
        """Services that have announced themselves; connects as `publish` does."""
        return self._connected_publisher().ready

    def pop_came(self) -> set[str]:
        """Services that have appeared, or come back, since the last call."""
        self._connected_publisher()
        came, self._came = self._came, set()
        return came

    @property
    def is_connected(self) -> bool:
        """Whether the hub has reported which services are announced; connects as `publish` does."""
        return self._connected_publisher().connected

    def is_ready(self, service: str) -> bool:
        """Whether a service has announced itself; connects as `publish` does."""
        return service in self._connected_publisher().ready

    def _connected_publisher(self) -> Publisher:
        if self._publisher is None:
            self._publisher = Publisher(self._context, reach(self._hub).ingress)
        self._came |= self._publisher.update_consumers()
        return self._publisher

    def close(self) -> None:
        """Close all sockets."""
        self._context.destroy()
