"""The hub's connections: how many there may be, and when one is cut off.

ZeroMQ limits the size of a message part (``ZMQ_MAXMSGSIZE``) and the messages that wait
(``ZMQ_RCVHWM``), but neither the number of parts in a message nor the number of connections. The
hub never sees a message whose parts never end, although it fills all memory; so does whatever is
sent before the handshake is complete. The kernel reports how much has arrived on a connection, so
the hub knows how much of it is still unread.
"""

import contextlib
import fcntl
import os
import select
import socket
import struct
import sys
import termios
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import zmq

from affectline.common.clock import monotonic
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.allowance import Allowance
from affectline.common.runtime.socket_events import parse_event

MOST_CONNECTIONS: Final = 128
"""The most connections to one of the hub's ports at a time; any more are closed as they come."""
MOST_PIPELINE_CONNECTIONS: Final = 1024
"""The same where processes of the pipeline connect: on a cluster there may be hundreds."""
MOST_WAITING: Final = 64
"""The most connections that have sent nothing yet, to a port that requires keys. Beyond that, the
oldest is closed: a peer with a key identifies itself without delay."""
HANDSHAKE_MS: Final = 5_000
"""A peer that has not completed its handshake by then is disconnected."""
PATIENCE_S: Final = 10.0
"""A peer that reads nothing of what is sent to it for this long is disconnected."""
SLOW_OF_TIME: Final = 1 / 6
"""The share of time for which a slow peer may hold up a lossless run, beyond `PATIENCE_S`."""
MOST_HOLDERS: Final = 256
"""How many peers that have held up the run are remembered."""
MOST_UNREAD_BYTES: Final = 1 << 24
"""How much of incomplete or unread messages a peer may have sent, without the kernel's buffers."""
MOST_UNREAD_TOGETHER: Final = 1 << 25
"""The same for all peers together that do not belong to the pipeline, or have not shown yet that
they do: beyond that, the peer with the most is disconnected."""
MOST_UNREAD_OF_A_PROCESS: Final = 1 << 30
"""The same for a process of the pipeline: four message parts of the greatest length."""
LOOK_MS: Final = 10
"""How often the hub checks how much TCP peers have sent: they can fill memory at 1 GB a second."""
IDLE_MS: Final = 1000
_SHORT_FRAME: Final = 255
_KEY_BYTES: Final = 33
"""What CURVE adds to every part of a message (RFC 26): a command's name, a nonce, flags, and an
authentication code."""
_TRAFFIC: Final = struct.Struct("=QQ")
_TRAFFIC_AT: Final = 120
"""Where ``tcpi_bytes_acked`` and ``tcpi_bytes_received`` are in Linux' ``struct tcp_info`` (since
4.1)."""
_UNSENT: Final = struct.Struct("=i")
_SIOCOUTQNSD: Final = 0x894B
"""Asks Linux how much waits to be sent over TCP, without what is already on its way."""
GONE: Final = (OSError, ValueError)
"""What asking about a connection raises that has ended, or that another thread closes meanwhile:
its descriptor is then -1, which is a `ValueError`."""
_CREDENTIALS: Final = struct.Struct("=iii")
"""A process, its user and its group (``struct ucred``)."""

LOG: Final = ServiceLogger("hub")


class Traffic(NamedTuple):
    """Traffic of a connection, in bytes."""

    received: int
    acknowledged: int
    """Sent, and acknowledged by the peer."""
    waiting: int
    """Sent, and not yet acknowledged."""


