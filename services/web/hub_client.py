"""Subscribes to one hub, and passes its messages to a broadcaster."""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from affectline.common.clock import now_ns
from affectline.common.runtime.run_watch import RunWatch
from affectline.common.runtime.session_clock import SessionClock
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.control import Control, Seek
from affectline.common.wire.messages import (
    Emotion,
    Frame,
    Packet,
    StreamEnd,
    StreamMessage,
    StreamStart,
)
from affectline.services.web.broadcaster import Broadcaster
from affectline.services.web.frame_pairs import FrameMatcher, FrameResult

PREFIXES: Final = (
    "frame/", "emotion/", "stream/", "bio/", "state/", "marker/", "health/", "control/replay",
    "watermark/", "kept/",
)  # fmt: skip
UPDATE_PERIOD_S: Final = 0.25
"""How often aggregators are asked for their updates."""


class Aggregator(Protocol):
    """Turns a hub's messages into updates for the pages' scripts.

    Its methods are called under the listener's lock.
    """

    def add(self, message: Message) -> None:
        """Process a message."""

    def clear(self) -> None:
        """Forget the current time line: another run follows, or another position of a replay."""

    def update(self) -> dict[str, Any] | None:
        """The update to send to pages now, as JSON with a ``kind``; None: nothing."""

    def history(self) -> dict[str, Any]:
        """The update for a page that has just connected."""


