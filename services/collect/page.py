"""The page of ``affectline collect``: consent, capture, review, and export."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from nicegui import ui

from affectline.services.collect.capture_panel import CapturePanel
from affectline.services.collect.collector import Collector
from affectline.services.collect.consent_form import ConsentForm
from affectline.services.collect.export_panel import ExportPanel
from affectline.services.collect.review_panel import ReviewPanel
from affectline.services.collect.routes import add_routes
from affectline.services.web import components

STATIC: Final = Path(__file__).parent / "static"
STYLE_URL: Final = "/collect-style"
TITLE: Final = "Collecting a dataset"
TABS: Final = {"capture": "Capture", "review": "Review", "export": "Export and delete"}


def add_to(collector: Collector) -> Callable[[FastAPI], None]:
    """What has a server show the page at ``/``."""

    def add(app: FastAPI) -> None:
        add_routes(app, collector)
        components.add_style(app, STYLE_URL, STATIC, "collect.css")

        @ui.page("/", title="Affectline: collect")
        def show() -> None:
            CollectPage(collector)

    return add


class CollectPage:
    """The page, for one browser.

    Args:
        collector: What all browsers share.
    """

    def __init__(self, collector: Collector) -> None:
        self._tabs: dict[str, ui.button] = {}
        with components.header(TITLE) as self._title:
            for name, text in TABS.items():
                tab = ui.button(text, on_click=lambda name=name: self.show(name))
                self._tabs[name] = tab.props("no-caps")
        with ui.element("main").classes("af-main co-main"):
            self._consent_form = ConsentForm(collector, self._begin)
            self._capture_panel = CapturePanel(collector, self._end)
            self._review_panel = ReviewPanel(collector)
            self._export_panel = ExportPanel(collector, self._on_person_deleted)
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
