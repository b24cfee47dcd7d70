"""Who is connected to the hub: how many there may be, and when one is cut off.

ZeroMQ bounds a part of a message (``ZMQ_MAXMSGSIZE``) and the messages that wait
(``ZMQ_RCVHWM``), but neither the parts of one message nor the connections. A message to whose parts
more are always to come is never seen by the hub, and takes all memory; so does whatever is sent
before a handshake has ended. The kernel tells what has come by a connection, so what the hub has
not read of it is known.
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import zmq
from zmq.utils.monitor import parse_monitor_message

from affectline.common.clock import monotonic
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.allowance import Allowance

MOST_CONNECTIONS: Final = 128
"""To one of the hub's ports, at once; more are closed as they come."""
MOST_PARTS: Final = 1024
"""The same where parts of the pipeline connect: on a cluster there may be hundreds."""
MOST_WAITING: Final = 64
"""To a port that asks for keys: connections that have said nothing yet. Of more, the oldest is
closed: whoever has a key needs no time to say so."""
HANDSHAKE_MS: Final = 5_000
"""A peer that has not said by then what it is is disconnected."""
PATIENCE_S: Final = 10.0
"""So is one that takes nothing of what is sent to it for so long."""
SLOW_OF_TIME: Final = 1 / 6
"""How much of the time one that reads slowly may hold up a lossless run, beyond `PATIENCE_S`."""
MOST_HOLDERS: Final = 256
"""Peers of whom it is known how long they have held up the run."""
MOST_UNREAD_BYTES: Final = 1 << 24
"""What a peer may have sent of messages that are not complete, or that the hub has not read yet,
kernel's buffers excluded."""
MOST_UNREAD_TOGETHER: Final = 1 << 25
"""All peers together that are no parts of the pipeline, or have not shown yet that they are: of
more, whoever has most is disconnected."""
MOST_UNREAD_OF_A_PART: Final = 1 << 30
"""A part of the pipeline: four of the longest parts of messages."""
LOOK_MS: Final = 10
"""How often it is looked at what peers by TCP have sent: memory is filled at 1 GB a second."""
LOCAL_BUFFER: Final = 1 << 17
"""What the kernel keeps of a peer on the same machine, in bytes. With more of it, such a peer
sends twice as fast, which only one that fills the hub's memory makes use of."""
IDLE_MS: Final = 1000
_SHORT_FRAME: Final = 255
_KEY_BYTES: Final = 33
"""What CURVE adds to every part of a message (RFC 26): a command's name, a nonce, flags, and the
code that authenticates all of it."""
_TRAFFIC: Final = struct.Struct("=QQ")
_TRAFFIC_AT: Final = 120
"""Where ``tcpi_bytes_acked`` and ``tcpi_bytes_received`` are in Linux' ``struct tcp_info`` (since
4.1)."""
_UNSENT: Final = struct.Struct("=i")
_SIOCOUTQNSD: Final = 0x894B
"""Asks Linux for what waits to be sent over TCP: what is on its way does not count."""
_CREDENTIALS: Final = struct.Struct("=iii")
"""A process, its user and its group (``struct ucred``)."""

LOG: Final = ServiceLogger("hub")


class Traffic(NamedTuple):
    """What has gone over a connection, in bytes."""

    received: int
    acknowledged: int
    """Of what was sent."""
    waiting: int
    """Sent, and not acknowledged."""


