"""The booth's page: consent, taking, the review wall, and what becomes of the takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from nicegui import ui

from affectline.services.collect.capture_panel import CapturePanel
from affectline.services.collect.collector import Collector
from affectline.services.collect.consent_form import ConsentForm
from affectline.services.collect.export_panel import ExportPanel
from affectline.services.collect.review_panel import ReviewPanel
from affectline.services.collect.routes import add_routes
from affectline.services.web import components as theme

WEB: Final = Path(__file__).parent / "static"
STYLE_URL: Final = "/booth-style"
PARTS: Final = {"take": "Take", "review": "Review", "data": "Export and delete"}


def add_to(booth: Collector) -> Callable[[FastAPI], None]:
    """What has a server show the booth at ``/``."""

    def add(app: FastAPI) -> None:
        add_routes(app, booth)
        app.mount(STYLE_URL, StaticFiles(directory=WEB))
        ui.add_head_html(f'<link rel="stylesheet" href="{STYLE_URL}/collect.css">', shared=True)

        @ui.page("/", title="Affectline: booth")
        def show() -> None:
            CollectPage(booth)

    return add


class CollectPage:
    """The page, for one browser.

    Args:
        booth: What it is about.
    """

    def __init__(self, booth: Collector) -> None:
        self._tabs: dict[str, ui.button] = {}
        with theme.top("booth") as self._where:
            for part, title in PARTS.items():
                tab = ui.button(title, on_click=lambda part=part: self.show(part))
                self._tabs[part] = tab.props("no-caps")
        with ui.element("main").classes("af-main bo-main"):
            self._welcome = ConsentForm(booth, self._begin)
            self._taking = CapturePanel(booth, self._end)
            self._wall = ReviewPanel(booth)
            self._data = ExportPanel(booth, self._gone)
        self._person = ""
        self.show("take")

    def show(self, part: str) -> None:
        """Show one part of the page."""
        self._part = part
        for name, tab in self._tabs.items():
            chosen = name == part
            tab.props(f"{'' if chosen else 'outline'} aria-pressed={str(chosen).lower()}")
            if chosen:
                tab.props(remove="outline")
        self._welcome.set_visibility(part == "take" and not self._person)
        self._taking.show(is_shown=part == "take" and bool(self._person))
        self._wall.show(is_shown=part == "review")
        self._data.show(is_shown=part == "data")
        self._where.set_text(self._person or "booth")

    def _begin(self, person: str) -> None:
        self._person = person
        self._taking.begin(person)
        self.show("take")

    def _end(self) -> None:
        self._person = ""
        self._welcome.clear()
        self.show("take")

    def _gone(self, person: str) -> None:
        """Somebody was deleted."""
        if person == self._person:
            self._person = ""
            self._welcome.clear()
        self.show(self._part)
