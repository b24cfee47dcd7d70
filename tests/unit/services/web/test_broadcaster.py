"""One slot for each stream, the newest wins, and nobody waits for anybody."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from affectline.services.web.broadcaster import NEWS_KEPT, Broadcaster, BroadcastFrame
from affectline.services.web.frame_pairs import FrameResult
from tests.samples import EMOTION, FRAME


class Page:
    """A browser's end of a socket."""

    client_state = WebSocketState.CONNECTED

    def __init__(self) -> None:
        self.got: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._said: asyncio.Queue[str | None] = asyncio.Queue()
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
        text = await self._said.get()
        if text is None:
            raise WebSocketDisconnect(1001)
        return text

    async def close(self, code: int) -> None:
        self.closed = code

    def say(self, text: str | None) -> None:
        self._said.put_nowait(text)

    async def picture(self) -> tuple[str, int]:
        """Stream and number of the next picture; news are passed over."""
        while True:
            message = await asyncio.wait_for(self.got.get(), 5)
            if isinstance(message, bytes):
                length = int.from_bytes(message[:4], "big")
                about = json.loads(message[4 : 4 + length])
                return about["stream"], about["seq"]

    async def settle(self) -> None:
        """Let everybody do what they can do now."""
        for _ in range(20):
            await asyncio.sleep(0)


def pair(seq: int, stream: str = "drive") -> FrameResult:
    changes = {"seq": seq, "stream": stream}
    return FrameResult(
        EMOTION.model_copy(update=changes), FRAME.model_copy(update=changes), b"jpeg", 25.0
    )


Scene = Callable[[Broadcaster, Page], Coroutine[Any, Any, None]]


def play(scene: Scene) -> Page:
    """Play a scene with one page in the audience."""

    async def go() -> Page:
        audience, page = Broadcaster(), Page()
        visit = asyncio.create_task(audience.welcome(cast(WebSocket, page), lambda: ["history"]))
        await page.settle()
        await scene(audience, page)
        page.say(None)
        await asyncio.wait_for(visit, 5)
        assert audience.viewers == {}
        return page

    return asyncio.run(go())


def test_a_page_is_greeted_with_what_was_before() -> None:
    async def scene(_: Broadcaster, page: Page) -> None:
        hello = json.loads(cast(str, page.got.get_nowait()))
        assert hello["kind"] == "hello"
        assert page.got.get_nowait() == "history"

    play(scene)


def test_the_next_picture_waits_for_the_last_one_and_the_newest_wins() -> None:
    async def scene(audience: Broadcaster, page: Page) -> None:
        for seq in range(5):
            audience.show(pair(seq))
            await page.settle()
        assert await page.picture() == ("drive", 0)
        assert page.got.empty(), "none before the first one is on the screen"
        page.say("drive")
        assert await page.picture() == ("drive", 4)
        page.say("drive")
        await page.settle()
        assert page.got.empty()

    play(scene)


def test_streams_do_not_wait_for_each_other() -> None:
    async def scene(audience: Broadcaster, page: Page) -> None:
        for seq in range(3):
            audience.show(pair(seq, "left"))
            audience.show(pair(seq, "right"))
            await page.settle()
            page.say("right")
            await page.settle()
        seen = [await page.picture() for _ in range(4)]
        assert [p for p in seen if p[0] == "left"] == [("left", 0)]
        assert [p for p in seen if p[0] == "right"] == [("right", i) for i in range(3)]

    play(scene)


def test_a_page_that_stalls_costs_nobody_anything_and_gets_the_history_anew() -> None:
    async def scene(audience: Broadcaster, page: Page) -> None:
        page.reads.clear()
        for seq in range(3 * NEWS_KEPT):
            audience.tell({"kind": "curves", "n": seq})
            audience.show(pair(seq))
            await page.settle()
        (viewer,) = audience.viewers.values()
        assert viewer.pictures <= 1
        page.reads.set()
        await page.settle()
        got = [page.got.get_nowait() for _ in range(page.got.qsize())]
        assert len(got) < 2 * NEWS_KEPT
        assert got.count("history") > 1

    play(scene)


def test_a_picture_is_laid_out_once_for_everybody_and_never_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    laid_out: list[int] = []
    serialise = FrameResult.serialise

    def counted(self: FrameResult) -> bytes:
        laid_out.append(self.emotion.seq)
        return serialise(self)

    monkeypatch.setattr(FrameResult, "serialise", counted)
    Broadcaster().show(pair(1))
    assert laid_out == []
    shown = BroadcastFrame(pair(2))
    assert shown.message is shown.message
    assert laid_out == [2]


def test_what_is_on_the_screen_can_be_found_again() -> None:
    async def scene(audience: Broadcaster, page: Page) -> None:
        for seq in range(3):
            audience.show(pair(seq))
            await page.settle()
            page.say("drive")
            await page.settle()
        (viewer,) = audience.viewers.values()
        assert viewer.find("drive", EMOTION.epoch, 2)
        assert viewer.find("drive", EMOTION.epoch, 1), "the page may be a picture behind"
        assert viewer.find("drive", EMOTION.epoch, 0) is None
        assert viewer.find("other", EMOTION.epoch, 2) is None

    play(scene)


def test_a_late_page_gets_the_last_picture_at_once() -> None:
    async def go() -> tuple[str, int]:
        audience, page = Broadcaster(), Page()
        audience.show(pair(9))
        visit = asyncio.create_task(audience.welcome(cast(WebSocket, page), list))
        found = await page.picture()
        audience.close()
        await asyncio.wait_for(visit, 5)
        assert page.closed == 1001
        return found

    assert asyncio.run(go()) == ("drive", 9)