class Holder:
    """A peer that has held up the run: by its process or host, for it may connect again.

    Args:
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.patience = Allowance(SLOW_OF_TIME, PATIENCE_S, clock)
        self.held_s = 0.0
        """For so long since it was last known to hold up nothing."""


def wire_bytes(sizes: Iterable[int], *, has_keys: bool) -> int:
    """What a message of such parts takes on its way: lengths before them, and what keys add."""
    total = 0
    for size in sizes:
        length = size + (_KEY_BYTES if has_keys else 0)
        total += length + (2 if length <= _SHORT_FRAME else 9)
    return total


@dataclass
class Connection:
    """One of them."""

    socket: socket.socket
    """A copy of ZeroMQ's: what is read of one is read of all."""
    peer: str
    service: str | None = None
    """What has announced itself there."""
    origin: str = ""
    """Where its messages come from, as the last of them says: `services.hub.ownership`."""
    is_open: bool = True
    since: float = 0.0
    """When it was made, in s of the monotonic clock."""
    user: str | None = None
    """Whose key it has, empty for none; None: it has said nothing yet."""
    is_part: bool = False
    """Whether a part of the pipeline is at the other end."""
    read: int = 0
    """Bytes of messages that the hub has got."""
    acknowledged: int = -1
    taken_at: float = 0.0
    """When more was acknowledged, or nothing waited, in s of the monotonic clock."""
    caught_up_at: float = 0.0
    """When nothing waited to be sent, likewise."""
    is_late: bool = False
    """It has been said that it does not keep up."""

    def may_be_of(self, origin: str) -> bool:
        """Whether a message of this origin may have come by it, and not by one before it."""
        if self.socket.family != socket.AF_UNIX:
            return True
        return not self.peer.startswith("process ") or origin.endswith(f":{self.peer[8:]}")

    @property
    def name(self) -> str:
        """Who it is, for people."""
        return self.peer if self.service is None else f"{self.service} ({self.peer})"

    @property
    def host(self) -> str:
        """What stays when it connects again: its process, or the address of its machine."""
        return self.peer.rpartition(":")[0] or self.peer


