"""The work queue: face crops from detectors to classifiers, with a copy for subscribers."""

import contextlib
import threading
from collections import deque
from typing import Final, NamedTuple

import zmq

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.endpoints import HubEndpoints
from affectline.common.runtime.sockets import bind, new_socket
from affectline.common.runtime.tracing import TRACE
from affectline.services.hub.access import AccessControl, kind_of
from affectline.services.hub.authenticator import REBIND_S, RETRY_S, Authenticator
from affectline.services.hub.bus import OUTSIDER_HWM, TAP, Context, Parts, describe, is_crop
from affectline.services.hub.connections import (
    MOST_PIPELINE_CONNECTIONS,
    Connections,
    ConnectionWatch,
)
from affectline.services.hub.peer_properties import connection_of, user_of
from affectline.services.hub.refusals import Refusals

LOOK_MS: Final = 500
"""How often the work queue checks whether its sockets have to be renewed."""

LOG: Final = ServiceLogger("hub")


class Guard(NamedTuple):
    """Who may reach the work queue over the network."""

    access: AccessControl
    refusals: Refusals
    """Counts what they were refused."""
    authenticator: Authenticator | None
    """Accepts only peers with a key; None: everybody may connect."""

    def watch(self, peers: zmq.Socket[bytes]) -> Connections:
        """Secure a socket that is not bound yet, and watch its connections."""
        if self.authenticator:
            self.authenticator.secure(peers, for_pipeline=True)
        return Connections(
            peers, "the work queue", self.refusals.counters, MOST_PIPELINE_CONNECTIONS,
            is_pipeline=self.access.is_pipeline,
            has_keys=self.authenticator is not None,
        )  # fmt: skip


class QueueEnds:
    """A socket that takes crops from detectors, and one that sends them to classifiers.

    Args:
        context: The ZeroMQ context of the sockets.
        place: Where detectors and classifiers connect.
        refusals: Counts messages that are not crops.
        guard: Watches peers that connect over the network; None for the user's own sockets.

    Raises:
        AffectlineError: A port is in use.
    """

    def __init__(
        self,
        context: Context,
        place: HubEndpoints,
        refusals: Refusals,
        guard: "Guard | None" = None,
    ) -> None:
        self.input = new_socket(context, zmq.PULL)
        self.output = new_socket(context, zmq.PUSH)
        self._watch: ConnectionWatch | None = None
        self._refusals, self._guard = refusals, guard
        if guard:
            watched = [guard.watch(socket) for socket in (self.input, self.output)]
            self._bringing = watched[0]
            self._watch = ConnectionWatch(watched)
            self._watch.start()
        for socket, endpoint in ((self.input, place.work_in), (self.output, place.work_out)):
            try:
                bind(socket, endpoint)
            except AffectlineError:
                self.close()
                raise

    def receive(self) -> Parts:
        """Receive one message from a detector; an empty list if it is not for the work queue.

        Only crops are, and over the network only those of peers that may publish them.
        """
        if self._guard is None:
            return self._checked(self.input.recv_multipart(), "")
        frames = self.input.recv_multipart(copy=False)
        parts = [frame.bytes for frame in frames]
        number = connection_of(frames[0])
        user = user_of(frames[0], has_keys=self._guard.authenticator is not None)
        if number is not None:
            self._bringing.on_message(number, [len(part) for part in parts], user)
        if is_crop(parts) and not self._guard.access.may_publish(user, parts):
            self._refusals.count("faces/", user, counter="refused_faces")
            return []
        return self._checked(parts, user)

    def _checked(self, parts: Parts, user: str) -> Parts:
        if is_crop(parts):
            return parts
        kind = kind_of(parts[0])
        self._refusals.count(f"{kind}/ at the work queue", user, counter=f"refused_{kind}")
        return []

    def close(self) -> None:
        """Close both sockets, and disconnect everybody."""
        if self._watch:
            self._watch.close()
        self.input.close(linger=0)
        self.output.close(linger=0)