class Holder:
    """A peer that has held up the run, known by its process or host: it may connect again.

    Args:
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.patience = Allowance(SLOW_OF_TIME, PATIENCE_S, clock)
        self.held_s = 0.0
        """How long it has held up the run since it last held up nothing."""


def wire_bytes(sizes: Iterable[int], *, has_keys: bool) -> int:
    """The size of a message on the wire: its parts, their length fields, and what keys add."""
    total = 0
    for size in sizes:
        length = size + (_KEY_BYTES if has_keys else 0)
        total += length + (2 if length <= _SHORT_FRAME else 9)
    return total


@dataclass
class Connection:
    """One connection to the hub."""

    socket: socket.socket
    """A duplicate of ZeroMQ's socket: both share one receive queue."""
    peer: str
    serial: int = 0
    """How many connections were accepted before it, and it: descriptors are used again."""
    service: str | None = None
    """The service that has announced itself on it."""
    origin: str = ""
    """Origin of the last message that came by it: `services.hub.ownership`."""
    is_open: bool = True
    since: float = 0.0
    """When it was accepted, in s of the monotonic clock."""
    user: str | None = None
    """The name of its key, empty for none; None: it has sent nothing yet."""
    is_pipeline: bool = False
    """Whether a process of the pipeline is at the other end."""
    read: int = 0
    """Bytes of messages that the hub has received."""
    acknowledged: int = -1
    taken_at: float = 0.0
    """When more was last acknowledged, or nothing waited, in s of the monotonic clock."""
    caught_up_at: float = 0.0
    """When nothing last waited to be sent, in s of the monotonic clock."""
    is_late: bool = False
    """Whether it has been logged as not keeping up."""

    def may_be_of(self, origin: str) -> bool:
        """Whether a message of this origin may have come by it, not by an earlier connection."""
        if self.socket.family != socket.AF_UNIX:
            return True
        return not self.peer.startswith("process ") or origin.endswith(f":{self.peer[8:]}")

    @property
    def name(self) -> str:
        """The peer, for display."""
        return self.peer if self.service is None else f"{self.service} ({self.peer})"

    @property
    def host(self) -> str:
        """What stays the same when the peer reconnects: its process, or its machine's address."""
        return self.peer.rpartition(":")[0] or self.peer


