"""Recording and replay as the page does them, with real processes and without a browser."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from starlette.websockets import WebSocket

from affectline.common.errors import AffectlineError
from affectline.common.recording.writer import SessionWriter
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.hub import HubSettings
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire import codec
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Packet, StreamStart
from tests.pipelines import free_port
from tests.samples import AT, EMOTION, EPOCH, FRAME

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")

from affectline.services.dashboard.app_state import AppState
from affectline.services.web.broadcaster import BroadcastClient

pytestmark = pytest.mark.slow
FRAMES, RATE = 200, 20
STEP_NS = 1_000_000_000 // RATE


@pytest.fixture
def state(tmp_path: Path) -> AppState:
    """State with one session of ten seconds; the picture's number is its place in it."""
    place = tmp_path / "sessions" / "drive"
    place.mkdir(parents=True)
    writer = SessionWriter(place / "session.mcap", {"privacy": "everything"})
    begin = StreamStart(
        stream="drive",
        epoch=EPOCH,
        started_at=AT,
        received_at=AT,
        session_start=AT,
        kind="film",
        source="0",
        live=True,
    )
    writer.add("StreamStart", codec.encode(Packet(begin)), AT, AT)
    for seq in range(FRAMES):
        at = AT + seq * STEP_NS
        same = {"seq": seq, "captured_at": at}
        frame = Packet(FRAME.model_copy(update=same), (b"\xff\xd8\xff\xd9",))
        writer.add("Frame", codec.encode(frame), at, at)
        emotion = Packet(EMOTION.model_copy(update=same))
        writer.add("Emotion", codec.encode(emotion), at + 5_000_000, at)
    writer.finish()
    dashboard = DashboardSettings(sessions=tmp_path / "sessions")
    settings = PipelineSettings(hub=HubSettings(port=free_port()), dashboard=dashboard)
    return AppState(settings, "live", lambda _: None)


def position(state: AppState) -> float:
    """Where the last picture that was shown belongs, in seconds; -1 where there is none."""
    replay = state.replays.get("drive")
    shown = replay.hub.broadcaster._last.get("drive") if replay else None
    return shown.result.emotion.seq / RATE if shown else -1.0


class Replay:
    """The hub of a replay, listened to from outside: what is waited for is seen there."""

    def __init__(self, hub: HubSettings) -> None:
        self._outlet = OutletSubscriber(hub, ("emotion/", "health/"))

    async def messages(self) -> list[Message]:
        """The next messages; health comes every second, also while nothing is played."""
        assert await asyncio.to_thread(self._outlet.wait, (), 30.0), "the hub is silent"
        return [packet.message for packet in self._outlet.receive()]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which is asked whenever the hub has said something."""
        while not condition():
            await self.messages()

    async def rest(self) -> None:
        """Wait until the player has twice reported that it is paused at the same place."""
        places: list[str] = []
        while len(places) < 2 or places[-1] != places[-2]:
            for message in await self.messages():
                if isinstance(message, Health) and message.service == "replay":
                    is_paused = message.detail.startswith("paused at")
                    places = [*places, message.detail] if is_paused else []

    def close(self) -> None:
        self._outlet.close()


def test_a_session_is_replayed_paused_and_sought(state: AppState) -> None:
    async def play() -> None:
        await state.open()
        replays = state.replays
        opened = await replays.open("drive")
        control, replay = opened.control, Replay(opened.control.hub)
        try:
            await replay.until(lambda: position(state) > 0.5)
            await replays.pause("drive", paused=True)
            await replay.rest()
            there = position(state)
            await replay.rest()
            assert position(state) == there, "paused"
            await replays.seek("drive", 8.0)
            await replay.until(lambda: position(state) >= 8.0)
            await replay.rest()
            there = position(state)
            await replay.rest()
            assert position(state) == there < 9.5, "still paused, elsewhere"
            await replays.seek("drive", 2.0)
            await replay.until(lambda: 2.0 <= position(state) < 4.0)
            await replays.pause("drive", paused=False)
            await replays.seek("drive", opened.updates.position, 4.0)
            await replay.until(lambda: control.progress.has_ended)
            await replay.until(lambda: position(state) == (FRAMES - 1) / RATE)
            assert control.problem == ""
            await replays.pause("drive", paused=False)  # again, from the beginning
            await replay.until(lambda: 0 <= position(state) < 3)
        finally:
            replay.close()
            await state.close()

    asyncio.run(play())


def test_what_is_replayed_is_not_deleted_and_what_is_not_there_is_not_replayed(
    state: AppState,
) -> None:
    async def play() -> None:
        await state.open()
        try:
            opened = await state.replays.open("drive")
            page = BroadcastClient(cast("WebSocket", None), list)
            opened.hub.broadcaster.clients["page"] = page  # somebody watches it
            with pytest.raises(AffectlineError, match="is being replayed"):
                state.sessions.delete("drive")
            for name in ("none", "../drive"):
                with pytest.raises(AffectlineError):
                    await state.replays.open(name)
            del opened.hub.broadcaster.clients["page"]
        finally:
            await state.close()

    asyncio.run(play())
