"""The page is made of registered panels, so that adding one means adding one file."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")

from nicegui import Client, ui
from nicegui.page import page

from affectline.common.clock import monotonic
from affectline.common.runtime.run_watch import SILENT_S
from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.base import Message
from affectline.services.dashboard import panel as module
from affectline.services.dashboard import panels as package
from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.live_page import build_page
from affectline.services.dashboard.panel import PageView, Panel, load_panels, register
from affectline.services.dashboard.panels.recording import RecordingPanel
from affectline.services.dashboard.panels.video import VideoView
from affectline.services.supervisor.process import ManagedProcess
from affectline.services.supervisor.recorder_control import ActiveRecording
from tests.samples import FRAME, PACKETS

OWN_PANEL = """
from nicegui import ui
from affectline.services.dashboard.panel import Panel, register

class Counter:
    def add(self, message): ...
    def clear(self): ...
    def update(self): return None
    def history(self): return {"kind": "counter"}

@register
class PosturePanel(Panel):
    title = "Posture"
    order = 25
    aggregator = Counter

    def build(self):
        self._label = ui.label("upright")
        self.view.on_refresh(lambda: self._label.set_text(f"upright, {self.view.feed}"))
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> list[type[Panel]]:
    """The registry, put back as it was after the test."""
    load_panels()
    registered = list(module._registered)
    monkeypatch.setattr(module, "_registered", registered)
    return registered


@pytest.fixture
def state(tmp_path: Path) -> AppState:
    dashboard = DashboardSettings(sessions=tmp_path / "sessions")
    return AppState(PipelineSettings(dashboard=dashboard), "live", lambda _: None)


def texts(client: Client) -> list[str]:
    """All texts on a page, from top to bottom."""
    elements: list[object] = list(client.elements.values())
    found = [getattr(element, "text", "") for element in elements]
    return [text for text in found if isinstance(text, str)]


def show(state: AppState, panels: Any) -> tuple[Client, PageView]:
    client, view = Client(page("/test"), request=None), PageView(state)
    with client:
        build_page(view, panels)
    return client, view


def test_the_page_has_all_of_its_panels_in_order() -> None:
    names = [panel.__name__ for panel in load_panels()]
    assert names == [
        "HealthPanel", "FinishedPanel", "SnapshotPanel", "MarkersPanel", "VideoPanel",
        "RecordingPanel", "SignalsPanel", "SignsPanel", "SessionsPanel",
    ]  # fmt: skip


def test_a_file_in_the_folder_is_a_panel_on_the_page(
    registry: list[type[Panel]], state: AppState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "posture.py").write_text(OWN_PANEL)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    panels = load_panels()
    assert "PosturePanel" in [panel.__name__ for panel in panels]
    client, view = show(state, panels)
    seen = texts(client)
    assert seen.index("Video") < seen.index("Posture") < seen.index("Curves")
    assert seen[seen.index("Posture") + 1] == "upright"
    view.refresh()
    assert "upright, live" in texts(client)


def test_the_hub_is_named_as_the_command_line_takes_it(state: AppState) -> None:
    client, _ = show(state, load_panels())
    (video,) = [one for one in client.elements.values() if isinstance(one, VideoView)]
    assert video.props["hub"] == "127.0.0.1:5555"


def test_a_recording_needs_a_pipeline_and_says_when_nothing_arrives(state: AppState) -> None:
    client, view = show(state, load_panels())
    owners = [getattr(refresh, "__self__", None) for refresh in view._refreshers]
    (panel,) = [owner for owner in owners if isinstance(owner, RecordingPanel)]
    with client:
        panel._consent.value = "anna agreed"
        panel._start()
    assert "no hub on tcp://127.0.0.1:5555" in panel._problem.text
    assert state.recorder.current is None
    process = ManagedProcess.__new__(ManagedProcess)
    state.recorder.current = ActiveRecording("anna", "everything", monotonic(), process)
    state.status.add(PACKETS["Health"].message)
    view.refresh()
    assert panel._status.text == "recording anna, 0:00"
    state.status._received_at = monotonic() - SILENT_S - 1
    view.refresh()
    assert panel._status.text == "recording anna: nothing arrives"


def test_a_finished_run_is_found_by_its_streams(state: AppState) -> None:
    _, view = show(state, load_panels())
    client = Client(page("/finished"), request=None)
    with client:
        build_page(view, load_panels())
    epoch = FRAME.epoch
    of_run = {"stream": FRAME.stream, "epoch": epoch}
    for kind in ("StreamStart", "StreamEnd", "StreamDone"):
        state.status.add(PACKETS[kind].message.model_copy(update=of_run))
    view.refresh()
    assert any(f"its session is not in {state.sessions.folder}" in one for one in texts(client))
    for name, of in (("older", epoch - 1), ("mine", epoch), ("other", epoch + 1)):
        folder = state.sessions.folder / name
        folder.mkdir(parents=True)
        streams = {FRAME.stream: {"epoch": of}}
        (folder / "session.json").write_text(json.dumps({"streams": streams}))
    state._look_again_at = 0.0
    view.refresh()
    assert "mine" in texts(client)
    assert "Open report" in texts(client)


def test_a_panel_has_the_messages_of_each_hub_aggregated_for_its_script(
    registry: list[type[Panel]], tmp_path: Path
) -> None:
    class Counter:
        def add(self, message: Message) -> None: ...

        def clear(self) -> None: ...

        def update(self) -> dict[str, Any] | None:
            return None

        def history(self) -> dict[str, Any]:
            return {"kind": "counter"}

    @register
    class CountPanel(Panel):
        order = 1
        aggregator = Counter

        def build(self) -> None:
            ui.label("count")

    assert CountPanel in load_panels()
    factories = [panel.aggregator for panel in load_panels() if panel.aggregator]
    assert Counter in factories
    state = AppState(PipelineSettings(), "live", lambda _: None, aggregators=factories)
    aggregators = state._make_aggregators()
    assert any(isinstance(one, Counter) for one in aggregators)