class Connections:
    """The peers of one of the hub's sockets. Create it before the socket is bound.

    Args:
        peers: The socket.
        name: What the socket is for.
        counters: The hub's counters: ``connections_refused`` (there were too many),
            ``connections_cut`` (a message without an end), ``mute_peers_cut``,
            ``slow_peers_cut`` (held up the run), ``slow_subscribers`` (do not keep up).
        most: How many connections there may be.
        may_wait: Whether a service may read nothing for as long as it likes, because the settings
            name it; None: no service may.
        is_pipeline: Whether a user's processes belong to the pipeline; None: nobody's do.
        has_keys: Whether the socket requires keys.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self,
        peers: zmq.Socket[bytes],
        name: str,
        counters: Counter[str],
        most: int = MOST_CONNECTIONS,
        may_wait: Callable[[str], bool] | None = None,
        is_pipeline: Callable[[str], bool] | None = None,
        *,
        has_keys: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        peers.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        if may_wait is None:
            # For systems that do not report traffic; the kernel then cuts peers without a log entry
            peers.setsockopt(zmq.TCP_MAXRT, round(2000 * PATIENCE_S))
        self._peers, self._name, self._counters, self._clock = peers, name, counters, clock
        self._most = most
        self._may_wait = may_wait or (lambda _: False)
        self._has_keys, self._is_pipeline = has_keys, is_pipeline or (lambda _: False)
        self._events = peers.get_monitor_socket(
            zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED
        )
        self.descriptor = int(self._events.getsockopt(zmq.FD))
        """Becomes readable when there may be something for `update`."""
        self._accepted = 0
        self.ended = 0
        """How many connections have ended, or were cut."""
        self._open: dict[int, Connection] = {}
        """The connections, by file descriptor."""
        self._lock = threading.RLock()
        """Guards the connections: one thread watches them while the hub's thread reads messages."""
        self._holders: dict[str, Holder] = {}
        self.on_tcp_peer: Callable[[], None] = lambda: None
        """Called when somebody has connected by TCP, by whichever thread notices it."""

    def __len__(self) -> int:
        return len(self._open)

    @property
    def has_tcp_peers(self) -> bool:
        """Whether any peer is connected by TCP."""
        with self._lock:
            return any(one.socket.family != socket.AF_UNIX for one in self._open.values())

    def update(self) -> None:
        """Record new and ended connections, and close those beyond the limit."""
        with self._lock:
            while not self._events.closed:
                try:
                    event = parse_event(self._events.recv_multipart(zmq.DONTWAIT))
                except zmq.Again:
                    return
                if event.event == zmq.EVENT_MONITOR_STOPPED:
                    return
                number = event.value
                self._forget(number)
                if event.event == zmq.EVENT_ACCEPTED:
                    with contextlib.suppress(OSError):  # it has already ended
                        self._add(number)
                        self._limit(number)

    def _limit(self, newest: int) -> None:
        """Close a connection if there are now too many.

        A peer without a key is refused, but stays connected until its handshake fails. So fewer
        connections may be silent: a new one then takes the place of the oldest.
        """
        if len(self._open) > self._most:
            self._refuse(newest)
        elif self._has_keys:
            oldest = self._clock() - HANDSHAKE_MS / 1000
            waiting = [n for n, e in self._open.items() if e.user is None and e.since > oldest]
            if len(waiting) > MOST_WAITING:
                self._refuse(waiting[0])

    def _refuse(self, number: int) -> None:
        self._counters["connections_refused"] += 1
        self._cut(number)

    def announce(self, number: int, service: str) -> None:
        """Record that a service has announced itself on the connection with this descriptor."""
        self.update()  # the number may be of a connection that has ended
        with self._lock:
            if number in self._open:
                self._open[number].service = service

    def serial_of(self, number: int) -> int:
        """What tells this connection from others that have the same descriptor; 0: it has ended."""
        self.update()
        with self._lock:
            return self._open[number].serial if number in self._open else 0

    def find_ended(self, serials: Mapping[int, int]) -> list[int]:
        """Those of some connections, given as descriptors with their serials, that have ended."""
        with self._lock:
            there = {number: one.serial for number, one in self._open.items()}
        return [number for number, serial in serials.items() if there.get(number) != serial]

    def on_message(self, number: int, sizes: Sequence[int], user: str = "") -> None:
        """Record that a message, or parts of one, were read.

        Args:
            number: The descriptor of the connection by which it came.
            sizes: The size of each part in bytes.
            user: The name of the key it came with.
        """
        with self._lock:
            if one := self._open.get(number):
                one.read += wire_bytes(sizes, has_keys=self._has_keys)
                if one.user != user:
                    one.user, one.is_pipeline = user, self._is_pipeline(user)

    def find(self, number: int, origin: str) -> Connection | None:
        """The connection with this descriptor, if messages of this origin come by it."""
        with self._lock:
            one = self._open.get(number)
        if one is None or not one.may_be_of(origin):
            return None
        one.origin = origin
        return one

    def unread(self) -> dict[int, int]:
        """Bytes that have arrived by TCP and that the hub has not received yet, by connection.

        Processes of the pipeline are included only if they exceed their own limit.
        """
        found = {}
        with self._lock:
            for number, one in self._open.items():
                bytes_unread = _received(one.socket) - one.read
                if not one.is_pipeline or bytes_unread > MOST_UNREAD_OF_A_PROCESS:
                    found[number] = bytes_unread
        return found

    def cut_excessive(self, number: int) -> None:
        """Disconnect a peer that has sent much more than was read."""
        with self._lock:
            if one := self._open.get(number):
                self._counters["connections_cut"] += 1
                text = "%s at %s sends faster than it is read, or an endless message: cut off"
                LOG.warning(text, one.peer, self._name)
                self._cut(number)

    def cut_user(self, user: str | None) -> int:
        """Disconnect a user, or (None) peers that have sent nothing yet; return how many."""
        with self._lock:
            found = [number for number, one in self._open.items() if one.user == user]
            for number in found:
                self._cut(number)
        return len(found)

    def cut(self, number: int) -> None:
        """Disconnect a peer."""
        self._cut(number)

    def cut_mute(self) -> None:
        """Disconnect peers that read nothing of what is sent to them; call it regularly."""
        now = self._clock()
        for number, one in self._known():
            if self._is_waited_for(one):
                one.taken_at = now
            elif not _takes_some(one, now) and now - one.taken_at > PATIENCE_S:
                self._counters["mute_peers_cut"] += 1
                text = "%s at %s has read nothing for %.0f s: cut off"
                LOG.warning(text, one.name, self._name, now - one.taken_at)
                self._cut(number)

    def name_late(self) -> None:
        """Log peers that have not kept up for a while; call it regularly.

        They hold up nobody, because messages without room are not sent to them.
        """
        now = self._clock()
        for _, one in self._known():
            if not _unsent(one.socket):
                one.caught_up_at, one.is_late = now, False
            elif now - one.caught_up_at > PATIENCE_S and not one.is_late:
                one.is_late = True
                self._counters["slow_subscribers"] += 1
                text = "%s at %s has not kept up for %.0f s: it loses messages"
                LOG.warning(text, one.name, self._name, now - one.caught_up_at)

    def find_holders(self) -> list[int]:
        """The peers that hold up the run without a right to: call it after a pause in sending.

        Fast peers have read everything by then. If a consumer that may be waited for is behind as
        well, nobody else counts as holding up the run.
        """
        behind = {number: one for number, one in self._known() if _unsent(one.socket)}
        for one in behind.values():
            _takes_some(one, self._clock())  # more frequent checks make this more certain
        return [] if any(map(self._is_waited_for, behind.values())) else list(behind)

    def on_room(self) -> None:
        """Record that a message that had no room has been sent: whoever is behind has read some.

        How much a peer has not read does not show that: on a Unix socket it is often the same each
        time, because what is read is replaced at once.
        """
        now = self._clock()
        for _, one in self._known():
            if _unsent(one.socket):
                one.taken_at = now

    def on_held_up(self, numbers: Iterable[int], seconds: float) -> None:
        """Record which peers have held up the run; disconnect those with no patience left."""
        for number in numbers:
            one = self._open.get(number)
            if one is None:
                continue
            holder = self._holder(one.host)
            if holder.patience.is_full:
                holder.held_s = 0.0
            holder.held_s += seconds
            if not holder.patience.spend(seconds):
                self._counters["slow_peers_cut"] += 1
                text = "%s at %s reads slowly and has held up the run for %.1f s: cut off"
                LOG.warning(text, one.name, self._name, holder.held_s)
                self._cut(number)

    def _holder(self, host: str) -> Holder:
        if host not in self._holders and len(self._holders) >= MOST_HOLDERS:
            kept = {name: one for name, one in self._holders.items() if not one.patience.is_full}
            self._holders = kept if len(kept) < MOST_HOLDERS else {}
        return self._holders.setdefault(host, Holder(self._clock))

    def _known(self) -> list[tuple[int, Connection]]:
        with self._lock:
            return list(self._open.items())

    def _is_waited_for(self, one: Connection) -> bool:
        return one.service is not None and self._may_wait(one.service)

    def end(self) -> None:
        """Stop the events; this wakes a thread that waits for the descriptor."""
        with contextlib.suppress(zmq.ZMQError):  # the context is being destroyed
            self._peers.disable_monitor()

    def close(self) -> None:
        """Release everything."""
        self.end()
        with self._lock:
            self._events.close(linger=0)
            for number in list(self._open):
                self._forget(number)

    def _add(self, number: int) -> None:
        copied = socket.socket(fileno=os.dup(number))
        try:
            peer = _peer_of(copied)
        except (OSError, ValueError):
            copied.close()
            return
        now = self._clock()
        self._accepted += 1
        self._open[number] = Connection(
            copied, peer, self._accepted, since=now, taken_at=now, caught_up_at=now
        )
        if copied.family != socket.AF_UNIX:
            self.on_tcp_peer()

    def _cut(self, number: int) -> None:
        """End a connection as if its cable had been cut."""
        with self._lock:
            if one := self._open.get(number):
                with contextlib.suppress(OSError):
                    one.socket.shutdown(socket.SHUT_RDWR)
            self._forget(number)

    def _forget(self, number: int) -> None:
        known = self._open.pop(number, None)
        if known is not None:
            known.is_open = False
            self.ended += 1
            known.socket.close()


