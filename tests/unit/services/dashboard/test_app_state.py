"""One replay that several pages control at once."""

import asyncio
import os
import threading
import time
from collections.abc import Coroutine
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar
from zipfile import ZipFile

import pytest

from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.hub import HubSettings
from affectline.common.settings.pipeline import PipelineSettings, SinkSettings
from affectline.common.settings.recording import Privacy, RecordingSettings, RetentionSettings
from affectline.common.wire.messages import Emotion, Frame
from affectline.services.dashboard import app_state as module
from affectline.services.dashboard.app_state import UNWATCHED_S, AppState
from affectline.services.dashboard.replay_control import ReplayProgress
from affectline.services.dashboard.routes import pack_snapshot
from affectline.services.supervisor.process import ManagedProcess
from affectline.services.supervisor.recorder_control import ActiveRecording
from affectline.services.web.frame_pairs import FrameResult
from tests.recordings import frame, write_recording

NOWHERE = HubSettings(port=1)


class Player:
    """A replay that records what is done to it, and by how many at once."""

    hub = NOWHERE
    made: ClassVar[list["Player"]]

    def __init__(self, folder: Path, live_hub: HubSettings) -> None:
        self.made.append(self)
        self.name = folder.name
        self.progress = ReplayProgress()
        self.began, self.may_go_on, self.closed = (threading.Event() for _ in range(3))
        self.sought: list[float] = []
        self.ticks_while_sought = 0
        self._is_sought = False

    def play_from(self, seconds: float, rate: float | None = None) -> None:
        self.sought.append(seconds)
        self._is_sought = True
        self.began.set()
        self.may_go_on.wait(10)
        self._is_sought = False

    def tick(self) -> None:
        self.ticks_while_sought += self._is_sought

    def close(self) -> None:
        self.closed.set()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    monkeypatch.setattr(module, "TICK_S", 0.0)
    monkeypatch.setattr(module, "ReplayControl", Player)
    monkeypatch.setattr(Player, "made", [], raising=False)
    return clock


@pytest.fixture
def state(tmp_path: Path, clock: Clock) -> AppState:
    (tmp_path / "drive").mkdir()
    dashboard = DashboardSettings(sessions=tmp_path)
    return AppState(PipelineSettings(hub=NOWHERE, dashboard=dashboard), "live", lambda _: None)


async def several_ticks() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def visit(state: AppState, scene: Coroutine[Any, Any, None]) -> None:
    """Play a scene with an open state."""

    async def go() -> None:
        await state.open()
        try:
            await state.open_replay("drive")
            await scene
        finally:
            await state.close()

    asyncio.run(go())


def player(state: AppState) -> Player:
    assert isinstance(state.replay, Player)
    return state.replay


def test_of_many_places_in_a_row_the_first_and_the_last_are_gone_to(state: AppState) -> None:
    async def scene() -> None:
        it = player(state)
        first = asyncio.create_task(state.seek(1))
        assert await asyncio.to_thread(it.began.wait, 10)
        rest = [asyncio.create_task(state.seek(seconds)) for seconds in (2, 3, 4)]
        await several_ticks()
        assert it.sought == [1], "one at a time"
        it.may_go_on.set()
        await asyncio.gather(first, *rest)
        assert it.sought == [1, 4]
        assert it.ticks_while_sought == 0, "a player that is replaced has not died"

    visit(state, scene())


def test_a_session_that_is_opened_twice_at_once_is_played_once(state: AppState) -> None:
    async def scene() -> None:
        await asyncio.gather(state.open_replay("drive"), state.open_replay("drive"))
        assert [it for it in Player.made if not it.closed.is_set()] == [player(state)]

    visit(state, scene())


def test_a_replay_that_all_pages_have_left_ends(state: AppState, clock: Clock) -> None:
    async def scene() -> None:
        it = player(state)
        clock.now += 10 * UNWATCHED_S
        await several_ticks()
        assert player(state) is it, "nobody has come yet"
        assert state.replay_hub
        clients: dict[str, Any] = state.replay_hub.broadcaster.clients
        clients["page"] = object()
        await several_ticks()
        clients.clear()
        clock.now += UNWATCHED_S - 1
        await several_ticks()
        assert player(state) is it, "the page may be reconnecting"
        clock.now += 2
        assert await asyncio.to_thread(it.closed.wait, 10)
        assert state.replay is None
        assert state.replay_hub is None

    visit(state, scene())


@pytest.mark.parametrize("privacy", ["everything", "blurred", "features"])
def test_snapshots_show_no_more_than_what_is_recorded(
    state: AppState, privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state.may_save_pictures("live")
    running = ActiveRecording("s", privacy, 0.0, ManagedProcess.__new__(ManagedProcess))
    monkeypatch.setattr(state.recorder, "current", running)
    assert state.may_save_pictures("live") == (privacy == "everything")
    monkeypatch.setattr(state.recorder, "current", None)
    for record in (False, True):
        recording = RecordingSettings(privacy=privacy, record=record)
        state.settings = state.settings.model_copy(update={"recording": recording})
        assert state.may_save_pictures("live") == (privacy == "everything" or not record)
    assert state.may_save_pictures("replay"), "it shows what was recorded"


@pytest.mark.parametrize("with_pictures", [True, False])
def test_what_is_in_a_snapshot(with_pictures: bool) -> None:
    (packet, result) = frame(3)
    assert isinstance(packet.message, Frame)
    assert isinstance(result.message, Emotion)
    found = FrameResult(result.message, packet.message, bytes(packet.parts[0]), 1.0)
    with ZipFile(BytesIO(pack_snapshot([found], with_pictures=with_pictures))) as archive:
        names = set(archive.namelist())
    assert names == {"drive-000003.json"} | ({"drive-000003.jpg"} if with_pictures else set())


def test_old_sessions_are_removed_when_the_page_begins(tmp_path: Path) -> None:
    old, young, used = (write_recording(tmp_path / name) for name in ("old", "young", "used"))
    for folder, age_days in ((old, 40), (young, 1), (used, 40)):
        then = time.time() - age_days * 86_400
        os.utime(folder / "session.mcap", (then, then))
    settings = PipelineSettings(
        hub=NOWHERE,
        dashboard=DashboardSettings(sessions=tmp_path),
        sink=SinkSettings(out=used),
        retention=RetentionSettings(days=30),
    )
    state = AppState(settings, "live", lambda _: None)

    async def go() -> None:
        await state.open()
        await state.close()

    asyncio.run(go())
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["used", "young"]
