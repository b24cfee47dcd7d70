"""The page is made of registered panels, so that adding one means adding one file."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")

from nicegui import Client, ui
from nicegui.page import page

from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.base import Message
from affectline.services.dashboard import panel as module
from affectline.services.dashboard import panels as package
from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.live_page import build_page
from affectline.services.dashboard.panel import PageView, Panel, load_panels, register

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
