"""One slot for each stream, the newest wins, and nobody waits for anybody."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from affectline.services.web.broadcaster import UPDATES_QUEUED, Broadcaster, BroadcastFrame
from affectline.services.web.frame_pairs import FrameResult
from tests.samples import EMOTION, FRAME


class Page:
    """A browser's end of a socket."""

    client_state = WebSocketState.CONNECTED

    def __init__(self) -> None:
        self.got: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._outgoing: asyncio.Queue[str | None] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.closed = 0

    async def accept(self) -> None: ...

    async def send_text(self, text: str) -> None:
        await self.reads.wait()
        self.got.put_nowait(text)

    async def send_bytes(self, data: bytes) -> None:
        await self.reads.wait()
        self.got.put_nowait(data)

    async def receive_text(self) -> str:
        text = await self._outgoing.get()
        if text is None:
            raise WebSocketDisconnect(1001)
        return text

    async def close(self, code: int) -> None:
        self.closed = code

    def send(self, text: str | None) -> None:
        self._outgoing.put_nowait(text)

    async def picture(self) -> tuple[str, int]:
        """Stream and number of the next picture; news are passed over."""
        while True:
            message = await asyncio.wait_for(self.got.get(), 5)
            if isinstance(message, bytes):
                length = int.from_bytes(message[:4], "big")
                about = json.loads(message[4 : 4 + length])
                return about["stream"], about["seq"]

    async def run_pending(self) -> None:
        """Let everybody do what they can do now."""
        for _ in range(20):
            await asyncio.sleep(0)


def result(seq: int, stream: str = "drive") -> FrameResult:
    changes = {"seq": seq, "stream": stream}
    return FrameResult(
        EMOTION.model_copy(update=changes), FRAME.model_copy(update=changes), b"jpeg", 25.0
    )


Scene = Callable[[Broadcaster, Page], Coroutine[Any, Any, None]]


def play(scene: Scene) -> Page:
    """Play a scene with one page connected."""

    async def go() -> Page:
        broadcaster, page = Broadcaster(), Page()
        visit = asyncio.create_task(broadcaster.serve(cast(WebSocket, page), lambda: ["history"]))
        await page.run_pending()
        await scene(broadcaster, page)
        page.send(None)
        await asyncio.wait_for(visit, 5)
        assert broadcaster.clients == {}
        return page

    return asyncio.run(go())


def test_a_page_is_greeted_with_what_was_before() -> None:
    async def scene(_: Broadcaster, page: Page) -> None:
        hello = json.loads(cast(str, page.got.get_nowait()))
        assert hello["kind"] == "hello"
        assert page.got.get_nowait() == "history"

    play(scene)


def test_the_next_picture_waits_for_the_last_one_and_the_newest_wins() -> None:
    async def scene(broadcaster: Broadcaster, page: Page) -> None:
        for seq in range(5):
            broadcaster.publish_frame(result(seq))
            await page.run_pending()
        assert await page.picture() == ("drive", 0)
        assert page.got.empty(), "none before the first one is on the screen"
        page.send("drive")
        assert await page.picture() == ("drive", 4)
        page.send("drive")
        await page.run_pending()
        assert page.got.empty()

    play(scene)


def test_another_time_line_drops_pictures_that_wait() -> None:
    async def scene(broadcaster: Broadcaster, page: Page) -> None:
        for seq in range(2):
            broadcaster.publish_frame(result(seq, "old"))
            await page.run_pending()
        broadcaster.clear()
        assert await page.picture() == ("old", 0)
        page.send("old")
        await page.run_pending()
        broadcaster.publish_frame(result(0, "new"))
        assert await page.picture() == ("new", 0)

    play(scene)


def test_streams_do_not_wait_for_each_other() -> None:
    async def scene(broadcaster: Broadcaster, page: Page) -> None:
        for seq in range(3):
            broadcaster.publish_frame(result(seq, "left"))
            broadcaster.publish_frame(result(seq, "right"))
            await page.run_pending()
            page.send("right")
            await page.run_pending()
        seen = [await page.picture() for _ in range(4)]
        assert [p for p in seen if p[0] == "left"] == [("left", 0)]
        assert [p for p in seen if p[0] == "right"] == [("right", i) for i in range(3)]

    play(scene)


def test_a_page_that_stalls_costs_nobody_anything_and_gets_the_history_anew() -> None:
    async def scene(broadcaster: Broadcaster, page: Page) -> None:
        page.reads.clear()
        for seq in range(3 * UPDATES_QUEUED):
            broadcaster.publish_update({"kind": "curves", "n": seq})
            broadcaster.publish_frame(result(seq))
            await page.run_pending()
        (client,) = broadcaster.clients.values()
        assert client.frames_sent <= 1
        page.reads.set()
        await page.run_pending()
        got = [page.got.get_nowait() for _ in range(page.got.qsize())]
        assert len(got) < 2 * UPDATES_QUEUED
        assert got.count("history") > 1

    play(scene)


def test_a_picture_is_serialised_once_for_everybody_and_never_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serialised: list[int] = []
    serialise = FrameResult.serialise

    def counted(self: FrameResult) -> bytes:
        serialised.append(self.emotion.seq)
        return serialise(self)

    monkeypatch.setattr(FrameResult, "serialise", counted)
    Broadcaster().publish_frame(result(1))
    assert serialised == []
    shown = BroadcastFrame(result(2))
    assert shown.message is shown.message
    assert serialised == [2]


def test_what_is_on_the_screen_can_be_found_again() -> None:
    async def scene(broadcaster: Broadcaster, page: Page) -> None:
        for seq in range(3):
            broadcaster.publish_frame(result(seq))
            await page.run_pending()
            page.send("drive")
            await page.run_pending()
        (client,) = broadcaster.clients.values()
        assert client.find_sent("drive", EMOTION.epoch, 2)
        assert client.find_sent("drive", EMOTION.epoch, 1), "the page may be a picture behind"
        assert client.find_sent("drive", EMOTION.epoch, 0) is None
        assert client.find_sent("other", EMOTION.epoch, 2) is None

    play(scene)


def test_a_late_page_gets_the_last_picture_at_once() -> None:
    async def go() -> tuple[str, int]:
        broadcaster, page = Broadcaster(), Page()
        broadcaster.publish_frame(result(9))
        visit = asyncio.create_task(broadcaster.serve(cast(WebSocket, page), list))
        found = await page.picture()
        broadcaster.close()
        await asyncio.wait_for(visit, 5)
        assert page.closed == 1001
        return found

    assert asyncio.run(go()) == ("drive", 9)
