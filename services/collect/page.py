"""The page of ``affectline collect``: consent, capture, review, and export."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from nicegui import ui

from affectline.services.collect.actions import BoothActions
from affectline.services.collect.capture_panel import CapturePanel
from affectline.services.collect.collector import Collector
from affectline.services.collect.consent_form import ConsentForm
from affectline.services.collect.export_panel import ExportPanel
from affectline.services.collect.review_panel import ReviewPanel
from affectline.services.collect.routes import add_routes
from affectline.services.collect.viewer_panel import ViewerPanel
from affectline.services.web import components
from affectline.services.web.logins import Visitor, visitor_of

STATIC: Final = Path(__file__).parent / "static"
STYLE_URL: Final = "/collect-style"
TITLE: Final = "Collecting a dataset"
TABS: Final = {"capture": "Capture", "review": "Review", "export": "Export and delete"}


def add_to(collector: Collector) -> Callable[[FastAPI], None]:
    """Return a function that adds the page ``/`` to a server."""

    def add(app: FastAPI) -> None:
        add_routes(app, collector)
        components.add_style(app, STYLE_URL, STATIC, "collect.css")

        @ui.page("/", title="Affectline: collect")
        def show(request: Request) -> None:
            visitor = visitor_of(request.scope)
            if visitor.may_operate:
                CollectPage(collector, visitor)
            else:
                build_viewer_page(collector, visitor)

    return add


def build_viewer_page(collector: Collector, visitor: Visitor) -> None:
    """Build the page for a viewer, who can only watch."""
    with components.header(TITLE, visitor):
        pass
    with ui.element("div").classes("af-main co-main"):
        ViewerPanel(collector)


class CollectPage:
    """The page in one browser.

    Args:
        collector: State shared by all browsers.
        visitor: Who has opened the page.
    """

    def __init__(self, collector: Collector, visitor: Visitor) -> None:
        self._tabs: dict[str, ui.button] = {}
        actions = BoothActions(collector, visitor)
        with components.header(TITLE, visitor) as self._title:
            for name, text in TABS.items():
                tab = ui.button(text, on_click=lambda name=name: self.show(name))
                self._tabs[name] = tab.props("no-caps")
        with ui.element("div").classes("af-main co-main"):
            self._consent_form = ConsentForm(collector, actions, self._begin)
            self._capture_panel = CapturePanel(collector, actions, self._end)
            self._review_panel = ReviewPanel(collector, actions)
            self._export_panel = ExportPanel(collector, actions, self._on_person_deleted)
        self._person = ""
        self.show("capture")

    def show(self, tab_name: str) -> None:
        """Show one tab of the page."""
        self._shown = tab_name
        for name, tab in self._tabs.items():
            is_shown = name == tab_name
            tab.props(f"{'' if is_shown else 'outline'} aria-pressed={str(is_shown).lower()}")
            if is_shown:
                tab.props(remove="outline")
        self._consent_form.set_visibility(tab_name == "capture" and not self._person)
        self._capture_panel.show(is_shown=tab_name == "capture" and bool(self._person))
        self._review_panel.show(is_shown=tab_name == "review")
        self._export_panel.show(is_shown=tab_name == "export")
        self._title.set_text(self._person or TITLE)

    def _begin(self, person: str) -> None:
        self._person = person
        self._capture_panel.begin(person)
        self.show("capture")

    def _end(self) -> None:
        self._person = ""
        self._consent_form.clear()
        self.show("capture")

    def _on_person_deleted(self, person: str) -> None:
        if person == self._person:
            self._person = ""
            self._consent_form.clear()
        self.show(self._shown)
