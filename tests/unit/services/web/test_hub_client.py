"""What a hub's messages become: frames with their results, and updates of aggregators."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.control import Control, Pause, Seek
from affectline.common.wire.messages import Emotion, Packet, StreamEnd, StreamStart
from affectline.services.web import hub_client as module
from affectline.services.web.frame_pairs import FrameResult
from affectline.services.web.hub_client import HubClient
from tests.samples import EMOTION, FRAME, PACKETS


class ResultCounter:
    """An aggregator that counts results."""

    def __init__(self) -> None:
        self.count = self.sent = 0

    def add(self, message: Message) -> None:
        self.count += isinstance(message, Emotion)

    def clear(self) -> None:
        self.count, self.sent = 0, -1

    def update(self) -> dict[str, Any] | None:
        if self.count == self.sent:
            return None
        self.sent = self.count
        return self.history()

    def history(self) -> dict[str, Any]:
        return {"kind": "results", "count": self.count}


def with_client(act: Callable[[HubClient], Any]) -> Any:
    """Do something with a client of a hub that does not exist."""

    async def run() -> Any:
        client = HubClient(HubSettings(port=1), [ResultCounter()])
        try:
            found = act(client)
            return await found if asyncio.iscoroutine(found) else found
        finally:
            await client.close()

    return asyncio.run(run())


def handle_both(client: HubClient) -> Any:
    assert client.listener._handle(Packet(FRAME, (b"jpeg",))) is None
    return client.listener._handle(Packet(EMOTION))


def test_a_result_is_matched_with_its_frame_and_gives_the_position() -> None:
    def act(client: HubClient) -> None:
        found = handle_both(client)
        assert (found.emotion, found.frame, found.payload) == (EMOTION, FRAME, b"jpeg")
        assert client.listener.position_ns == EMOTION.captured_at
        assert client.listener.received == 2

    with_client(act)


def test_now_is_what_the_page_shows_and_beside_a_camera_the_clock() -> None:
    camera = EMOTION.model_copy(update={"media_time": None})

    def time_after(*messages: Message, is_replay: bool = False) -> int:
        def act(client: HubClient) -> int:
            client.listener._session_clock._clock = lambda: 77
            for message in messages:
                client.listener._handle(Packet(message, (b"jpeg",)))
            return client.listener.read_session_time(is_replay=is_replay)[0]

        found: int = with_client(act)
        return found

    later = FRAME.model_copy(update={"captured_at": EMOTION.captured_at + 5})
    assert time_after(EMOTION, later) == EMOTION.captured_at, "the frame has no result yet"
    assert time_after(camera) == time_after() == 77
    assert time_after(camera, is_replay=True) == EMOTION.captured_at


def test_updates_of_aggregators_are_published_when_there_are_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "UPDATE_PERIOD_S", 0.0)

    async def act(client: HubClient) -> list[dict[str, Any]]:
        published: list[dict[str, Any]] = []
        monkeypatch.setattr(client.broadcaster, "publish_update", published.append)
        for _ in range(2):
            handle_both(client)
            for _ in range(10):
                await asyncio.sleep(0)
        return published

    updates = [{"kind": "results", "count": 1}, {"kind": "results", "count": 2}]
    assert with_client(act) == updates


def test_a_late_page_gets_the_history_and_another_time_line_has_none() -> None:
    async def act(client: HubClient) -> None:
        client.broadcaster.publish_frame(handle_both(client))
        assert [json.loads(text) for text in client.history()] == [{"kind": "results", "count": 1}]
        assert client.broadcaster._last.get(EMOTION.stream)
        client.clear()
        await asyncio.sleep(0)
        assert [json.loads(text) for text in client.history()] == [{"kind": "results", "count": 0}]
        assert client.broadcaster._last.get(EMOTION.stream) is None
        assert client.listener.position_ns == 0

    with_client(act)


def test_what_was_shown_is_forgotten_when_the_new_position_begins_and_not_before() -> None:
    start = PACKETS["StreamStart"].message.model_copy(update={"replay": True})

    def shown_after(*messages: Message) -> Any:
        async def act(client: HubClient) -> tuple[bool, int]:
            client.broadcaster.publish_frame(FrameResult(EMOTION, FRAME, b"jpeg", 12.0))
            for message in (EMOTION, *messages):
                client.listener._handle(Packet(message))
            await asyncio.sleep(0)  # what was handed to the loop is done
            is_shown = client.broadcaster._last.get(EMOTION.stream) is not None
            return is_shown, client.listener.position_ns

        return with_client(act)

    def command(action: Pause | Seek) -> Control:
        return Control(target="replay", at=1, action=action)

    before, forgotten = (True, EMOTION.captured_at), (False, 0)
    seek = command(Seek(position_s=3.0))
    assert shown_after(start) == before
    assert shown_after(command(Pause()), start) == before
    assert shown_after(seek) == before
    assert shown_after(seek, EMOTION) == before, "published before the seek"
    assert shown_after(seek, start) == forgotten
    later = EMOTION.model_copy(update={"epoch": EMOTION.epoch + 1, "captured_at": 5})
    assert shown_after(later) == (True, 5)
    assert shown_after(seek, later) == (False, 5), "a recording may begin within a stream"
    assert shown_after(seek, start, EMOTION, start)[1] == EMOTION.captured_at


def test_another_run_has_nothing_of_the_last() -> None:
    """A page outlives a film; then a camera is started."""
    film = PACKETS["StreamStart"].message
    assert isinstance(film, StreamStart)
    later = EMOTION.captured_at + 3_600_000_000_000
    camera = film.model_copy(
        update={"stream": "cam", "epoch": film.epoch + 9, "session_start": later, "kind": "camera"}
    )
    end = StreamEnd.example().model_copy(update={"epoch": EMOTION.epoch})

    async def act(client: HubClient) -> None:
        listener = client.listener
        listener._session_clock._clock = lambda: 77
        for message in (film, EMOTION, end):
            listener._handle(Packet(message))
        client.broadcaster.publish_frame(FrameResult(EMOTION, FRAME, b"jpeg", 12.0))
        assert listener.read_session_time(is_replay=False)[0] == EMOTION.captured_at
        listener._handle(Packet(camera))
        await asyncio.sleep(0)
        assert listener.read_session_time(is_replay=False)[0] == 77
        assert client.broadcaster._last == {}
        assert [json.loads(text) for text in client.history()] == [{"kind": "results", "count": 0}]

    with_client(act)


class FailingPanel(ResultCounter):
    """An aggregator of a plug-in that fails in one of its methods."""

    def __init__(self, failing: str) -> None:
        super().__init__()
        setattr(self, failing, self._fail)

    def _fail(self, *_: object) -> None:
        raise ZeroDivisionError("a panel's mistake")


@pytest.mark.parametrize("failing", ["add", "update"])
def test_a_panel_that_fails_is_a_failure_of_the_pages(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UPDATE_PERIOD_S", 0.0)

    class Outlet:
        """Sends a result whenever somebody waits for it."""

        def __init__(self, *_: object) -> None:
            pass

        def wait(self, *_: object) -> None:
            pass

        def receive(self) -> list[Packet]:
            return [Packet(EMOTION)]

        def close(self) -> None:
            pass

    monkeypatch.setattr(module, "OutletSubscriber", Outlet)

    async def run() -> BaseException | None:
        client = HubClient(HubSettings(port=1), [FailingPanel(failing)])
        try:
            async with asyncio.timeout(10):
                while client.failure is None:
                    await asyncio.sleep(0)
            return client.failure
        finally:
            await client.close()

    assert isinstance(asyncio.run(run()), ZeroDivisionError)


def test_a_hub_that_refuses_the_pages_is_a_failure_of_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = AffectlineError("no keys for this hub", "affectline keys new")

    def refuse(*_: object) -> None:
        raise refusal

    monkeypatch.setattr(module, "OutletSubscriber", refuse)

    async def run() -> BaseException | None:
        client = HubClient(HubSettings(port=1))
        await asyncio.to_thread(client.listener.join, 10)
        await client.close()
        return client.failure

    assert asyncio.run(run()) is refusal


def test_pages_begin_a_new_position_before_its_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """A paused replay publishes one frame there: it must not be forgotten with the old ones."""

    async def act(client: HubClient) -> list[object]:
        published: list[object] = []
        monkeypatch.setattr(client.broadcaster, "publish_update", published.append)
        monkeypatch.setattr(client.broadcaster, "publish_frame", published.append)
        start = PACKETS["StreamStart"].message
        for message in (Control(target="replay", at=1, action=Seek(position_s=3.0)), start):
            client.listener._handle(Packet(message))
        result = handle_both(client)
        client._publishing.cancel()
        asyncio.get_running_loop().call_soon_threadsafe(client.listener._publish, [result])
        await asyncio.sleep(0)
        return [one if isinstance(one, dict) else type(one) for one in published]

    reset = [{"kind": "reset"}, {"kind": "results", "count": 0}]
    assert with_client(act) == [*reset, FrameResult]
