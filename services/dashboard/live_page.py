"""The dashboard's page, made of its panels."""

from collections.abc import Callable, Sequence
from typing import Final

from fastapi import FastAPI, Request
from nicegui import ui

from affectline.services.dashboard import replay_page
from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.panel import STATIC, PageView, Panel
from affectline.services.dashboard.routes import add_curves, add_routes
from affectline.services.web import components
from affectline.services.web.logins import visitor_of

REFRESH_S: Final = 0.5
STYLE_URL: Final = "/dashboard-style"


def add_to(state: AppState, panels: Sequence[type[Panel]]) -> Callable[[FastAPI], None]:
    """Return a function that adds the page ``/``, with snapshots and reports, to a server."""

    def add(app: FastAPI) -> None:
        add_routes(app, state)
        add_curves(app, state)
        replay_page.add_to(app, state)
        components.add_style(app, STYLE_URL, STATIC, "dashboard.css")

        @ui.page("/", title="Affectline")
        def show(request: Request) -> None:
            build_page(PageView(state, visitor_of(request.scope)), panels)

    return add


def build_page(view: PageView, panels: Sequence[type[Panel]]) -> None:
    """Build the page for one browser."""
    may_operate = view.visitor.may_operate
    shown = [panel(view) for panel in panels if may_operate or not panel.for_operators]
    with components.header("live", view.visitor):
        for panel in shown:
            if panel.area == "tools":
                panel.build()
    with ui.element("div").classes("af-main"):  # NiceGUI adds the <main> element
        for panel in shown:
            if panel.area == "main":
                build_panel(panel)
    ui.timer(REFRESH_S, view.refresh)


def build_panel(panel: Panel) -> None:
    """Build a panel in its card."""
    if not panel.title:
        panel.build()
        return
    # Panels side by side need no visible headings
    with components.card(panel.title, "af-wide" if panel.is_wide else "af-beside"):
        panel.build()