class ConnectionWatch(threading.Thread):
    """Keeps peers from filling the hub's memory, even while the hub itself waits.

    Args:
        watched: The connections of each socket; `close` closes them.
    """

    def __init__(self, watched: Iterable[Connections]) -> None:
        super().__init__(name="connections", daemon=True)
        self.watched = tuple(watched)
        self._stopping = threading.Event()
        # The hub's own thread may note a new connection first, and then nothing can be read of the
        # descriptors: this thread would sleep on
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        for one in self.watched:
            one.on_tcp_peer = self._wake

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it has been woken often enough
            self._waker.send(b"1")

    def run(self) -> None:
        poller = select.poll()
        for descriptor in (self._woken.fileno(), *(one.descriptor for one in self.watched)):
            poller.register(descriptor, select.POLLIN)
        while not self._stopping.is_set():
            has_tcp_peers = any(one.has_tcp_peers for one in self.watched)
            poller.poll(LOOK_MS if has_tcp_peers else IDLE_MS)
            if self._stopping.is_set():
                return
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(1 << 10)
            try:
                for one in self.watched:
                    one.update()
            except zmq.ZMQError:  # the context was destroyed
                return
            cut_excessive(self.watched)

    def close(self) -> None:
        """Stop, and release everything."""
        self._stopping.set()
        for one in self.watched:
            one.end()
        if self.is_alive():
            self.join()
        for one in self.watched:
            one.on_tcp_peer = lambda: None
            one.close()
        self._woken.close()
        self._waker.close()


