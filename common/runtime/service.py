"""What every process does besides its own work: sockets, signals, heartbeats, counters.

A service is a `Stage`: it gets packets and yields packets. `run_service` gives it a life.
"""

import gc
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

import zmq

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.clock_sync import ClockSync
from affectline.common.runtime.sockets import Publisher, Receiver, WorkQueueClient
from affectline.common.runtime.supervision import EXIT_GIVEN_UP, SupervisorLink
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.pipeline import Delivery, HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health, make_health
from affectline.common.wire.messages import (
    Faces,
    FrameMessage,
    Packet,
    StreamMessage,
)

HEALTH_S: Final = 1.0
HUB_TIME_S: Final = 1.0
"""How long a process on another host waits for the hub to say what time it is."""
LATENCIES_KEPT: Final = 500


@dataclass
class StageContext:
    """What a stage may know of the process that it lives in."""

    service: str
    delivery: Delivery = "lossless"
    now: Callable[[], int] = now_ns
    wake: Callable[[], None] = lambda: None
    """Have the stage's `Stage.tick` called soon; from any thread."""
    press: Callable[[str], None] = lambda _: None
    """Tell whoever started the process of a key that is for them."""
    ready: set[str] = field(default_factory=set)
    """Consumers that have announced themselves."""
    counters: Counter[str] = field(default_factory=Counter)
    state: Literal["ready", "degraded"] = "ready"
    detail: str = ""
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))

    def observe(self, captured_at: int) -> None:
        """Note how old a picture is now that this process has dealt with it."""
        self.latencies_ms.append(max(0, self.now() - captured_at) / 1e6)


class Stage:
    """A service's own work: packets in, packets out. It sees no socket, signal or log."""

    subscriptions: tuple[str, ...] = ()
    """Prefixes of the bus topics that it wants."""
    pulls_work: ClassVar[bool] = False
    """It takes `Faces` from the work queue."""
    has_crops_judged: ClassVar[bool] = True
    """Its `Faces` go to the classifiers; those of a replay were judged long ago."""
    newest_only: ClassVar[type[Message] | None] = None
    """In live delivery only a stream's newest of these is processed, others are `superseded`."""
    stream: str | None = None
    """The one stream that it is about: subscriptions are prefixes, and let others through too."""
    measured: ClassVar[type[FrameMessage] | None] = FrameMessage
    """Messages whose age after processing is this stage's latency."""
    tick_ms: int = 100
    context: StageContext

    def setup(self) -> None:
        """Open what the work needs; errors here are told to the user."""

    def process(self, packet: Packet) -> Iterable[Packet]:
        """Answer one packet."""
        return ()

    def superseded(self, packet: Packet) -> Iterable[Packet]:
        """A newer one had already arrived."""
        return ()

    def refused(self, packet: Packet) -> Iterable[Packet]:
        """The queue had no room for a packet of ours (live delivery only)."""
        return ()

    def newly_ready(self, services: set[str]) -> Iterable[Packet]:
        """Consumers have come, or come back."""
        return ()

    def tick(self) -> Iterable[Packet]:
        """Called every ``tick_ms`` at least, and after `StageContext.wake`."""
        return ()

    def stop(self) -> Iterable[Packet]:
        """Asked to stop: say what must still be said."""
        return ()

    def cleanup(self) -> None:
        """Close everything."""

    @property
    def done(self) -> bool:
        """Nothing is left to do; the process ends with exit code 0."""
        return False


