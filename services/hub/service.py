"""The hub: the only process that binds ZeroMQ sockets. It forwards messages to their subscribers.

The bus, the work queue and the metrics server each run in their own thread, so that one that blocks
never blocks another. The metrics come from the health messages on the bus.

Peers connect in two ways: the user's own processes on this machine by Unix sockets, all others by
TCP, with fewer permissions (`affectline.services.hub.access`).

People and tools publish a marker and disconnect, so they cannot publish it again. The hub therefore
keeps recent markers until the sink and the recorders have them on disk.
"""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

import zmq

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError, InvalidMessage
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.clock_sync import ClockServer
from affectline.common.runtime.endpoints import INSECURE, LocalSockets, tcp_endpoints
from affectline.common.runtime.keeping import Outbox
from affectline.common.runtime.keys import KeyStore, fingerprint
from affectline.common.runtime.service import HEALTH_S
from affectline.common.runtime.sockets import address_to
from affectline.common.runtime.supervision import EXIT_GIVEN_UP, SupervisorLink
from affectline.common.runtime.tracing import TRACE, TraceSpan
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.wire import codec
from affectline.common.wire.health import Health, make_health
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import Marker, Packet
from affectline.services.hub.access import AccessControl
from affectline.services.hub.authenticator import Authenticator
from affectline.services.hub.bus import Bus, Parts, describe
from affectline.services.hub.prometheus import HealthMetrics
from affectline.services.hub.refusals import Refusals
from affectline.services.hub.spec import HubProcess
from affectline.services.hub.work_queue import Guard, WorkQueue

LOG: Final = ServiceLogger("hub")
TURN_S: Final = 0.05
"""How long the hub forwards messages from one source before it turns to the next."""
OWN_TOPICS: Final = tuple(f"{kind.topic_prefix}/".encode() for kind in (Health, Marker, Kept))


