"""The hub's clock, as seen from another host.

As in NTP (RFC 5905, section 8): a probe leaves at t1, the hub gets it at t2 and answers at t3, the
answer is here at t4. Where both ways took equally long the hub's clock is ahead by
((t2 - t1) + (t3 - t4)) / 2, and whatever the ways took, that is wrong by at most half of the round
trip. Of the last probes the one with the shortest round trip is believed; the others waited in some
queue.

Clocks may be set meanwhile. The round trip is taken from a clock that is never set, t1 being that
long before t4, and answers that no longer fit to the newest one are forgotten.
"""

import ipaddress
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import zmq

from affectline.common.clock import monotonic, monotonic_ns, now_ns
from affectline.common.runtime.sockets import connect, new_socket
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.health import ClockOffset

KEPT: Final = 16
"""Probes of which the best is believed."""
PERIOD_S: Final = 1.0
FIRST_PERIOD_S: Final = 0.05
"""Between the first probes."""
FIRST: Final = 8
"""Probes that are sent fast, and are enough to begin with."""
PROBE: Final = struct.Struct("<q")
ANSWER: Final = struct.Struct("<qqq")


class ClockProbe(NamedTuple):
    """What one probe shows."""

    offset_ns: int
    """The hub's clock less ours."""
    uncertainty_ns: int
    """The offset is wrong by this at most."""


def estimate_offset(t1: int, t2: int, t3: int, t4: int) -> ClockProbe:
    """Offset and uncertainty from the four times of a probe, all in nanoseconds."""
    return ClockProbe(((t2 - t1) + (t3 - t4)) // 2, max(0, (t4 - t1) - (t3 - t2)) // 2)


def contradicts(one: ClockProbe, other: ClockProbe) -> bool:
    """Whether no offset fits to both: a clock was set between them, or has drifted."""
    apart = abs(one.offset_ns - other.offset_ns)
    return apart > one.uncertainty_ns + other.uncertainty_ns + 1


def is_here(hub: HubSettings) -> bool:
    """True where the hub is on this very machine, and its clock is ours."""
    try:
        return hub.host == "localhost" or ipaddress.ip_address(hub.host).is_loopback
    except ValueError:
        return False


class ClockSync:
    """The hub's clock, as far as a process can tell it by its own.

    Args:
        context: Where the socket for the probes belongs to.
        hub: Where the hub is. On this machine nothing is asked and nothing corrected.
        now: This machine's clock.
        ticks: Nanoseconds that nobody sets.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        hub: HubSettings,
        now: Callable[[], int] = now_ns,
        ticks: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._clock, self._ticks = now, ticks
        self.correction = 0
        """Nanoseconds to add to this machine's clock."""
        self._probes: deque[ClockProbe] = deque(maxlen=KEPT)
        self._sent = 0
        self._next_probe = 0.0
        self.socket: zmq.Socket[bytes] | None = None
        if not is_here(hub):
            self.socket = new_socket(context, zmq.DEALER)
            # A probe that waits for a connection would only tell how long it waited.
            self.socket.setsockopt(zmq.IMMEDIATE, 1)
            self.socket.setsockopt(zmq.LINGER, 0)
            connect(self.socket, hub.clock)

    def now(self) -> int:
        """Nanoseconds since the Unix epoch, by the hub's clock as far as it is known."""
        return self._clock() + self.correction

    @property
    def offset(self) -> ClockOffset | None:
        """For health messages; None on the hub's own machine and before its first answer."""
        if not self._probes:
            return None
        best = self._best
        return ClockOffset(
            offset_ms=best.offset_ns / 1e6,
            uncertainty_ms=best.uncertainty_ns / 1e6,
            corrected_ms=self.correction / 1e6,
        )

    @property
    def _best(self) -> ClockProbe:
        return min(self._probes, key=lambda result: result.uncertainty_ns)

    def probe(self) -> None:
        """Send a probe when one is due, and read the answers to earlier ones."""
        if self.socket is None:
            return
        self._read_answers()
        if monotonic() < self._next_probe:
            return
        try:
            self.socket.send(PROBE.pack(self._ticks()), zmq.DONTWAIT)
            self._sent += 1
        except zmq.Again:  # the hub is not there
            pass
        self._next_probe = monotonic() + (FIRST_PERIOD_S if self._sent < FIRST else PERIOD_S)

    def _read_answers(self) -> None:
        """Read the hub's answers."""
        while self.socket is not None:
            try:
                answer = self.socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return
            arrived, elapsed = self._clock(), self._ticks()
            if len(answer) == ANSWER.size:
                sent, got, answered = ANSWER.unpack(answer)
                elapsed -= sent
                if 0 <= answered - got <= elapsed:  # else the hub's clock was set in between
                    self._add(estimate_offset(arrived - elapsed, got, answered, arrived))

    def _add(self, result: ClockProbe) -> None:
        fitting = [e for e in self._probes if not contradicts(e, result)]
        self._probes = deque([*fitting, result], maxlen=KEPT)
        best = self._best
        # An offset that may just as well be none is none: two hosts in step are left in step.
        self.correction = best.offset_ns if abs(best.offset_ns) > best.uncertainty_ns else 0

    def synchronize(self, patience_s: float) -> None:
        """Wait until enough has been answered to begin with, or for so long."""
        deadline = monotonic() + patience_s
        while self.socket is not None and len(self._probes) < FIRST:
            left = min(deadline, self._next_probe) - monotonic()
            self.socket.poll(max(0, int(left * 1000) + 1))
            self.probe()
            if monotonic() >= deadline:
                return


def offset_to_hub(hub: HubSettings, patience_s: float = 1.0) -> int:
    """Nanoseconds to add to this machine's clock to have the hub's; 0 where nobody answers."""
    if is_here(hub):
        return 0
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        clock_sync = ClockSync(context, hub)
        clock_sync.synchronize(patience_s)
        return clock_sync.correction
    finally:
        context.destroy(linger=0)


def answer_probes(socket: zmq.Socket[bytes]) -> None:
    """The hub's part: answer what has been asked.

    Args:
        socket: A ROUTER socket.
    """
    while True:
        try:
            parts = socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return
        got = now_ns()
        if len(parts) == 2 and len(parts[1]) == PROBE.size:
            (sent,) = PROBE.unpack(parts[1])
            socket.send_multipart([parts[0], ANSWER.pack(sent, got, now_ns())], zmq.DONTWAIT)