class ServiceRunner:
    """A stage with its sockets."""

    def __init__(self, stage: Stage, name: str, hub: HubSettings, delivery: Delivery) -> None:
        self.stage = stage
        self.waker = WakeupPipe()
        self.context = StageContext(name, delivery, wake=self.waker.wake)
        stage.context = self.context
        self.link = SupervisorLink()
        self.context.press = self.link.press
        self._hub = hub
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._next_health = self._next_tick = 0.0
        self._lossless = delivery == "lossless"

    def run(self) -> int:
        """Work until the stage is done or somebody says stop; return the exit code."""
        with self.waker:
            try:
                self.link.beat()
                self._set_up()
                self._connect()
                gc.freeze()  # what the setting up has made stays: no need to look it over again
                self.link.ready()
                self._loop()
                self._emit(self.stage.stop())
            except AffectlineError as error:
                return self._give_up(error)
            finally:
                self.stage.cleanup()
                self._context.destroy(linger=500)
                self.link.close()
        return 0

    def _set_up(self) -> None:
        try:
            self.stage.setup()
        except OSError as error:
            raise AffectlineError(str(error), "check the path and its permissions") from error

    def _give_up(self, error: AffectlineError) -> int:
        if not self.link.give_up(str(error)):
            raise error
        return EXIT_GIVEN_UP

    def _connect(self) -> None:
        self.hub_time = ClockSync(self._context, self._hub)
        self.hub_time.settle(HUB_TIME_S)
        self.context.now = self.hub_time.now
        self.publisher = Publisher(self._context, self._hub.ingress)
        self.context.ready = self.publisher.ready
        self.inboxes: list[Receiver] = []
        counters = self.context.counters
        if self.stage.pulls_work:
            self.inboxes.append(
                Receiver(self._context, self._hub.work_out, counters, prefixes=None)
            )
        self.pusher = WorkQueueClient(self._context, self._hub.work_in)
        # Every process has a bus inbox, if only to announce itself.
        bus = Receiver(self._context, self._hub.bus, counters, prefixes=self.stage.subscriptions)
        bus.announce(self.context.service)
        self.inboxes.append(bus)
        self._poller.register(self.waker.receiver, zmq.POLLIN)
        self._poller.register(self.publisher.socket, zmq.POLLIN)
        for socket in (self.link.socket, self.hub_time.socket):
            if socket:
                self._poller.register(socket, zmq.POLLIN)
        for inbox in self.inboxes:
            self._poller.register(inbox.socket, zmq.POLLIN)

    def _loop(self) -> None:
        while not (self.waker.stopping or self.stage.done):
            pause = min(self._next_tick, self.link.next_beat) - monotonic()
            ready = dict(self._poller.poll(max(0, int(pause * 1000) + 1)))
            if self.waker.receiver.fileno() in ready:
                self.waker.drain()
            if self.publisher.socket in ready:
                self._listen()
            for inbox in self.inboxes:
                if inbox.socket in ready:
                    self._take(inbox)
            self.hub_time.probe()
            self._emit(self.stage.tick())
            self._next_tick = monotonic() + self.stage.tick_ms / 1000
            self._beat()

    def _listen(self) -> None:
        if news := self.publisher.listen():
            self._emit(self.stage.newly_ready(news))

    def _take(self, inbox: Receiver) -> None:
        packets: Iterable[Packet] = inbox.receive()
        if self.stage.stream is not None:
            packets = [p for p in packets if self._is_ours(p.message)]
        newest_only = self.stage.newest_only
        if newest_only is not None and not self._lossless:
            packets = self._only_newest(list(packets), newest_only)
        for packet in packets:
            self._emit(self.stage.process(packet))
            if self.stage.measured and isinstance(packet.message, self.stage.measured):
                self.context.observe(packet.message.captured_at)
            self._beat()
            if self.waker.stopping or self.stage.done:
                return

    def _is_ours(self, message: Message) -> bool:
        return not isinstance(message, StreamMessage) or message.stream == self.stage.stream

    def _only_newest(self, packets: list[Packet], kind: type[Message]) -> Iterator[Packet]:
        last = {p.message.topic: i for i, p in enumerate(packets) if isinstance(p.message, kind)}
        for i, packet in enumerate(packets):
            if i < last.get(packet.message.topic, -1) and isinstance(packet.message, kind):
                self._emit(self.stage.superseded(packet))
            else:
                yield packet

    def _emit(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            if self._send(packet):
                self.context.counters["out"] += 1
            else:
                self.context.counters["unsent"] += 1
                self._emit(self.stage.refused(packet))

    def _send(self, packet: Packet) -> bool:
        while True:
            if isinstance(packet.message, Faces) and self.stage.has_crops_judged:
                sent = self.pusher.send(packet, wait=self._lossless)
            else:
                sent = self.publisher.send(packet, wait=self._lossless)
            if sent or not self._lossless or self.waker.stopping:
                return sent
            if self._beat():  # the supervisor has gone: nobody waits for this any more
                return False
            self._listen()

    def _beat(self) -> bool:
        """Say that we are alive, when it is time; True when we should stop."""
        if not self.link.keep_alive():
            self.waker.stopping = True
        now = monotonic()
        if now >= self._next_health:
            self._next_health = now + HEALTH_S
            self.publisher.send(Packet(self._health()), wait=False)
        return self.waker.stopping

    def _health(self) -> Health:
        context = self.context
        return make_health(
            context.service,
            context.state,
            context.detail,
            context.counters,
            context.latencies_ms,
            at=context.now(),
            clock=self.hub_time.offset,
        )


def run_service(stage: Stage, name: str, hub: HubSettings, delivery: Delivery) -> int:
    """Give a stage a life as the process ``name``; return its exit code.

    Raises:
        AffectlineError: It gave up, and there is no supervisor to tell.
    """
    return ServiceRunner(stage, name, hub, delivery).run()
