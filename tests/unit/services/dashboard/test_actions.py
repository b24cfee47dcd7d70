"""Viewers look on, operators act, and what they have done is told."""

import asyncio
import inspect
import json
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")

from nicegui import Client
from nicegui.page import page

from affectline.common.errors import AffectlineError
from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.dashboard.actions import DashboardActions
from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.live_page import build_page
from affectline.services.dashboard.panel import PageView, load_panels
from affectline.services.sessions.edits import Annotation
from affectline.services.sessions.removal import hash_name
from affectline.services.web.logins import LOCAL, Visitor
from tests.recordings import write_recording

VIEWER = Visitor("viewer", "viewer 1a2b3c", "192.0.2.9")
OPERATOR = Visitor("operator", "operator 4d5e6f", "192.0.2.8")
GONE = Visitor("operator", "operator 000000", "192.0.2.7", lambda: False)
ANNOTATION = Annotation(begin_s=0, end_s=1, label="braking")
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "publish_marker": ("x",), "start_recording": ("x", "anna agreed", "everything", {}),
    "stop_recording": (), "open_replay": ("x",), "seek": ("x", 1.0), "pause": ("x",),
    "step": ("x",), "generate_report": ("x",), "delete_session": ("x",),
    "edit": ("x", "session annotated", lambda edits: edits.annotated(ANNOTATION)),
}  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> AppState:
    dashboard = DashboardSettings(sessions=tmp_path / "sessions")
    return AppState(PipelineSettings(dashboard=dashboard), "live", lambda _: None)


def acts() -> list[str]:
    members = inspect.getmembers(DashboardActions, inspect.isfunction)
    return [name for name, _ in members if not name.startswith("_")]


@pytest.mark.parametrize("visitor", [VIEWER, GONE])
@pytest.mark.parametrize("act", acts())
def test_no_act_is_for_viewers_or_for_who_has_logged_out(
    state: AppState, act: str, visitor: Visitor
) -> None:
    problem = "viewers may not" if visitor is VIEWER else "this login has ended"
    with pytest.raises(AffectlineError, match=problem):
        do(DashboardActions(state, visitor), act)
    assert not (state.settings.dashboard.sessions / "audit.jsonl").exists()


def do(actions: DashboardActions, act: str) -> None:
    named = {"paused": True} if act == "pause" else {}
    done = getattr(actions, act)(*ARGUMENTS[act], **named)
    if isinstance(done, Coroutine):
        asyncio.run(done)


def build(state: AppState, visitor: Visitor) -> Client:
    client = Client(page("/test"), request=None)
    with client:
        build_page(PageView(state, visitor), load_panels())
    return client


def listeners(client: Client) -> list[str]:
    """What a page can have the server do."""
    return [
        listener.type
        for element in client.elements.values()
        for listener in element._event_listeners.values()
        if not listener.type.startswith("sub_pages_")  # NiceGUI's own, of every page
    ]


def test_the_page_of_a_viewer_can_do_nothing(state: AppState) -> None:
    assert len(listeners(build(state, LOCAL))) > 10
    assert listeners(build(state, VIEWER)) == []
    assert listeners(build(state, GONE)) == []


def test_what_is_done_is_told(state: AppState) -> None:
    folder = state.settings.dashboard.sessions
    write_recording(folder / "drive")
    actions = DashboardActions(state, OPERATOR)
    edits = actions.edit("drive", "session annotated", lambda edits: edits.annotated(ANNOTATION))
    assert edits.annotations == (ANNOTATION,)
    assert not actions.edit("drive", "annotation removed", lambda one: one.without(1)).annotations
    for file in (*(folder / "drive").iterdir(), folder / "drive"):
        os.utime(file, (0, 0))  # nobody is writing it any more
    actions.delete_session("drive")
    with pytest.raises(AffectlineError):
        actions.delete_session("drive")
    lines = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert [line["did"] for line in lines] == [
        "session annotated", "annotation removed", "session deleted",
    ]  # fmt: skip
    whose = {(line["who"], line["from"], line["session"]) for line in lines}
    assert whose == {("operator 4d5e6f", "192.0.2.8", hash_name("drive"))}
