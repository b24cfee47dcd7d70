"""Synchronization with the hub's clock from another host.

As in NTP (RFC 5905, section 8): a probe leaves at t1, the hub receives it at t2 and answers at t3,
and the answer arrives at t4. If both ways took equally long, the hub's clock is ahead by
((t2 - t1) + (t3 - t4)) / 2. However long each way took, the error is at most half of the round
trip. Of the last probes, the one with the shortest round trip is used; the others waited in a
queue.

Clocks may be set in the meantime. The round trip is measured with a clock that is never set, and t1
is calculated from t4 and the round trip. An answer that contradicts all earlier ones is doubted
until enough answers in a row agree with it (`CONFIRMED`); then the earlier ones are dropped. An
answer counts once, and only for a probe that was sent and is still remembered here.
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
"""Number of recent probes; the best of them is used."""
PERIOD_S: Final = 1.0
FIRST_PERIOD_S: Final = 0.05
"""Interval between the first probes."""
FIRST: Final = 8
"""Number of probes that are sent fast; enough to start with."""
CONFIRMED: Final = 3
"""Number of contradicting answers that must agree before a clock counts as set."""
DOUBTFUL_PERIOD_S: Final = 0.25
"""Interval between probes while answers are doubted: no faster than the hub answers."""
PROBES_AT_ONCE: Final = 4 * FIRST
PROBES_PER_S: Final = 4 / PERIOD_S
"""Limits of the hub's answers to one peer: four times as many as a process needs."""
MOST_PEERS: Final = 1024
"""Maximum number of peers that the hub remembers."""
ANSWERED_AT_ONCE: Final = 64
PROBE: Final = struct.Struct("<q")
ANSWER: Final = struct.Struct("<qqq")


class ClockProbe(NamedTuple):
    """The result of one probe."""

    offset_ns: int
    """The hub's clock minus this machine's."""
    uncertainty_ns: int
    """Maximum error of the offset."""


def estimate_offset(t1: int, t2: int, t3: int, t4: int) -> ClockProbe:
    """Offset and uncertainty from the four times of a probe, all in nanoseconds."""
    return ClockProbe(((t2 - t1) + (t3 - t4)) // 2, max(0, (t4 - t1) - (t3 - t2)) // 2)


def contradicts(one: ClockProbe, other: ClockProbe) -> bool:
    """Whether no offset fits both: a clock was set between them, or has drifted."""
    apart = abs(one.offset_ns - other.offset_ns)
    return apart > one.uncertainty_ns + other.uncertainty_ns + 1


class ClockSync:
    """The hub's clock, estimated from this machine's clock and probes.

    Args:
        context: ZeroMQ context of the socket for the probes.
        hub: The hub. On this machine, nothing is probed or corrected.
        now: This machine's clock, in ns since the Unix epoch.
        ticks: A clock that is never set, in ns.
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
        """Answers that contradict all of these, but agree with each other."""
        self._asked: deque[int] = deque(maxlen=KEPT)
        """When the unanswered probes were sent, by the clock that is never set."""
        self.nonsense = 0
        """Number of answers that cannot be the hub's."""
        self._sent = 0
        self._next_probe = 0.0
        self.socket: zmq.Socket[bytes] | None = None
        endpoints = reach(hub)
        # With keys, processes on the hub's machine have none: they share its clock
        if not (hub.is_loopback or (endpoints.is_local and hub.network_access == "keys")):
            self.socket = new_socket(context, zmq.DEALER)
            # A probe that waits for a connection would only measure that wait.
            self.socket.setsockopt(zmq.IMMEDIATE, 1)
            self.socket.setsockopt(zmq.LINGER, 0)
            connect(self.socket, endpoints.clock)

    def now(self) -> int:
        """Nanoseconds since the Unix epoch, by the hub's clock as far as it is known."""
        return self._clock() + self.correction

    @property
    def offset(self) -> ClockOffset | None:
        """For health messages; None on the hub's own machine and before the first answer."""
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
        """Use an answer; False if it is malformed, not expected, or impossible.

        Args:
            answer: Its bytes.
            arrived: When it arrived, by this machine's clock.
            now: The same, by the clock that is never set.
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
        # An offset within its error counts as none: synchronized hosts are left alone.
        self.correction = best.offset_ns if abs(best.offset_ns) > best.uncertainty_ns else 0

    def synchronize(self, patience_s: float) -> None:
        """Wait until there are enough answers to start with, or for ``patience_s`` seconds."""
        deadline = monotonic() + patience_s
        while self.socket is not None and len(self._probes) < FIRST:
            left = min(deadline, self._next_probe) - monotonic()
            self.socket.poll(max(0, int(left * 1000) + 1))
            self.probe()
            if monotonic() >= deadline:
                return


def offset_to_hub(hub: HubSettings, patience_s: float = 1.0) -> int:
    """Nanoseconds to add to this machine's clock to get the hub's; 0 if the hub does not answer."""
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
    """The hub's side: answers probes.

    Args:
        socket: A ROUTER socket.
        clock: Seconds of a monotonic clock.
        heard: Called for every message with its last frame, which identifies connection and key,
            and the lengths of its parts.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        clock: Callable[[], float] = monotonic,
        heard: Callable[[zmq.Frame, list[int]], None] = lambda _frame, _sizes: None,
    ) -> None:
        self._socket, self._clock, self._heard = socket, clock, heard
        self._asked: OrderedDict[bytes, Allowance] = OrderedDict()
        """The remaining allowance of each peer, the most recent last."""

    def answer(self, counters: Counter[str]) -> None:
        """Answer waiting probes, but not all at once: other work is waiting as well.

        Args:
            counters: Counts ``probes_refused``: too many from one peer, or malformed.
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
