"""The page of the dashboard, made of its panels."""

from collections.abc import Callable, Sequence
from typing import Final

from fastapi import FastAPI
from nicegui import ui

from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.panel import STATIC, PageView, Panel
from affectline.services.dashboard.routes import add_routes
from affectline.services.web import components

REFRESH_S: Final = 0.5
STYLE_URL: Final = "/dashboard-style"


def add_to(state: AppState, panels: Sequence[type[Panel]]) -> Callable[[FastAPI], None]:
    """What has a server show the page at ``/``, with its snapshots and reports."""

    def add(app: FastAPI) -> None:
        add_routes(app, state)
        components.add_style(app, STYLE_URL, STATIC, "dashboard.css")

        @ui.page("/", title="Affectline")
        def show() -> None:
            build_page(PageView(state), panels)

    return add


def build_page(view: PageView, panels: Sequence[type[Panel]]) -> None:
    """Build the page for one browser."""
    shown = [panel(view) for panel in panels]
    with components.header("live") as title:
        for panel in shown:
            if panel.area == "tools":
                panel.build()

    def refresh_title() -> None:
        replay = view.state.replay
        is_replay = view.feed == "replay" and replay is not None
        title.set_text(f"replay of {replay.name}" if is_replay and replay else "live")

    view.on_refresh(refresh_title)
    with ui.element("main").classes("af-main"):
        for panel in shown:
            if panel.area == "main":
                build_panel(panel)
    ui.timer(REFRESH_S, view.refresh)


def build_panel(panel: Panel) -> None:
    """Build a panel in its card."""
    if not panel.title:
        panel.build()
        return
    with components.card(panel.title, "af-wide" if panel.is_wide else ""):
        panel.build()