class HubListener(threading.Thread):
    """Subscribes to a hub's outlet, which drops messages for slow subscribers, so it delays nobody.

    Args:
        hub: Address of the hub.
        loop: The server's event loop.
        broadcaster: Receives the frames.
        aggregators: Receive every message, but not the frames' images.
        clock: Returns the hub's time, in ns since the Unix epoch.
        watch: Notices when another run begins.
    """

    def __init__(
        self,
        hub: HubSettings,
        loop: asyncio.AbstractEventLoop,
        broadcaster: Broadcaster,
        aggregators: Sequence[Aggregator],
        clock: Callable[[], int],
        watch: RunWatch,
    ) -> None:
        super().__init__(name="hub-listener", daemon=True)
        self._hub, self._loop, self._broadcaster = hub, loop, broadcaster
        self._aggregators = tuple(aggregators)
        self._wakeup = WakeupPipe()
        self._lock = threading.Lock()
        self._matcher = FrameMatcher()
        self.received = 0
        """Number of messages so far."""
        self.position_ns = 0
        """Event time of the newest result."""
        self._session_clock = SessionClock(clock)
        self._watch = watch
        self._is_seeking = False
        """A replay was told to seek, and has not done so yet."""
        self._epochs: dict[str, int] = {}
        """The last epoch of each stream: a replay starts new ones after a seek."""
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._listen()
        except BaseException as error:  # reported by the main thread
            self.failure = error

    def _listen(self) -> None:
        subscriber = OutletSubscriber(self._hub, PREFIXES)
        try:
            while not self._wakeup.stopping:
                subscriber.wait([self._wakeup.receiver])
                with self._lock:
                    results = [r for packet in subscriber.receive() if (r := self._handle(packet))]
                if results:
                    with suppress(RuntimeError):  # the loop is closed: the server is stopping
                        self._loop.call_soon_threadsafe(self._publish, results)
        finally:
            subscriber.close()

    def stop(self) -> None:
        """Stop listening, and wait for the thread."""
        self._wakeup.stopping = True
        self._wakeup.wake()
        if self.is_alive():
            self.join(timeout=2)
        self._wakeup.close()

    def updates(self) -> list[dict[str, Any]]:
        """The updates to send to all pages now."""
        with self._lock:
            return [found for one in self._aggregators if (found := one.update())]

    def history(self) -> list[dict[str, Any]]:
        """The updates for a page that has just connected."""
        with self._lock:
            return [one.history() for one in self._aggregators]

    def read_session_time(self, *, is_replay: bool) -> tuple[int, str]:
        """Event time of what is shown now, in ns since the Unix epoch and in words.

        Args:
            is_replay: A recording is being replayed on the hub; the message about it may have come
                before we listened.
        """
        with self._lock:
            self._session_clock.is_replay |= is_replay
            at = self._session_clock.now()
            return at, self._session_clock.describe(at)

    def clear(self) -> None:
        """Begin another time line."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        """Forget everything about a time line; the one place where that happens."""
        self.position_ns = 0
        self._is_seeking = False
        self._session_clock.clear()
        self._matcher.clear()
        for one in self._aggregators:
            one.clear()
        # At once: a paused replay publishes a single frame, which pages would forget if the reset
        # came after it
        updates = [found for one in self._aggregators if (found := one.update())]
        with suppress(RuntimeError):  # the loop is closed: the server is stopping
            self._loop.call_soon_threadsafe(self._begin_time_line, updates)

    def _begin_time_line(self, updates: list[dict[str, Any]]) -> None:
        self._broadcaster.clear()
        self._broadcaster.publish_update({"kind": "reset"})
        for update in updates:
            self._broadcaster.publish_update(update)

    def _handle(self, packet: Packet) -> FrameResult | None:
        message = packet.message
        self.received += 1
        if self._watch.observe(message):
            self._clear()
        if isinstance(message, Control):
            self._is_seeking = self._is_seeking or isinstance(message.action, Seek)
            return None
        if isinstance(message, StreamMessage):
            is_new = self._epochs.get(message.stream, message.epoch) != message.epoch
            self._epochs[message.stream] = message.epoch
            if self._is_seeking and (is_new or isinstance(message, StreamStart)):
                # Messages from here on belong to the new position
                self._clear()
        # Not Frame: only displayed frames count
        if isinstance(message, StreamStart | StreamEnd | Emotion):
            self._session_clock.observe(message)
        for one in self._aggregators:
            one.add(message)
        match message:
            case Frame():
                self._matcher.add_frame(packet)
            case Emotion() as result:
                self.position_ns = result.captured_at
                return self._matcher.match(result)
        return None

    def _publish(self, results: list[FrameResult]) -> None:
        for result in {result.stream: result for result in results}.values():
            self._broadcaster.publish_frame(result)


class HubClient:
    """A hub's listener and broadcaster, with the task that publishes updates.

    Args:
        hub: Address of the hub.
        aggregators: Make the updates that pages receive besides frames.
        clock: Returns the hub's time, in ns since the Unix epoch.
        watch: Notices when another run begins; None: one of its own.
    """

    def __init__(
        self,
        hub: HubSettings,
        aggregators: Sequence[Aggregator] = (),
        clock: Callable[[], int] = now_ns,
        watch: RunWatch | None = None,
    ) -> None:
        self.broadcaster = Broadcaster()
        loop = asyncio.get_running_loop()
        watch = watch or RunWatch(hub)
        self.listener = HubListener(hub, loop, self.broadcaster, aggregators, clock, watch)
        self.listener.start()
        self._failure: Exception | None = None
        self._publishing = asyncio.create_task(self._publish_updates())

    @property
    def failure(self) -> BaseException | None:
        """Why pages receive nothing any more, such as a panel's error; None: they do."""
        return self.listener.failure or self._failure

    def history(self) -> list[str]:
        """Messages for a page that has just connected."""
        return [json.dumps(update) for update in self.listener.history()]

    def clear(self) -> None:
        """Begin another time line."""
        self.listener.clear()

    async def close(self) -> None:
        """Stop listening, and disconnect all clients."""
        self._publishing.cancel()
        self.broadcaster.close()
        await asyncio.to_thread(self.listener.stop)

    async def _publish_updates(self) -> None:
        try:
            while True:
                await asyncio.sleep(UPDATE_PERIOD_S)
                for update in self.listener.updates():
                    self.broadcaster.publish_update(update)
        except Exception as error:  # reported by the main thread
            self._failure = error
