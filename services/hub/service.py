"""The hub: the only process that binds. Whatever comes in goes out to all who asked for it.

Three roads, each a thread of its own so that one being blocked never blocks another:

* the bus, publishers to consumers: the pipeline's own (back-pressure in lossless delivery), and
  the outlet for everybody else, which always drops for the slow;
* the work queue, detectors to classifiers, with a copy for outside tools and a recorder;
* Prometheus' scrapes, answered from the health messages that pass by.
"""

import contextlib
import threading
from collections import Counter
from typing import Final

import zmq

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError, InvalidMessage
from affectline.common.runtime.clock_sync import answer_probes
from affectline.common.runtime.service import HEALTH_S
from affectline.common.runtime.sockets import SEND_WAIT_MS, bind, new_socket
from affectline.common.runtime.supervision import EXIT_GIVEN_UP, SupervisorLink
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.pipeline import Delivery, HubSettings
from affectline.common.wire import codec
from affectline.common.wire.health import Health, make_health
from affectline.common.wire.messages import READY, Packet
from affectline.services.hub.prometheus import HealthMetrics

Parts = list[bytes]

EVERYTHING: Final = b"\x01"
"""Subscription to all topics, as the XSUB socket sends it to publishers."""
CONSUMER_HWM: Final = 64
"""Messages waiting for one consumer of the pipeline. In lossless delivery a full queue holds
everything up; a frame of 640x360 takes about 40 kB."""
OUTSIDER_HWM: Final = 128
"""Messages waiting for one outside tool before it loses some."""
CROPS: Final = b"faces/"
TAP: Final = "inproc://outlet"


class Bus:
    """Publishers in, consumers and outsiders out."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], hub: HubSettings, delivery: Delivery
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.lossless = delivery == "lossless"
        self.ingress = new_socket(context, zmq.XSUB)
        self.consumers = new_socket(context, zmq.XPUB)
        self.consumers.setsockopt(zmq.SNDHWM, CONSUMER_HWM)
        self.consumers.setsockopt(zmq.SNDTIMEO, SEND_WAIT_MS)
        self.consumers.setsockopt(zmq.XPUB_NODROP, int(self.lossless))
        self.outlet = new_socket(context, zmq.XPUB)
        self.outlet.setsockopt(zmq.SNDHWM, OUTSIDER_HWM)
        self.crops_wanted = threading.Event()
        self._wanted: set[tuple[str, bytes]] = set()
        """By whom, and beginning of the topics."""
        self.tap = new_socket(context, zmq.PULL)
        self.tap.setsockopt(zmq.RCVHWM, OUTSIDER_HWM)
        bind(self.ingress, hub.ingress)
        bind(self.outlet, hub.outlet)
        bind(self.consumers, hub.bus)
        self.tap.bind(TAP)
        self.clock = new_socket(context, zmq.ROUTER)
        bind(self.clock, hub.clock)
        self.ingress.send(EVERYTHING)

    @property
    def sockets(self) -> tuple[zmq.Socket[bytes], ...]:
        """All that the loop waits for."""
        return self.ingress, self.consumers, self.outlet, self.tap, self.clock

    def forward_message(self, road: zmq.Socket[bytes]) -> Parts | None:
        """Take one message from a road to the outlet; return it for the consumers."""
        try:
            parts = road.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None
        self.counters["in"] += 1
        self.outlet.send_multipart(parts, zmq.DONTWAIT)
        return parts

    def deliver(self, parts: Parts) -> bool:
        """Give a message to the consumers; False where one of them has no room yet."""
        try:
            self.consumers.send_multipart(parts, 0 if self.lossless else zmq.DONTWAIT)
        except zmq.Again:
            return False
        self.counters["out"] += 1
        return True

    def forward_subscriptions(self) -> None:
        """Tell the sources which consumers are ready."""
        while True:
            try:
                note = self.consumers.recv(zmq.DONTWAIT)
            except zmq.Again:
                return
            if note[:1] in (b"\x00", b"\x01") and note[1:].startswith(READY.encode()):
                self.ingress.send(note)
            self._note("consumer", note)

    def note_outsiders(self) -> None:
        """Note what outside tools want."""
        while True:
            try:
                self._note("outsider", self.outlet.recv(zmq.DONTWAIT))
            except zmq.Again:
                return

    def _note(self, who: str, note: bytes) -> None:
        """Note whether anybody wants what goes through the work queue."""
        if note[:1] == b"\x01":
            self._wanted.add((who, note[1:]))
        elif note[:1] == b"\x00":
            self._wanted.discard((who, note[1:]))
        if any(CROPS.startswith(p) or p.startswith(CROPS) for _, p in self._wanted):
            self.crops_wanted.set()
        else:
            self.crops_wanted.clear()


class WorkQueue(threading.Thread):
    """Face crops from all detectors to whichever classifier has room."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        hub: HubSettings,
        crops_wanted: threading.Event,
    ) -> None:
        super().__init__(name="work-queue", daemon=True)
        self._crops_wanted = crops_wanted
        self.entrance = new_socket(context, zmq.PULL)
        self.exit = new_socket(context, zmq.PUSH)
        self.tap = new_socket(context, zmq.PUSH)
        self.tap.setsockopt(zmq.SNDHWM, OUTSIDER_HWM)
        bind(self.entrance, hub.work_in)
        bind(self.exit, hub.work_out)
        self.tap.connect(TAP)

    def run(self) -> None:
        """Work until the context is destroyed."""
        try:
            while True:
                parts = self.entrance.recv_multipart()
                if self._crops_wanted.is_set():  # before their answer, as everybody shall see them
                    with contextlib.suppress(zmq.Again):  # outsiders never hold the pipeline up
                        self.tap.send_multipart(parts, zmq.DONTWAIT)
                self.exit.send_multipart(parts)
        except zmq.ContextTerminated:
            for socket in (self.entrance, self.exit, self.tap):
                socket.close(linger=0)


