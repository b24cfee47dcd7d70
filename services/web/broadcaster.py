"""Publishes to browsers: decides what each connected page is sent, and when.

A client has one slot per stream, in which the newest frame replaces the previous one. The next
frame is sent when the browser has acknowledged that the last one is on the screen. So a page that
stalls delays only its own frames, and a hidden page gets none.
"""

import asyncio
import contextlib
import json
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from affectline.services.web.frame_pairs import FrameResult

UPDATES_QUEUED: Final = 40
"""Maximum of queued updates, about ten seconds; then the page gets the history again."""
SENT_KEPT: Final = 2
"""Frames per stream that a page may have on its screen: the last one sent, or the one before."""
ACKNOWLEDGEMENT_MAX_CHARS: Final = 200
CLOSING: Final = '{"kind":"closing"}'
"""The last message of a server that shuts down regularly."""


class BroadcastFrame:
    """A frame on its way to several clients, serialised at most once."""

    def __init__(self, result: FrameResult) -> None:
        self.result = result
        self._message: bytes | None = None

    @property
    def message(self) -> bytes:
        """The serialised message."""
        if self._message is None:
            self._message = self.result.serialise()
        return self._message


class BroadcastClient:
    """One connected page. Lives in the server's event loop.

    Args:
        socket: Socket to the page.
        history: Returns messages for a page that has just connected, or has missed an update.
    """

    def __init__(self, socket: WebSocket, history: Callable[[], list[str]]) -> None:
        self.id = secrets.token_urlsafe(12)
        self._socket, self._history = socket, history
        self._slots: dict[str, BroadcastFrame] = {}
        self._unacknowledged: set[str] = set()
        self._updates: deque[str] = deque()
        self._has_work = asyncio.Event()
        self._is_closing = False
        self.sent: dict[str, deque[FrameResult]] = {}
        self.frames_sent = 0

    def offer_frame(self, frame: BroadcastFrame) -> None:
        """Put a new frame into its stream's slot, replacing one that was not sent yet."""
        stream = frame.result.stream
        self._slots[stream] = frame
        if stream not in self._unacknowledged:
            self._has_work.set()

    def queue_update(self, text: str) -> None:
        """Queue a message that must not be lost."""
        self._updates.append(text)
        if len(self._updates) > UPDATES_QUEUED:
            self._updates = deque(self._history())
        self._has_work.set()

    def clear(self) -> None:
        """Drop the frames that were not sent yet."""
        self._slots.clear()

    def close(self) -> None:
        """Stop sending, and close the socket."""
        self._is_closing = True
        self._has_work.set()

    def find_sent(self, stream: str, epoch: int, seq: int) -> FrameResult | None:
        """A frame that the page may have on its screen; None if it cannot have this one."""
        for result in self.sent.get(stream, ()):
            if (result.emotion.epoch, result.emotion.seq) == (epoch, seq):
                return result
        return None

    async def serve(self) -> None:
        """Send and receive until the page disconnects, or `close` is called."""
        await self._socket.accept()
        hello = {"kind": "hello", "viewer": self.id}
        self._updates.extendleft(reversed([json.dumps(hello), *self._history()]))
        self._has_work.set()
        tasks = {asyncio.create_task(self._send()), asyncio.create_task(self._receive())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if self._is_closing and self._socket.client_state == WebSocketState.CONNECTED:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the page has just gone
                await self._socket.send_text(CLOSING)
                await self._socket.close(1001)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
                raise result

    async def _send(self) -> None:
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            if self._is_closing:
                return
            while self._updates:
                await self._socket.send_text(self._updates.popleft())
            for stream in [name for name in self._slots if name not in self._unacknowledged]:
                frame = self._slots.pop(stream)
                self._unacknowledged.add(stream)
                self.sent.setdefault(stream, deque(maxlen=SENT_KEPT)).append(frame.result)
                self.frames_sent += 1
                await self._socket.send_bytes(frame.message)

    async def _receive(self) -> None:
        """Receive acknowledgements: the name of a stream whose frame is on the page's screen."""
        while True:
            try:
                text = await self._socket.receive_text()
            except KeyError:  # the client sent bytes, which our pages never do
                return
            stream = text[:ACKNOWLEDGEMENT_MAX_CHARS]
            self._unacknowledged.discard(stream)
            if stream in self._slots:
                self._has_work.set()


class Broadcaster:
    """All clients of one hub. Lives in the server's event loop."""

    def __init__(self) -> None:
        self.clients: dict[str, BroadcastClient] = {}
        self._last: dict[str, BroadcastFrame] = {}

    def publish_frame(self, result: FrameResult) -> None:
        """Offer a new frame to every client."""
        frame = BroadcastFrame(result)
        self._last[result.stream] = frame
        for client in self.clients.values():
            client.offer_frame(frame)

    def publish_update(self, update: dict[str, Any]) -> None:
        """Send an update to every client, serialised once."""
        if self.clients:
            text = json.dumps(update, separators=(",", ":"))
            for client in self.clients.values():
                client.queue_update(text)

    def clear(self) -> None:
        """Forget the last frames, because another time line follows."""
        self._last.clear()
        for client in self.clients.values():
            client.clear()

    def close(self) -> None:
        """Disconnect all clients."""
        for client in self.clients.values():
            client.close()

    async def serve(self, socket: WebSocket, history: Callable[[], list[str]]) -> None:
        """Serve a page until it disconnects."""
        client = BroadcastClient(socket, history)
        for frame in self._last.values():
            client.offer_frame(frame)
        self.clients[client.id] = client
        try:
            await client.serve()
        finally:
            del self.clients[client.id]