class Connections:
    """The peers of one of the hub's sockets. Make it before the socket is bound.

    Args:
        peers: The socket.
        name: What it is for.
        counters: Those of the hub: ``connections_refused`` (there were too many),
            ``connections_cut`` (a message without an end), ``mute_peers_cut``,
            ``slow_peers_cut`` (held up the run), ``slow_subscribers`` (do not keep up).
        most: How many there may be.
        may_wait: Whether a service may take nothing for as long as it likes, for the settings
            name it; None: nobody may.
        is_part: Whether a user's processes are parts of the pipeline; None: nobody's are.
        has_keys: The socket asks for keys.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self,
        peers: zmq.Socket[bytes],
        name: str,
        counters: Counter[str],
        most: int = MOST_CONNECTIONS,
        may_wait: Callable[[str], bool] | None = None,
        is_part: Callable[[str], bool] | None = None,
        *,
        has_keys: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        peers.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        if may_wait is None:
            # Where the traffic is not known; the kernel does not say whom it has disconnected
            peers.setsockopt(zmq.TCP_MAXRT, round(2000 * PATIENCE_S))
        self._peers, self._name, self._counters, self._clock = peers, name, counters, clock
        self._most = most
        self._may_wait = may_wait or (lambda _: False)
        self._has_keys, self._is_part = has_keys, is_part or (lambda _: False)
        self._events = peers.get_monitor_socket(
            zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED
        )
        self.descriptor = int(self._events.getsockopt(zmq.FD))
        """Can be read when there may be something for `update`."""
        self._open: dict[int, Connection] = {}
        """By file descriptor."""
        self._lock = threading.RLock()
        """Around all of these: a thread watches them while the hub's own reads messages."""
        self._holders: dict[str, Holder] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def has_strangers(self) -> bool:
        """Whether anybody is there by TCP."""
        with self._lock:
            return any(one.socket.family != socket.AF_UNIX for one in self._open.values())

    def update(self) -> None:
        """Take note of who has come and gone, and close connections beyond the limit."""
        with self._lock:
            while not self._events.closed:
                try:
                    event = parse_monitor_message(self._events.recv_multipart(zmq.DONTWAIT))
                except zmq.Again:
                    return
                if event["event"] == zmq.EVENT_MONITOR_STOPPED:
                    return
                number = int(event["value"])
                self._forget(number)
                if event["event"] == zmq.EVENT_ACCEPTED:
                    with contextlib.suppress(OSError):  # it has gone already
                        self._add(number)
                        self._limit(number)

    def _limit(self, newest: int) -> None:
        """Close a connection where there are too many now.

        Whoever has no key stays outside, but is connected until its handshake has failed. So there
        are fewer places for those that have said nothing yet, and a new one takes the oldest's.
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
        """A service has announced itself by the connection with this descriptor."""
        self.update()  # it may be the number of one that has ended
        with self._lock:
            if number in self._open:
                self._open[number].service = service

    def on_message(self, number: int, sizes: Sequence[int], user: str = "") -> None:
        """A message was read, or parts of one.

        Args:
            number: The descriptor of the connection that it came by.
            sizes: The bytes of each part.
            user: Whose key it came with.
        """
        with self._lock:
            if one := self._open.get(number):
                one.read += wire_bytes(sizes, has_keys=self._has_keys)
                if one.user != user:
                    one.user, one.is_part = user, self._is_part(user)

    def find(self, number: int, origin: str) -> Connection | None:
        """The connection with this descriptor, where messages of this origin come by it."""
        with self._lock:
            one = self._open.get(number)
        if one is None or not one.may_be_of(origin):
            return None
        one.origin = origin
        return one

    def unread(self) -> dict[int, int]:
        """By connection: bytes that have come by TCP, and that the hub has not got yet.

        Those of parts of the pipeline count only where they are too many.
        """
        found = {}
        with self._lock:
            for number, one in self._open.items():
                bytes_unread = _received(one.socket) - one.read
                if not one.is_part or bytes_unread > MOST_UNREAD_OF_A_PART:
                    found[number] = bytes_unread
        return found

    def cut_excessive(self, number: int) -> None:
        """Disconnect a peer that has sent much more than was read of it."""
        with self._lock:
            if one := self._open.get(number):
                self._counters["connections_cut"] += 1
                text = "%s at %s sends more than is read, or a message without an end: cut off"
                LOG.warning(text, one.peer, self._name)
                self._cut(number)

    def cut_user(self, user: str | None) -> int:
        """Disconnect a user, or (None) those that have said nothing yet; return how many."""
        with self._lock:
            found = [number for number, one in self._open.items() if one.user == user]
            for number in found:
                self._cut(number)
        return len(found)

    def cut(self, number: int) -> None:
        """Disconnect a peer."""
        self._cut(number)

    def cut_mute(self) -> None:
        """Disconnect peers that take nothing of what is sent to them; call it all the time."""
        now = self._clock()
        for number, one in self._known():
            if self._is_waited_for(one):
                one.taken_at = now
            elif not _takes_some(one, now) and now - one.taken_at > PATIENCE_S:
                self._counters["mute_peers_cut"] += 1
                text = "%s at %s has taken nothing for %.0f s: cut off"
                LOG.warning(text, one.name, self._name, now - one.taken_at)
                self._cut(number)

    def name_late(self) -> None:
        """Name peers who have not kept up for a while; call it all the time.

        They hold up nobody, for what there is no room for is not sent to them.
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
        """Those whom all wait for, and need not: call it when nothing was sent for a moment.

        Whoever reads quickly has taken everything by then. Where one that is waited for is behind
        as well, nobody else holds up the run.
        """
        behind = {number: one for number, one in self._known() if _unsent(one.socket)}
        for one in behind.values():
            _takes_some(one, self._clock())  # the more often this is asked the surer it is
        return [] if any(map(self._is_waited_for, behind.values())) else list(behind)

    def on_held_up(self, numbers: Iterable[int], seconds: float) -> None:
        """These have held up the run; disconnect whom nobody has patience with any more."""
        for number in numbers:
            one = self._open.get(number)
            if one is None:
                continue
            holder = self._holder(one.host)
            if holder.patience.is_whole:
                holder.held_s = 0.0
            holder.held_s += seconds
            if not holder.patience.spend(seconds):
                self._counters["slow_peers_cut"] += 1
                text = "%s at %s reads slowly, and has held up the run for %.1f s: cut off"
                LOG.warning(text, one.name, self._name, holder.held_s)
                self._cut(number)

    def _holder(self, host: str) -> Holder:
        if host not in self._holders and len(self._holders) >= MOST_HOLDERS:
            kept = {name: one for name, one in self._holders.items() if not one.patience.is_whole}
            self._holders = kept if len(kept) < MOST_HOLDERS else {}
        return self._holders.setdefault(host, Holder(self._clock))

    def _known(self) -> list[tuple[int, Connection]]:
        with self._lock:
            return list(self._open.items())

    def _is_waited_for(self, one: Connection) -> bool:
        return one.service is not None and self._may_wait(one.service)

    def end(self) -> None:
        """Hear of nothing more; whoever waits for the descriptor is woken."""
        with contextlib.suppress(zmq.ZMQError):  # the context is being destroyed
            self._peers.disable_monitor()

    def close(self) -> None:
        """Let go of everything."""
        self.end()
        with self._lock:
            self._events.close(linger=0)
            for number in list(self._open):
                self._forget(number)

    def _add(self, number: int) -> None:
        copied = socket.socket(fileno=os.dup(number))
        try:
            peer = _peer_of(copied)
            if peer.startswith(("127.", "::1:", "::ffff:127.")):
                copied.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LOCAL_BUFFER)
        except (OSError, ValueError):
            copied.close()
            return
        now = self._clock()
        self._open[number] = Connection(copied, peer, since=now, taken_at=now, caught_up_at=now)

    def _cut(self, number: int) -> None:
        """End a connection, as if its cable were cut."""
        with self._lock:
            if one := self._open.get(number):
                with contextlib.suppress(OSError):
                    one.socket.shutdown(socket.SHUT_RDWR)
            self._forget(number)

    def _forget(self, number: int) -> None:
        known = self._open.pop(number, None)
        if known is not None:
            known.is_open = False
            known.socket.close()