def cut_excessive(watched: Iterable[Connections]) -> None:
    """Disconnect peers that have sent much more than was read; call it often."""
    unread = [
        (count, number, connections)
        for connections in watched
        for number, count in connections.unread().items()
    ]
    unread.sort(key=lambda one: one[0], reverse=True)
    together = sum(count for count, _, _ in unread if count > 0)
    for count, number, connections in unread:
        if count <= MOST_UNREAD_BYTES and together <= MOST_UNREAD_TOGETHER:
            return
        connections.cut_excessive(number)
        together -= count


def _peer_of(connection: socket.socket) -> str:
    """The peer at the other end, for display."""
    if connection.family == socket.AF_UNIX:
        if not hasattr(socket, "SO_PEERCRED"):
            return "a process of this user"
        answer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return f"process {_CREDENTIALS.unpack(answer)[0]}"
    host, port, *_ = connection.getpeername()
    return f"{host}:{port}"


def _takes_some(one: Connection, now: float) -> bool:
    """Whether the peer has read something since the last call, or nothing waits; record it."""
    traffic = _traffic(one.socket)
    moves = not traffic.waiting or traffic.acknowledged != one.acknowledged
    if moves:
        one.acknowledged, one.taken_at = traffic.acknowledged, now
    return moves


def _unsent(connection: socket.socket) -> int:
    """Bytes that cannot be sent because the peer has not read enough; 0 if that is not known.

    On a Unix socket, data arrives when it is sent: there it is what the peer has not read.
    """
    if not sys.platform.startswith("linux"):
        return 0
    request = termios.TIOCOUTQ if connection.family == socket.AF_UNIX else _SIOCOUTQNSD
    try:
        answer = fcntl.ioctl(connection.fileno(), request, bytes(_UNSENT.size))
    except GONE:
        return 0
    unsent: int = _UNSENT.unpack(answer)[0]
    return unsent


def _received(connection: socket.socket) -> int:
    """Bytes that ZeroMQ has read from a TCP connection; 0 if that is not known."""
    received = _traffic(connection).received
    if not received:
        return 0
    try:
        waiting = fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(_UNSENT.size))
    except GONE:
        return 0
    return received - int(_UNSENT.unpack(waiting)[0])


def _traffic(connection: socket.socket) -> Traffic:
    """The traffic of a connection; zeros if that is not known."""
    if not sys.platform.startswith("linux"):
        return Traffic(0, 0, 0)
    size = _TRAFFIC_AT + _TRAFFIC.size
    try:
        unsent = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(_UNSENT.size))
        waiting: int = _UNSENT.unpack(unsent)[0]
        if connection.family == socket.AF_UNIX:
            return Traffic(0, -waiting, waiting)  # a change means that something was read
        answer = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
    except GONE:
        return Traffic(0, 0, 0)
    if len(answer) < size:
        return Traffic(0, 0, 0)
    acknowledged, received = _TRAFFIC.unpack_from(answer, _TRAFFIC_AT)
    return Traffic(received, acknowledged, waiting)
