"""Runs a `Stage` as a process: sockets, signals, heartbeats, health and the supervisor's link."""

import gc
import select
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import zmq

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.runtime.allowance import Pace
from affectline.common.runtime.clock_sync import ClockSync
from affectline.common.runtime.endpoints import INSECURE, reach
from affectline.common.runtime.hub_delivery import MissedHub
from affectline.common.runtime.keeping import Outbox
from affectline.common.runtime.sockets import Publisher, Receiver, WorkQueueClient
from affectline.common.runtime.stage import Stage, StageContext
from affectline.common.runtime.supervision import EXIT_GIVEN_UP, SupervisorLink
from affectline.common.runtime.tracing import TRACE
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.health import ENDED, Health, make_health
from affectline.common.wire.kept import Kept
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import (
    TO_SENSORS,
    FrameMessage,
    Marker,
    Packet,
    StreamMessage,
)
from affectline.common.wire.screening import MessageScreen

HEALTH_S: Final = 1.0
CLOCK_SYNC_S: Final = 1.0
"""Seconds that a starting process on another host waits to synchronize with the hub's clock."""
LAST_S: Final = 0.5
"""Seconds that a stopping consumer goes on storing messages; more may keep arriving."""
LAST_POLL_MS: Final = 20
UNKEPT_S: Final = 15.0
"""Seconds that a finished process waits for consumers to have everything on disk: longer than it
takes to detect a hung consumer and restart it."""

YEAR_9999: Final = 253_370_764_800_000_000_000
"""Its start in ns since the Unix epoch: dates are printed with four-digit years."""


