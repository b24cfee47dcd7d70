"""What all pages share besides replays."""

import asyncio
import os
import time
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.hub import HubSettings
from affectline.common.settings.pipeline import PipelineSettings, SinkSettings
from affectline.common.settings.recording import Privacy, RecordingSettings, RetentionSettings
from affectline.common.wire.messages import Emotion, Frame
from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.routes import pack_snapshot
from affectline.services.supervisor.process import ManagedProcess
from affectline.services.supervisor.recorder_control import ActiveRecording
from affectline.services.web.frame_pairs import FrameResult
from tests.recordings import frame, write_recording

NOWHERE = HubSettings(port=1)


@pytest.fixture
def state(tmp_path: Path) -> AppState:
    dashboard = DashboardSettings(sessions=tmp_path)
    return AppState(PipelineSettings(hub=NOWHERE, dashboard=dashboard), "live", lambda _: None)


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
    assert state.may_save_pictures("replay:drive"), "it shows what was recorded"


@pytest.mark.parametrize("with_pictures", [True, False])
def test_what_is_in_a_snapshot(with_pictures: bool) -> None:
    (packet, result) = frame(3)
    assert isinstance(packet.message, Frame)
    assert isinstance(result.message, Emotion)
    found = FrameResult(result.message, packet.message, bytes(packet.parts[0]), 1.0)
    with ZipFile(BytesIO(pack_snapshot([found], with_pictures=with_pictures))) as archive:
        names = set(archive.namelist())
    assert names == {"drive-000003.json"} | ({"drive-000003.jpg"} if with_pictures else set())


def test_a_finished_session_can_be_deleted_and_so_can_its_namesake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dashboard = DashboardSettings(sessions=tmp_path / "sessions")

    def state_with(out: Path) -> AppState:
        settings = PipelineSettings(hub=NOWHERE, dashboard=dashboard, sink=SinkSettings(out=out))
        return AppState(settings, "live", lambda _: None)

    def record() -> Path:
        folder = write_recording(tmp_path / "sessions" / "drive")
        os.utime(folder / "session.mcap", (0, 0))
        return folder

    folder = record()
    state_with(tmp_path / "elsewhere" / "drive").sessions.delete("drive")
    assert not folder.exists()
    state = state_with(record())
    with pytest.raises(AffectlineError, match="is being written by the pipeline"):
        state.sessions.delete("drive")
    monkeypatch.setattr(type(state.status), "has_finished", True)
    state.sessions.delete("drive")
    assert not folder.exists()


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