class Hub:
    """The process: a loop around the bus, with the work queue beside it."""

    def __init__(self, settings: HubSettings, delivery: Delivery) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.link = SupervisorLink()
        self.waker = WakeupPipe()
        self.metrics = HealthMetrics()
        self.pending: Parts | None = None
        self._next_health = 0.0
        self._settings, self._delivery = settings, delivery

    def run(self) -> int:
        """Forward until told to stop; return the exit code."""
        with self.waker:
            try:
                self.bus = Bus(self.context, self._settings, self._delivery)
                work = WorkQueue(self.context, self._settings, self.bus.crops_wanted)
                self.metrics.serve(self._settings.host, self._settings.metrics_port)
            except AffectlineError as error:
                self.context.destroy(linger=0)
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
                self.context.term()
                work.join()
                self.link.close()
        return 0

    def _loop(self) -> None:
        bus, poller = self.bus, zmq.Poller()
        for socket in (*bus.sockets, self.waker.receiver):
            poller.register(socket, zmq.POLLIN)
        if self.link.socket:
            poller.register(self.link.socket, zmq.POLLIN)
        while not self.waker.stopping:
            pause = (
                0 if self.pending else max(0, int((self.link.next_beat - monotonic()) * 1000) + 1)
            )
            ready = dict(poller.poll(pause))
            if bus.consumers in ready:
                bus.forward_subscriptions()
            if bus.outlet in ready:
                bus.note_outsiders()
            if bus.clock in ready:
                answer_probes(bus.clock)
            if bus.tap in ready:
                self._forward_some(bus.tap)
            if self.pending or bus.ingress in ready:
                self._forward_some(bus.ingress)
            self._beat()

    def _forward_some(self, road: zmq.Socket[bytes]) -> None:
        for _ in range(64):
            parts = self.pending or self.bus.forward_message(road)
            if parts is None:
                return
            if not self.bus.deliver(parts):
                self.pending = parts  # lossless: a consumer is full, so everybody waits
                return
            self.pending = None
            if parts[0].startswith(b"health/"):
                self._note_health(parts)

    def _note_health(self, parts: Parts) -> None:
        try:
            packet = codec.decode(parts)
        except InvalidMessage:
            self.bus.counters["invalid"] += 1
        else:
            if isinstance(packet.message, Health):
                self.metrics.note(packet.message)

    def _beat(self) -> None:
        if not self.link.keep_alive():
            self.waker.stopping = True
        now = monotonic()
        if now >= self._next_health:
            self._next_health = now + HEALTH_S
            health = make_health("hub", "ready", "", self.bus.counters, at=now_ns())
            self.metrics.note(health)
            parts = [bytes(part) for part in codec.encode(Packet(health))]
            self.bus.outlet.send_multipart(parts, zmq.DONTWAIT)
