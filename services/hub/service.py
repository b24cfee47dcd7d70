"""The hub: the only process that binds. It forwards messages to their subscribers.

The bus, the work queue and the metrics server have a thread each, so that one that is blocked never
blocks another. The metrics are those of the health messages on the bus.

Markers come from people and tools that publish one and are gone, so nobody else could publish them
again: the hub keeps the recent ones until the sink and the recorders have them on their disks.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

import zmq

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError, InvalidMessage
from affectline.common.runtime.clock_sync import answer_probes
from affectline.common.runtime.keeping import Outbox
from affectline.common.runtime.service import HEALTH_S
from affectline.common.runtime.sockets import address_to
from affectline.common.runtime.supervision import EXIT_GIVEN_UP, SupervisorLink
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.wire import codec
from affectline.common.wire.health import Health, make_health
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import Marker, Packet
from affectline.services.hub.bus import Bus, Parts
from affectline.services.hub.prometheus import HealthMetrics
from affectline.services.hub.spec import HubProcess
from affectline.services.hub.work_queue import WorkQueue

OWN_TOPICS: Final = tuple(f"{kind.topic_prefix}/".encode() for kind in (Health, Marker, Kept))


class Hub:
    """The process: a loop around the bus, with the work queue in a thread beside it.

    Args:
        process: Whom it keeps markers for.
        settings: Where it binds.
        delivery: Whether consumers exert back-pressure.
        sockets: A ZeroMQ context that others use as well: then it serves no metrics, and the work
            queue ends with the context (tests).
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
        """What the consumers have no room for yet."""
        self.markers = Outbox("hub", process.keepers, markers_only=True)
        self._next_health = 0.0
        self._settings, self._delivery = settings, delivery

    def run(self) -> int:
        """Forward until asked to stop; return the exit code."""
        with self.wakeup:
            try:
                self.bus = Bus(self.sockets, self._settings, self._delivery)
                work = WorkQueue(self.sockets, self._settings, self.bus.has_crop_subscribers)
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
                for socket in self.bus.sockets:
                    socket.close(linger=200)
                if not self._is_shared:
                    self.sockets.term()
                    work.join()
                self.link.close()
        return 0

    def _loop(self) -> None:
        bus, poller = self.bus, zmq.Poller()
        for socket in (*bus.sockets, self.wakeup.receiver):
            poller.register(socket, zmq.POLLIN)
        if self.link.socket:
            poller.register(self.link.socket, zmq.POLLIN)
        while not self.wakeup.stopping:
            pause = (
                0 if self.pending else max(0, int((self.link.next_beat - monotonic()) * 1000) + 1)
            )
            ready = dict(poller.poll(pause))
            if bus.consumers in ready and (came := bus.forward_subscriptions()):
                self._hand_over(self.markers.on_ready(came, monotonic()))
            self._hand_over(self.markers.overdue(bus.ready, monotonic()))
            if bus.outlet in ready:
                bus.update_outsiders()
            if bus.clock in ready:
                answer_probes(bus.clock)
            if bus.tap in ready:
                self._forward_some(bus.tap)
            if self.pending or bus.ingress in ready:
                self._forward_some(bus.ingress)
            self._beat()

    def _forward_some(self, source: zmq.Socket[bytes]) -> None:
        for _ in range(64):
            if not self.pending:
                parts = self.bus.forward_message(source)
                if parts is None:
                    return
                self._read(parts)
                self.pending.append(parts)
            if not self.bus.deliver(self.pending[0]) and self.bus.lossless:
                return  # a consumer is full, so all wait
            self.pending.popleft()

    def _read(self, parts: Parts) -> None:
        """Take note of what concerns the hub itself."""
        if not parts[0].startswith(OWN_TOPICS):
            return
        try:
            packet = codec.decode(parts)
        except InvalidMessage:
            self.bus.counters["invalid"] += 1
            return
        match packet.message:
            case Health() as health:
                self.metrics.update(health)
            case Marker():
                self.markers.add(packet, monotonic())
            case Kept() as receipt:
                self.markers.on_kept(receipt)

    def _hand_over(self, missed: Iterable[tuple[str, Packet]]) -> None:
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
            health = make_health("hub", "ready", "", self.bus.counters, at=now_ns())
            self.metrics.update(health)
            parts = [bytes(part) for part in codec.encode(Packet(health))]
            self.bus.outlet.send_multipart(parts, zmq.DONTWAIT)
