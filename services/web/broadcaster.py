"""Those who look on: what each of them gets, and when.

A viewer has one slot for each stream, in which the newest picture replaces the one before it. The
next picture is sent when the browser has said that the last one is on the screen. A page that
stalls therefore costs nothing but its own picture, and a hidden one gets none.
"""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from affectline.services.web.frame_pairs import FrameResult

NEWS_KEPT: Final = 40
"""Messages that may wait for a page, some ten seconds of them; then it gets the history anew."""
SENT_KEPT: Final = 2
"""Pictures of a stream that a page may have on its screen: the last one sent, or the one before."""
LONGEST_WORD: Final = 200


class BroadcastFrame:
    """A picture on its way to several viewers, laid out at most once."""

    def __init__(self, pair: FrameResult) -> None:
        self.pair = pair
        self._message: bytes | None = None

    @property
    def message(self) -> bytes:
        """What is sent."""
        if self._message is None:
            self._message = self.pair.serialise()
        return self._message


class BroadcastClient:
    """One page, seen from here. Lives in the server's event loop.

    Args:
        socket: To the page.
        history: What a page has to know that has just come, or has missed something.
    """

    def __init__(self, socket: WebSocket, history: Callable[[], list[str]]) -> None:
        self.id = secrets.token_urlsafe(12)
        self._socket, self._history = socket, history
        self._slots: dict[str, BroadcastFrame] = {}
        self._under_way: set[str] = set()
        self._news: deque[str] = deque()
        self._has_work = asyncio.Event()
        self._closing = False
        self.sent: dict[str, deque[FrameResult]] = {}
        self.pictures = 0

    def offer(self, shown: BroadcastFrame) -> None:
        """A new picture; it takes the place of one that is not under way yet."""
        self._slots[shown.pair.stream] = shown
        if shown.pair.stream not in self._under_way:
            self._has_work.set()

    def tell(self, news: str) -> None:
        """Something that should not be missed."""
        self._news.append(news)
        if len(self._news) > NEWS_KEPT:
            self._news = deque(self._history())
        self._has_work.set()

    def close(self) -> None:
        """Send nothing more."""
        self._closing = True
        self._has_work.set()

    def find(self, stream: str, epoch: int, seq: int) -> FrameResult | None:
        """The picture that the page has on its screen."""
        for pair in self.sent.get(stream, ()):
            if (pair.emotion.epoch, pair.emotion.seq) == (epoch, seq):
                return pair
        return None

    async def serve(self) -> None:
        """Send and listen until the page is gone, or `close`."""
        await self._socket.accept()
        hello = {"kind": "hello", "viewer": self.id}
        self._news.extendleft(reversed([json.dumps(hello), *self._history()]))
        self._has_work.set()
        tasks = {asyncio.create_task(self._send()), asyncio.create_task(self._listen())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if self._closing and self._socket.client_state == WebSocketState.CONNECTED:
            await self._socket.close(1001)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
                raise result

    async def _send(self) -> None:
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            if self._closing:
                return
            while self._news:
                await self._socket.send_text(self._news.popleft())
            for stream in [name for name in self._slots if name not in self._under_way]:
                shown = self._slots.pop(stream)
                self._under_way.add(stream)
                self.sent.setdefault(stream, deque(maxlen=SENT_KEPT)).append(shown.pair)
                self.pictures += 1
                await self._socket.send_bytes(shown.message)

    async def _listen(self) -> None:
        """The only word of a page: that a stream's picture is on its screen."""
        while True:
            word = await self._socket.receive_text()
            stream = word[:LONGEST_WORD]
            self._under_way.discard(stream)
            if stream in self._slots:
                self._has_work.set()


class Broadcaster:
    """All viewers of one hub. Lives in the server's event loop."""

    def __init__(self) -> None:
        self.viewers: dict[str, BroadcastClient] = {}
        self._last: dict[str, BroadcastFrame] = {}

    def show(self, pair: FrameResult) -> None:
        """A new picture for everybody."""
        shown = BroadcastFrame(pair)
        self._last[pair.stream] = shown
        for viewer in self.viewers.values():
            viewer.offer(shown)

    def tell(self, news: dict[str, Any]) -> None:
        """News for everybody, laid out once."""
        if self.viewers:
            text = json.dumps(news, separators=(",", ":"))
            for viewer in self.viewers.values():
                viewer.tell(text)

    def streams(self) -> set[str]:
        """Those of which there is a picture."""
        return set(self._last)

    def forget(self) -> None:
        """Another time begins: the last pictures are not of it."""
        self._last.clear()

    def close(self) -> None:
        """Everybody out."""
        for viewer in self.viewers.values():
            viewer.close()

    async def welcome(self, socket: WebSocket, history: Callable[[], list[str]]) -> None:
        """Serve a page until it is gone."""
        viewer = BroadcastClient(socket, history)
        for shown in self._last.values():
            viewer.offer(shown)
        self.viewers[viewer.id] = viewer
        try:
            await viewer.serve()
        finally:
            del self.viewers[viewer.id]
