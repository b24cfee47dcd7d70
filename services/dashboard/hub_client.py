"""One hub, listened to, and the audience of what is heard there."""

import asyncio
import json
import threading
from contextlib import suppress
from typing import Any, Final

from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.pipeline import HubSettings
from affectline.common.wire.control import Control, Seek
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamStart
from affectline.services.dashboard.curves import Curves
from affectline.services.dashboard.status import StatusTracker
from affectline.services.web.broadcaster import Broadcaster
from affectline.services.web.frame_pairs import FrameMatcher, FrameResult

PREFIXES: Final = (
    "frame/", "emotion/", "stream/", "bio/", "state/", "marker/", "health/", "control/replay",
)  # fmt: skip
PULSE_S: Final = 0.25
"""How often curves are brought up to date."""
STANDING_PULSES: Final = 4


class HubListener(threading.Thread):
    """Listens at a hub's outlet, which always drops for the slow: nobody ever waits for us.

    Args:
        hub: Where.
        loop: The server's event loop.
        audience: Gets the pictures.
        is_replay: It is a recording that is heard there.
    """

    def __init__(
        self,
        hub: HubSettings,
        loop: asyncio.AbstractEventLoop,
        audience: Broadcaster,
        *,
        is_replay: bool,
    ) -> None:
        super().__init__(name="ear", daemon=True)
        self._hub, self._loop, self._audience = hub, loop, audience
        self._waker = WakeupPipe()
        self._lock = threading.Lock()
        self._pairing, self._curves = FrameMatcher(), Curves()
        self._standing = StatusTracker(is_replay=is_replay)
        self.heard = 0
        """Messages so far."""
        self.position_ns = 0
        """Time of the newest picture."""
        self._is_sought = False
        """A replay was told to continue elsewhere, and has not done so yet."""

    def run(self) -> None:
        listener = OutletSubscriber(self._hub, PREFIXES)
        try:
            while not self._waker.stopping:
                listener.wait([self._waker.receiver])
                with self._lock:
                    pairs = [p for packet in listener.receive() if (p := self._take(packet))]
                if pairs:
                    with suppress(RuntimeError):  # the loop is closed: the server is stopping
                        self._loop.call_soon_threadsafe(self._show, pairs)
        finally:
            listener.close()

    def stop(self) -> None:
        """Stop listening, and wait for it."""
        self._waker.stopping = True
        self._waker.wake()
        if self.is_alive():
            self.join(timeout=2)
        self._waker.close()

    def fresh(self) -> dict[str, Any] | None:
        """What the curves have got since the last call."""
        with self._lock:
            return self._curves.fresh()

    def history(self) -> dict[str, Any]:
        """What they had before."""
        with self._lock:
            return self._curves.history()

    def standing(self) -> dict[str, Any]:
        """How everything is."""
        with self._lock:
            return self._standing.tell()

    def clear(self) -> None:
        """Forget what was shown: another time begins."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self.position_ns = 0
        self._pairing.clear()
        self._curves.clear()
        self._standing.clear()

    def _take(self, packet: Packet) -> FrameResult | None:
        message = packet.message
        self.heard += 1
        if isinstance(message, Control):
            self._is_sought = self._is_sought or isinstance(message.action, Seek)
            return None
        if isinstance(message, StreamStart) and self._is_sought:
            # What comes from here on is of the new position
            self._is_sought = False
            self._clear()
            self._loop.call_soon_threadsafe(self._audience.forget)
        self._standing.take(message)
        if isinstance(message, Frame):
            self._pairing.keep(packet)
            return None
        self._curves.take(message)
        if isinstance(message, Emotion):
            self.position_ns = message.captured_at
            return self._pairing.match(message)
        return None

    def _show(self, pairs: list[FrameResult]) -> None:
        for pair in {pair.stream: pair for pair in pairs}.values():
            self._audience.show(pair)


class HubClient:
    """A hub's ear and its audience, with the pulse that tells the news."""

    def __init__(self, hub: HubSettings, *, is_replay: bool = False) -> None:
        self.audience = Broadcaster()
        self.ear = HubListener(hub, asyncio.get_running_loop(), self.audience, is_replay=is_replay)
        self.ear.start()
        self._pulse = asyncio.create_task(self._beat())

    def history(self) -> list[str]:
        """What a page has to know that has just come."""
        return [json.dumps(news) for news in (self.ear.history(), self.ear.standing())]

    def clear(self) -> None:
        """Another time begins."""
        self.ear.clear()
        self.audience.forget()

    async def close(self) -> None:
        """Stop listening, and send everybody away."""
        self._pulse.cancel()
        self.audience.close()
        await asyncio.to_thread(self.ear.stop)

    async def _beat(self) -> None:
        beats = 0
        while True:
            await asyncio.sleep(PULSE_S)
            beats += 1
            news = self.ear.fresh()
            if news:
                self.audience.tell(news)
            if beats % STANDING_PULSES == 0 and self.audience.viewers:
                self.audience.tell(self.ear.standing())