class ConnectionWatch(threading.Thread):
    """Sees to it that nobody fills the hub's memory, whatever the hub itself waits for.

    Args:
        watched: The connections of each socket; `close` closes them.
    """

    def __init__(self, watched: Iterable[Connections]) -> None:
        super().__init__(name="connections", daemon=True)
        self.watched = tuple(watched)
        self._stopping = threading.Event()

    def run(self) -> None:
        poller = select.poll()
        for one in self.watched:
            poller.register(one.descriptor, select.POLLIN)
        while not self._stopping.is_set():
            has_strangers = any(one.has_strangers for one in self.watched)
            poller.poll(LOOK_MS if has_strangers else IDLE_MS)
            if self._stopping.is_set():
                return
            try:
                for one in self.watched:
                    one.update()
            except zmq.ZMQError:  # the context was destroyed
                return
            cut_excessive(self.watched)

    def close(self) -> None:
        """Stop, and let go of everything."""
        self._stopping.set()
        for one in self.watched:
            one.end()
        if self.is_alive():
            self.join()
        for one in self.watched:
            one.close()


def cut_excessive(watched: Iterable[Connections]) -> None:
    """Disconnect peers that have sent much more than was read of them; call it often."""
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
    """Who is at the other end, for people."""
    if connection.family == socket.AF_UNIX:
        if not hasattr(socket, "SO_PEERCRED"):
            return "a process of this user"
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return f"process {_CREDENTIALS.unpack(told)[0]}"
    host, port, *_ = connection.getpeername()
    return f"{host}:{port}"


def _takes_some(one: Connection, now: float) -> bool:
    """Whether something was taken since this was last asked, or nothing waits; note it down."""
    traffic = _traffic(one.socket)
    moves = not traffic.waiting or traffic.acknowledged != one.acknowledged
    if moves:
        one.acknowledged, one.taken_at = traffic.acknowledged, now
    return moves


def _unsent(connection: socket.socket) -> int:
    """Bytes that cannot be sent, for the peer has not read enough; 0 where that is not known.

    Over a Unix socket what is sent has arrived: it is what the peer has not read.
    """
    if not sys.platform.startswith("linux"):
        return 0
    asked = termios.TIOCOUTQ if connection.family == socket.AF_UNIX else _SIOCOUTQNSD
    try:
        told = fcntl.ioctl(connection.fileno(), asked, bytes(_UNSENT.size))
    except OSError:
        return 0
    unsent: int = _UNSENT.unpack(told)[0]
    return unsent


def _received(connection: socket.socket) -> int:
    """Bytes that ZeroMQ has read of a connection by TCP; 0 where that is not known."""
    received = _traffic(connection).received
    if not received:
        return 0
    try:
        waiting = fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(_UNSENT.size))
    except OSError:
        return 0
    return received - int(_UNSENT.unpack(waiting)[0])


def _traffic(connection: socket.socket) -> Traffic:
    """What has gone over a connection; zeros where that is not known."""
    if not sys.platform.startswith("linux"):
        return Traffic(0, 0, 0)
    size = _TRAFFIC_AT + _TRAFFIC.size
    try:
        unsent = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(_UNSENT.size))
        waiting: int = _UNSENT.unpack(unsent)[0]
        if connection.family == socket.AF_UNIX:
            return Traffic(0, -waiting, waiting)  # where that changes, something was taken
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
    except OSError:
        return Traffic(0, 0, 0)
    if len(told) < size:
        return Traffic(0, 0, 0)
    acknowledged, received = _TRAFFIC.unpack_from(told, _TRAFFIC_AT)
    return Traffic(received, acknowledged, waiting)