class WorkQueue(threading.Thread):
    """Forwards face crops from all detectors to whichever classifier has room.

    Args:
        context: The ZeroMQ context of its sockets.
        local: Where this user's detectors and classifiers connect.
        network: Where those of other machines connect; None: they cannot.
        has_crop_subscribers: Set while somebody subscribes to copies of the crops.
        refusals: Counts what is refused, and what fails.
        guard: Watches peers that connect over the network.
    """

    def __init__(
        self,
        context: Context,
        local: HubEndpoints,
        network: HubEndpoints | None,
        has_crop_subscribers: threading.Event,
        refusals: Refusals,
        guard: Guard | None = None,
    ) -> None:
        super().__init__(name="work-queue", daemon=True)
        self._context, self._network, self._guard = context, network, guard
        self._refusals = refusals
        self._has_crop_subscribers = has_crop_subscribers
        self._renewal = threading.Event()
        self._ends = deque([QueueEnds(context, local, refusals)])
        self._by_network: QueueEnds | None = None
        if network is not None:
            self._by_network = QueueEnds(context, network, refusals, guard)
            self._ends.append(self._by_network)
        self._tap = new_socket(context, zmq.PUSH)
        self._tap.setsockopt(zmq.SNDHWM, OUTSIDER_HWM)
        self._tap.connect(TAP)

    def renew(self) -> None:
        """Disconnect all network peers because keys have changed. Callable from any thread."""
        self._renewal.set()

    def run(self) -> None:
        """Work until the context is destroyed."""
        try:
            while True:
                self._work()
                if self._network is not None and self._renewal.is_set():
                    self._renewal.clear()
                    self._renew_ends(self._network)
        except zmq.ContextTerminated:
            for ends in self._ends:
                ends.close()
            self._tap.close(linger=0)

    def _work(self) -> None:
        """Forward what arrives, until the sockets have to be renewed."""
        arrivals, room = zmq.Poller(), zmq.Poller()
        inputs = {ends.input: ends for ends in self._ends}
        for ends in self._ends:
            arrivals.register(ends.input, zmq.POLLIN)
            room.register(ends.output, zmq.POLLOUT)
        patience_ms = None if self._network is None else LOOK_MS
        while not self._renewal.is_set():
            with TRACE.span("poll"):
                arrived = arrivals.poll(patience_ms)
            for ready, _ in arrived:
                with TRACE.span("pass on") as span, self._refusals.surviving("a face crop"):
                    parts = inputs[ready].receive()
                    if not parts:
                        span.drop()
                        continue
                    if TRACE.on:
                        span.describe(*describe(parts))
                    if self._has_crop_subscribers.is_set():  # before their result is published
                        with contextlib.suppress(zmq.Again):  # tools never block the pipeline
                            self._tap.send_multipart(parts, zmq.DONTWAIT)
                    self._pass_on(parts, room, patience_ms)

    def _pass_on(self, parts: Parts, room: zmq.Poller, patience_ms: int | None) -> None:
        """Send to a classifier once one has room; local and network classifiers take turns."""
        while not self._renewal.is_set():
            with TRACE.span("wait for room"):
                with_room = dict(room.poll(patience_ms))
            for ends in list(self._ends):
                if ends.output in with_room:
                    with contextlib.suppress(zmq.Again):
                        ends.output.send_multipart(parts, zmq.DONTWAIT)
                        self._ends.remove(ends)
                        self._ends.append(ends)
                        return

    def _renew_ends(self, network: HubEndpoints) -> None:
        if self._by_network is not None:
            self._ends.remove(self._by_network)
            self._by_network.close()
        deadline = monotonic() + REBIND_S
        while True:
            try:
                self._by_network = QueueEnds(self._context, network, self._refusals, self._guard)
            except AffectlineError as error:
                if monotonic() < deadline:  # the port is not free yet
                    threading.Event().wait(RETRY_S)
                    continue
                LOG.warning("classifiers cannot connect any more: %s", error)
                self._by_network = None
                return
            self._ends.append(self._by_network)
            return