class Hub:
    """The process: a loop around the bus, with the work queue in a separate thread.

    Args:
        process: The hub's own settings: for which consumers it keeps markers.
        settings: The addresses to bind.
        delivery: Whether consumers exert back-pressure.
        sockets: A shared ZeroMQ context (tests): the hub then serves no metrics, and the work queue
            ends with the context.
    """

    def __init__(
        self,
        process: HubProcess,
        settings: HubSettings,
        delivery: Delivery,
        sockets: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        self._is_shared = sockets is not None
        self.sockets: zmq.Context[zmq.Socket[bytes]] = sockets or zmq.Context()
        self.link = SupervisorLink()
        self.wakeup = WakeupPipe()
        self.metrics = HealthMetrics()
        self.pending: deque[Parts] = deque()
        """Messages that the consumers have no room for yet."""
        self.markers = Outbox("hub", process.keepers, markers_only=True)
        self._next_health = 0.0
        self._process, self._settings, self._delivery = process, settings, delivery
        self._local: LocalSockets | None = None
        self.authenticator: Authenticator | None = None
        self._insecurity = ""

    def run(self) -> int:
        """Forward until asked to stop; return the exit code."""
        with self.wakeup:
            try:
                self._work = work = self._bind()
                if not self._is_shared:
                    self.metrics.serve(self._settings.host, self._settings.metrics_port)
            except AffectlineError as error:
                self.sockets.destroy(linger=0)
                if not self.link.report_fatal(str(error)):
                    raise
                return EXIT_GIVEN_UP
            work.start()
            self.link.report_ready()
            try:
                self._loop()
            finally:
                self.metrics.close()
                self.bus.close()
                if not self._is_shared:
                    self.sockets.term()
                    work.join()
                if self._local:
                    self._local.close()
                self.link.close()
        return 0

    def _bind(self) -> WorkQueue:
        """Bind all sockets; return the work queue, which the caller starts."""
        settings, network = self._settings, tcp_endpoints(self._settings)
        if network.is_local:  # within this process
            local, outside = network, None
        else:
            self._local = LocalSockets(settings)
            local, outside = self._local.endpoints, network
        refusals = Refusals(Counter())
        access = AccessControl(settings.network_access)
        if outside and settings.network_access == "keys":
            keys = Authenticator(self.sockets, self._hub_keys(), refusals)
            self.authenticator = keys
            access = AccessControl(settings.network_access, lambda: keys.holders)
        elif outside and settings.network_access == "everything":
            self._insecurity = INSECURE % settings.ingress
            LOG.warning("%s", self._insecurity)
        self.bus = Bus(
            self.sockets,
            local,
            outside,
            access,
            refusals,
            self._delivery,
            self.authenticator,
            (*self._process.consumers, *settings.wait_for),
        )
        crops = self.bus.has_crop_subscribers
        by_network = outside if access.is_open_to_pipeline else None
        guard = Guard(access, refusals, self.authenticator)
        return WorkQueue(self.sockets, local, by_network, crops, refusals, guard)

    def _hub_keys(self) -> KeyStore:
        """The hub's folder of keys.

        Raises:
            AffectlineError: The folder has no keys.
        """
        store, address = KeyStore(), f"{self._settings.host}:{self._settings.port}"
        if store.hub_pair() is None:
            raise AffectlineError(
                f"--bind {address}: others on the network could see and control everything, and "
                f"the hub has no keys in {store.folder}",
                "make them with: affectline keys new NAME --role pipeline (for another machine of "
                "the pipeline) or affectline keys new NAME --role listener (for a tool); "
                "--insecure runs without keys",
            )
        return store

    def _loop(self) -> None:
        bus, poller = self.bus, zmq.Poller()
        clock = ClockServer(bus.clock, heard=bus.on_question) if bus.clock else None
        for socket in (*bus.sockets, self.wakeup.receiver):
            poller.register(socket, zmq.POLLIN)
        for one in bus.connections:
            poller.register(one.descriptor, zmq.POLLIN)
        if self.link.socket:
            poller.register(self.link.socket, zmq.POLLIN)
        surviving = bus.refusals.surviving
        while not self.wakeup.stopping:
            pause = (
                0 if self.pending else max(0, int((self.link.next_beat - monotonic()) * 1000) + 1)
            )
            with TRACE.span("poll"):
                ready = dict(poller.poll(min(pause, round(1000 * HEALTH_S))))
            with surviving("connections"):
                bus.watch_connections(ready)
            with surviving("subscriptions of consumers"):
                if came := bus.forward_subscriptions(ready):
                    self._resend(self.markers.on_ready(came, monotonic()))
                self._resend(self.markers.overdue(bus.ready, monotonic()))
            with surviving("subscriptions of tools"):
                bus.update_outsiders(ready)
            if self.authenticator:
                with surviving("keys"):
                    self._authenticate(self.authenticator)
            if clock and bus.clock in ready:
                with surviving("a request for the time"):
                    clock.answer(bus.counters)
            for source in bus.sources:
                if self.pending or source in ready:
                    self._forward_some(source)
            self._beat()

    def _detail(self) -> str:
        """The detail of its health message: the fingerprint of its key, or that it has none."""
        if self.authenticator is None:
            return self._insecurity
        return f"key {fingerprint(self.authenticator.pair.public_key)}"

    def _authenticate(self, authenticator: Authenticator) -> None:
        """Answer handshakes, and apply changes to the keys."""
        authenticator.answer()
        change = authenticator.update()
        if change.revoked:
            self.bus.disconnect(sorted(change.revoked))
        if change.revoked or change.has_new_hub_pair:
            self._work.renew()

    def _forward_some(self, source: zmq.Socket[bytes]) -> None:
        until = monotonic() + TURN_S
        for _ in range(64):
            if monotonic() > until:
                return  # long messages take long to check, and other sources wait
            may_continue = False
            with TRACE.span("forward") as span, self.bus.refusals.surviving("a message"):
                may_continue = self._forward_or_drop(source, span)
            if not may_continue:
                return

    def _forward_or_drop(self, source: zmq.Socket[bytes], span: TraceSpan) -> bool:
        """`_forward_one`; a message that fails is not tried again."""
        try:
            return self._forward_one(source, span)
        except Exception:
            self.bus.give_up()
            if self.pending:
                self.pending.popleft()
            raise

    def _forward_one(self, source: zmq.Socket[bytes], span: TraceSpan) -> bool:
        """Forward one message; False if there is none, or consumers have no room for it."""
        if not self.pending:
            parts = self.bus.forward_message(source)
            if not parts:
                span.drop()
                return parts is not None
            self._read(parts)
            self.pending.append(parts)
        if TRACE.on:
            span.describe(*describe(self.pending[0]))
        if not self.bus.deliver(self.pending[0]) and self.bus.lossless:
            return False  # a consumer's queue is full, so everybody waits
        self.pending.popleft()
        return True

    def _read(self, parts: Parts) -> None:
        """Handle messages that concern the hub itself."""
        if not parts[0].startswith(OWN_TOPICS):
            return
        try:
            packet = codec.decode(parts)
        except InvalidMessage:
            self.bus.counters["invalid"] += 1
            return
        match packet.message:
            case Health() as health:
                self.bus.counters["services_refused"] += not self.metrics.update(health)
            case Marker():
                self.markers.add(packet, monotonic())
            case Kept() as receipt:
                self.markers.on_kept(receipt)
                self.bus.tell_sensors(receipt)

    def _resend(self, missed: Iterable[tuple[str, Packet]]) -> None:
        """Send markers to consumers that may have missed them."""
        for service, packet in list(missed):
            self.bus.counters["sent_again"] += 1
            parts = [address_to(service), *(bytes(part) for part in codec.encode(packet))]
            self.pending.append(parts)

    def _beat(self) -> None:
        if not self.link.keep_alive():
            self.wakeup.stopping = True
        now = monotonic()
        if now >= self._next_health:
            self._next_health = now + HEALTH_S
            self.bus.counters["metrics_refused"] = self.metrics.refused_connections
            health = make_health("hub", "ready", self._detail(), self.bus.counters, at=now_ns())

            self.metrics.update(health)
            parts = [bytes(part) for part in codec.encode(Packet(health))]
            self.bus.publish(parts)