class ServiceRunner:
    """A stage and its sockets, run as a process or, in tests, as a thread.

    Args:
        stage: The stage to run.
        name: Its name on the bus.
        hub: The hub to connect to.
        delivery: Whether messages may be dropped.
        sockets: ZeroMQ context to use, which stays open; None: create and close one.
        keepers: The run's consumers that send receipts.
    """

    def __init__(
        self,
        stage: Stage,
        name: str,
        hub: HubSettings,
        delivery: Delivery,
        sockets: zmq.Context[zmq.Socket[bytes]] | None = None,
        keepers: Iterable[str] = (),
    ) -> None:
        self.stage = stage
        self.wakeup = WakeupPipe()
        self._is_lossless = delivery == "lossless"
        is_missed = stage.is_missed if self._is_lossless else Marker in stage.outputs
        others = [keeper for keeper in keepers if keeper != name]
        outbox = Outbox(name, others, markers_only=not self._is_lossless) if is_missed else None
        self.context = StageContext(name, delivery, wake=self.wakeup.wake, outbox=outbox)
        stage.context = self.context
        self.link = SupervisorLink()
        self.context.keep_alive = self.link.keep_alive
        self._hub = hub
        self.work_queue: WorkQueueClient | None = None
        self._is_shared = sockets is not None
        self._sockets: zmq.Context[zmq.Socket[bytes]] = sockets or zmq.Context()
        self._poller = zmq.Poller()
        self._next_health = self._next_tick = 0.0
        self._done_since: float | None = None
        self._losses = 0
        """How often the hub was lost so far."""
        self._returned: set[str] = set()
        """Consumers that have appeared, and were not sent yet what they lack."""

    def run(self) -> int:
        """Run until the stage is done or is asked to stop; return the exit code."""
        with self.wakeup:
            try:
                if failure := self._work():
                    return self._report_fatal(failure)
                self.publisher.send(Packet(self._health(ENDED)), wait=False)
                return 0
            finally:
                self._disconnect()
                self.link.close()

    def _work(self) -> AffectlineError | None:
        """Set up, run and clean up the stage; return what failed first."""
        failure: AffectlineError | None = None
        try:
            self.link.beat()
            self._set_up()
            self._connect()
            self._missed_hub = MissedHub(self._hub, self.context.log)
            message_kinds()  # imports all messages: the first one is not to wait for that
            gc.freeze()  # objects made by the set-up stay: never collect them
            self.link.report_ready()
            self.context.log.info("ready")
            self._loop()
            self.context.log.info("stopping")
            self._receive_last()
            self._send_all(self.stage.stop())
            self._send_receipts(ended=True)
        except AffectlineError as error:
            failure = error
        finally:
            try:
                self.stage.cleanup()
            except AffectlineError as error:  # such as a film that cannot be completed
                failure = failure or error
        return failure

    def _set_up(self) -> None:
        try:
            self.stage.setup()
        except OSError as error:
            raise AffectlineError(str(error), "check the path and its permissions") from error

    def _report_fatal(self, error: AffectlineError) -> int:
        if not self.link.report_fatal(str(error)):
            raise error
        return EXIT_GIVEN_UP

    def _connect(self) -> None:
        self.clock_sync = ClockSync(self._sockets, self._hub)
        self.clock_sync.synchronize(CLOCK_SYNC_S)
        self.context.now = self.clock_sync.now
        hub = reach(self._hub)
        self._screen = MessageScreen(self.clock_sync.now)
        pace = Pace() if hub.is_for_a_sensor else None
        self.publisher = Publisher(self._sockets, hub.ingress, pace)
        self.context.ready = self.publisher.ready
        if hub.is_open_to_everybody:
            self.context.log.warning(INSECURE, self._hub.ingress)
        self.receivers: list[Receiver] = []
        counters, now = self.context.counters, self.clock_sync.now
        if self.stage.uses_work_queue:
            work = Receiver(self._sockets, hub.work_out, counters, prefixes=None, now=now)
            self.receivers.append(work)
        if "work_queue" in self.stage.outputs.values():
            self.work_queue = WorkQueueClient(self._sockets, hub.work_in)
        if hub.is_for_a_sensor:  # the bus is closed to sensors
            if self.context.outbox is not None:
                receipts = Receiver(
                    self._sockets, hub.outlet, counters, prefixes=[TO_SENSORS], now=now
                )
                self.receivers.append(receipts)
            self._register()
            return
        # Every process subscribes to the bus, if only to announce itself.
        topics = set(self.stage.subscriptions)
        if self.context.outbox is not None:
            topics.add(f"{Kept.topic_prefix}/")
        bus = Receiver(self._sockets, hub.bus, counters, prefixes=sorted(topics), now=now)
        if self.context.keeper is not None:
            bus.attach_keeper(self.context.service, self.context.keeper)
        bus.announce(self.context.service)
        self.receivers.append(bus)
        self._register()

    def _register(self) -> None:
        """Register the sockets that the loop waits for."""
        self._poller.register(self.wakeup.receiver, zmq.POLLIN)
        self._poller.register(self.publisher.socket, zmq.POLLIN)
        for socket in (self.link.socket, self.clock_sync.socket):
            if socket:
                self._poller.register(socket, zmq.POLLIN)
        for receiver in self.receivers:
            self._poller.register(receiver.socket, zmq.POLLIN)

    def _disconnect(self) -> None:
        if not self._is_shared:
            self._sockets.destroy()
        elif hasattr(self, "receivers"):
            sockets = [self.publisher.socket, *(one.socket for one in self.receivers)]
            for socket in (*sockets, *([self.work_queue.socket] if self.work_queue else [])):
                socket.close()

    def _loop(self) -> None:
        while not (self.wakeup.stopping or self._is_done()):
            pause_s = min(self._next_tick, self.link.next_beat) - monotonic()
            with TRACE.span("poll"):
                ready = dict(self._poller.poll(max(0, int(pause_s * 1000) + 1)))
            if self.wakeup.receiver.fileno() in ready:
                self.wakeup.drain()
            if self.publisher.socket in ready:
                self._update_consumers()
            has_gathered = self.stage.gather_ms > 0 and self._gather(ready)
            for receiver in self.receivers:
                if receiver.socket in ready or has_gathered:
                    self._handle_waiting(receiver)
            self.publisher.check_hub()
            if not (self.link.socket or self._is_shared):
                self._missed_hub.update(connected=self.publisher.connected)
            self.clock_sync.probe()
            with TRACE.span("tick"):
                self._send_all(self.stage.tick())
                self._send_receipts()
                self._send_overdue()
            self._next_tick = monotonic() + self.stage.tick_ms / 1000
            self._beat()

    def _gather(self, ready: Mapping[Any, int]) -> bool:
        """Wait a little for further messages, unless many are waiting; return whether it did."""
        receivers = self.receivers
        is_woken = self.wakeup.receiver.fileno() in ready  # for something that shall not wait
        if is_woken or not any(one.socket in ready for one in receivers):
            return False
        if any(one.has_more for one in receivers):
            return False
        with TRACE.span("wait"):  # a signal or a wake-up ends it
            select.select([self.wakeup.receiver], [], [], self.stage.gather_ms / 1000)
        return True

    def _is_done(self) -> bool:
        """Whether the work is done and everything published is on the consumers' disks."""
        if not self.stage.done:
            self._done_since = None
            return False
        if self.context.outbox is None or not self.context.outbox.may_be_emptied(monotonic()):
            return True
        self._done_since = self._done_since or monotonic()
        return monotonic() - self._done_since > UNKEPT_S

    def _update_consumers(self) -> None:
        was_connected = self.publisher.connected
        services = self.publisher.update_consumers()
        if self.publisher.losses > self._losses:
            self._losses = self.publisher.losses
            self.stage.on_hub_lost()
        if self.publisher.connected and not was_connected:
            # The first message is short, and identifies this process to a hub with keys
            self.publisher.send(Packet(self._health()), wait=False)
        if services:
            self._returned |= services
            self._send_to_returned()
            self._send_all(self.stage.on_consumers_ready(services))

    def _send_to_returned(self) -> None:
        if self._returned and self.stage.may_send_again:
            returned, self._returned = self._returned, set()
            if self.context.outbox:
                self._send_again(self.context.outbox.on_ready(returned, monotonic()))

    def _send_overdue(self) -> None:
        self._send_to_returned()
        if self.context.outbox and self.stage.may_send_again:
            self._send_again(self.context.outbox.overdue(self.publisher.ready, monotonic()))
            self.context.counters["given_up"] = self.context.outbox.given_up

    def _send_again(self, missed: Iterable[tuple[str, Packet]]) -> None:
        """Send messages again, only to the consumers that may have missed them."""
        for service, packet in list(missed):
            self.context.counters["sent_again"] += 1
            self._send(packet, to=service)

    def _send_receipts(self, *, ended: bool = False) -> None:
        if self.context.keeper:
            for receipt in self.context.keeper.receipts(monotonic(), ended=ended):
                self._send(receipt)

    def _handle_waiting(self, receiver: Receiver) -> None:
        packets: Iterable[Packet] = receiver.receive()
        if self.stage.stream is not None:
            packets = [p for p in packets if self._is_about_its_stream(p.message)]
        if not self._is_lossless:
            packets = self._pass_over_superseded(packets)
        for packet in packets:
            if self.context.outbox and isinstance(packet.message, Kept):
                self.context.outbox.on_kept(packet.message)
            with TRACE.span("handle", packet.message, type(packet.message).__name__):
                self._send_all(self.stage.handle(packet))
            if self.stage.measures_latency and isinstance(packet.message, FrameMessage):
                self.context.record_latency(packet.message.received_at)
            self._beat()
            if self.wakeup.stopping or self.stage.done:
                return

    def _receive_last(self) -> None:
        """Handle messages that arrived before the request to stop, if a `Keeper` stores them."""
        if self.context.keeper is None or self.stage.done:
            return
        give_up_at = monotonic() + LAST_S
        for receiver in self.receivers:
            while monotonic() < give_up_at and receiver.socket.poll(LAST_POLL_MS):
                for packet in receiver.receive():
                    self._send_all(self.stage.handle(packet))

    def _is_about_its_stream(self, message: Message) -> bool:
        """Subscriptions are prefixes: they also match streams with longer names."""
        return not isinstance(message, StreamMessage) or message.stream == self.stage.stream

    def _pass_over_superseded(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        newest_only = tuple(one.kind for one in self.stage.inputs if one.newest_only)
        if not newest_only:
            yield from packets
            return
        waiting = list(packets)
        newest = {
            packet.message.topic: index
            for index, packet in enumerate(waiting)
            if isinstance(packet.message, newest_only)
        }
        work = []
        for index, packet in enumerate(waiting):
            message = packet.message
            if not isinstance(message, newest_only):
                yield packet
            elif index < newest[message.topic]:
                self._send_all(self.stage.on_superseded(packet))
            else:
                work.append(packet)
        yield from work  # takes longest: the results of earlier frames must not wait for it

    def _send_all(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            with TRACE.span("send", packet.message, type(packet.message).__name__):
                is_sent = self._send(packet)
            if is_sent:
                self.context.counters["out"] += 1
            else:
                self.context.counters["unsent"] += 1
                self._send_all(self.stage.on_send_failed(packet))

    def _send(self, packet: Packet, to: str | None = None) -> bool:
        """Send a message to all subscribers, or again to one consumer.

        With a heartbeat if one is due: a stage may publish many messages in one go.
        """
        self._require_possible(packet.message)
        self._beat()
        route = self.stage.outputs.get(type(packet.message), "bus")
        while True:
            if self.work_queue and route == "work_queue" and to is None:
                sent = self.work_queue.send(packet, wait=self._is_lossless)
            else:
                sent = self.publisher.send(packet, wait=self._is_lossless, to=to)
            # A marker that cannot be sent now is sent when its consumers are back
            is_kept = sent or isinstance(packet.message, Marker)
            if is_kept and to is None and self.context.outbox:
                self.context.outbox.add(packet, monotonic())
            if sent or not self._is_lossless or self.wakeup.stopping:
                return sent
            if self._beat():  # the supervisor is gone: nobody needs this any more
                return False
            self._update_consumers()

    def _require_possible(self, message: Message) -> None:
        """Refuse a message that all receivers would drop, so that the run does not wait forever.

        Raises:
            AffectlineError: The message is dated more than a day in the future.
        """
        latest = self._screen.latest
        if latest is not None and message.latest_moment > latest:
            date = time.strftime(
                "%Y-%m-%d", time.gmtime(min(message.latest_moment, YEAR_9999) / 1e9)
            )
            raise AffectlineError(
                f"{self.context.service}: a {type(message).__name__} dated {date}, more than a day "
                "in the future",
                "check this machine's clock and the start of the source",
            )

    def _beat(self) -> bool:
        """Send heartbeat and health when they are due; True when the process should stop."""
        if not self.link.keep_alive():
            self.wakeup.stopping = True
        now = monotonic()
        if now >= self._next_health:
            self._next_health = now + HEALTH_S
            with TRACE.span("health"):
                self.publisher.send(Packet(self._health()), wait=False)
        return self.wakeup.stopping

    def _health(self, detail: str = "") -> Health:
        context = self.context
        if self.clock_sync.nonsense:
            context.counters["clock_refused"] = self.clock_sync.nonsense
        return make_health(
            context.service,
            context.state,
            detail or context.detail,
            context.counters,
            context.latencies_ms,
            at=context.now(),
            clock=self.clock_sync.offset,
        )


def run_service(
    stage: Stage, name: str, hub: HubSettings, delivery: Delivery, keepers: Iterable[str] = ()
) -> int:
    """Run a stage as the process ``name``; return its exit code.

    Args:
        stage: The stage to run.
        name: Its name on the bus.
        hub: The hub to connect to.
        delivery: Whether messages may be dropped.
        keepers: The run's consumers that send receipts.

    Raises:
        AffectlineError: It failed permanently, and there is no supervisor to report to.
    """
    return ServiceRunner(stage, name, hub, delivery, keepers=keepers).run()
