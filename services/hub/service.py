"""The hub: the only process that binds. It forwards messages to their subscribers.

The bus, the work queue and the metrics server have a thread each, so that one that is blocked never
blocks another. The metrics are those of the health messages on the bus.
"""

import zmq

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError, InvalidMessage
from affectline.common.runtime.clock_sync import answer_probes
from affectline.common.runtime.service import HEALTH_S
from affectline.common.runtime.supervision import EXIT_GIVEN_UP, SupervisorLink
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.wire import codec
from affectline.common.wire.health import Health, make_health
from affectline.common.wire.messages import Packet
from affectline.services.hub.bus import Bus, Parts
from affectline.services.hub.prometheus import HealthMetrics
from affectline.services.hub.work_queue import WorkQueue


class Hub:
    """The process: a loop around the bus, with the work queue in a thread beside it.

    Args:
        settings: Where it binds.
        delivery: Whether consumers exert back-pressure.
        sockets: A ZeroMQ context that others use as well: then it serves no metrics, and the work
            queue ends with the context (tests).
    """

    def __init__(
        self,
        settings: HubSettings,
        delivery: Delivery,
        sockets: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        self._is_shared = sockets is not None
        self.sockets: zmq.Context[zmq.Socket[bytes]] = sockets or zmq.Context()
        self.link = SupervisorLink()
        self.wakeup = WakeupPipe()
        self.metrics = HealthMetrics()
        self.pending: Parts | None = None
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
            if bus.consumers in ready:
                bus.forward_subscriptions()
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
            parts = self.pending or self.bus.forward_message(source)
            if parts is None:
                return
            if not self.bus.deliver(parts):
                self.pending = parts  # lossless: a consumer is full, so all wait
                return
            self.pending = None
            if parts[0].startswith(b"health/"):
                self._update_metrics(parts)

    def _update_metrics(self, parts: Parts) -> None:
        try:
            packet = codec.decode(parts)
        except InvalidMessage:
            self.bus.counters["invalid"] += 1
        else:
            if isinstance(packet.message, Health):
                self.metrics.update(packet.message)

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
