"""The hub's clock, as seen from another host.

As in NTP (RFC 5905, section 8): a probe leaves at t1, the hub gets it at t2 and answers at t3, the
answer is here at t4. Where both ways took equally long the hub's clock is ahead by
((t2 - t1) + (t3 - t4)) / 2, and whatever the ways took, that is wrong by at most half of the round
trip. Of the last probes the one with the shortest round trip is believed; the others waited in some
queue.

Clocks may be set meanwhile. The round trip is taken from a clock that is never set, t1 being that
long before t4. An answer that fits to none of those before is doubted until as many in a row agree
with it as it takes (`CONFIRMED`); then those before are forgotten. Only what was asked is answered:
an answer counts once, to a question that is remembered here.
"""

import struct
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

import zmq

from affectline.common.clock import monotonic, monotonic_ns, now_ns
from affectline.common.runtime.allowance import Allowance
from affectline.common.runtime.endpoints import reach
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
CONFIRMED: Final = 3
"""Answers that agree with one another before a clock counts as set."""
DOUBTFUL_PERIOD_S: Final = 0.25
"""Between probes while answers are doubted: no faster than the hub answers."""
PROBES_AT_ONCE: Final = 4 * FIRST
PROBES_PER_S: Final = 4 / PERIOD_S
"""What the hub answers to one peer: four times as much as a process asks."""
MOST_PEERS: Final = 1024
"""That it remembers."""
ANSWERED_AT_ONCE: Final = 64
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
        self._doubted: list[ClockProbe] = []
        """Answers that fit to none of these, but to one another."""
        self._asked: deque[int] = deque(maxlen=KEPT)
        """When questions without an answer were sent, by the clock that nobody sets."""
        self.nonsense = 0
        """Answers that cannot be the hub's."""
        self._sent = 0
        self._next_probe = 0.0
        self.socket: zmq.Socket[bytes] | None = None
        endpoints = reach(hub)
        # With keys, parts on the hub's own machine have none: its clock is theirs
        if not (hub.is_loopback or (endpoints.is_local and hub.network_access == "keys")):
            self.socket = new_socket(context, zmq.DEALER)
            # A probe that waits for a connection would only tell how long it waited.
            self.socket.setsockopt(zmq.IMMEDIATE, 1)
            self.socket.setsockopt(zmq.LINGER, 0)
            connect(self.socket, endpoints.clock)

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
        asked = self._ticks()
        with suppress(zmq.Again):  # the hub is not there
            self.socket.send(PROBE.pack(asked), zmq.DONTWAIT)
            self._asked.append(asked)
            self._sent += 1
        period_s = DOUBTFUL_PERIOD_S if self._doubted else PERIOD_S
        self._next_probe = monotonic() + (FIRST_PERIOD_S if self._sent < FIRST else period_s)

    def _read_answers(self) -> None:
        """Read the hub's answers."""
        while self.socket is not None:
            try:
                parts = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            arrived, elapsed = self._clock(), self._ticks()
            if len(parts) != 1 or not self._take_answer(parts[0], arrived, elapsed):
                self.nonsense += 1

    def _take_answer(self, answer: bytes, arrived: int, now: int) -> bool:
        """Learn from an answer; False where it is none, or tells what cannot be.

        Args:
            answer: Its bytes.
            arrived: When it came, by this machine's clock.
            now: The same by the clock that nobody sets.
        """
        if len(answer) != ANSWER.size:
            return False
        asked, got, answered = ANSWER.unpack(answer)
        if asked not in self._asked:
            return False
        self._asked.remove(asked)
        elapsed = now - asked
        if not 0 <= answered - got <= elapsed:  # or the hub's clock was set in between
            return False
        self._add(estimate_offset(arrived - elapsed, got, answered, arrived))
        return True

    def _add(self, result: ClockProbe) -> None:
        fitting = [e for e in self._probes if not contradicts(e, result)]
        if self._probes and not fitting:
            agreeing = [e for e in self._doubted if not contradicts(e, result)]
            self._doubted = [*agreeing, result]
            if len(self._doubted) < CONFIRMED:
                return
            fitting = agreeing
        self._doubted = []
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
    if hub.is_loopback:
        return 0
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        clock_sync = ClockSync(context, hub)
        clock_sync.synchronize(patience_s)
        return clock_sync.correction
    finally:
        context.destroy(linger=0)


class ClockServer:
    """The hub's part: answers what it has been asked.

    Args:
        socket: A ROUTER socket.
        clock: Seconds of a monotonic clock.
        heard: Is told of every message by which connection it came, how long its parts are, and
            whose key it has.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        clock: Callable[[], float] = monotonic,
        heard: Callable[[zmq.Frame, list[int]], None] = lambda _frame, _sizes: None,
    ) -> None:
        self._socket, self._clock, self._heard = socket, clock, heard
        self._asked: OrderedDict[bytes, Allowance] = OrderedDict()
        """What each peer may ask yet; those that asked last are the last."""

    def answer(self, counters: Counter[str]) -> None:
        """Answer probes that wait, not all of them at once: others are waiting as well.

        Args:
            counters: ``probes_refused`` are those that came too often, or are none.
        """
        for _ in range(ANSWERED_AT_ONCE):
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            got = now_ns()
            self._heard(frames[-1], [len(frame) for frame in frames[1:]])
            parts = [frame.bytes for frame in frames]
            if len(parts) != 2 or len(parts[1]) != PROBE.size or not self._may_ask(parts[0]):
                counters["probes_refused"] += 1
                continue
            (sent,) = PROBE.unpack(parts[1])
            with suppress(zmq.Again):
                answer = ANSWER.pack(sent, got, now_ns())
                self._socket.send_multipart([parts[0], answer], zmq.DONTWAIT)

    def _may_ask(self, peer: bytes) -> bool:
        allowance = self._asked.pop(peer, None)
        if allowance is None:
            allowance = Allowance(PROBES_PER_S, PROBES_AT_ONCE, self._clock)
        self._asked[peer] = allowance
        if len(self._asked) > MOST_PEERS:
            self._asked.popitem(last=False)
        return allowance.spend()
