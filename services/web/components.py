"""What all pages look like, and the browser components that they are made of."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nicegui import ui
from nicegui.element import Element
from nicegui.elements import echart

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.vision.palette import COLOURS

ECHARTS: Final = echart.__name__
"""Importing it makes the script known to the pages, for `CurvesChart`."""
WEB: Final = Path(__file__).parent / "static"
"""Our own scripts and styles; the toolkit brings its own."""
STYLE_URL: Final = "/style"
ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
    'rx="6" fill="#0072b2"/><path d="M4 20h6l3-9 5 15 4-10 2 4h4" fill="none" stroke="#fff" '
    'stroke-width="2.5" stroke-linejoin="round" stroke-linecap="round"/></svg>'
)


class VideoView(Element, component=WEB / "live.js", esm={"affectline-dashboard": str(WEB)}):
    """Pictures with boxes and bars."""

    def __init__(self, feed: str, hub: str) -> None:
        super().__init__()
        self._props.update(feed=feed, hub=hub, labels=list(LABELS), colours=COLOURS)

    def listen_to(self, feed: str) -> None:
        """Show another hub's pictures."""
        self._props["feed"] = feed
        self.update()


class CurvesChart(Element, component=WEB / "curves.js"):
    """Curves under one time axis."""

    def __init__(self) -> None:
        super().__init__()
        self._props.update(labels=list(LABELS), colours=COLOURS)


class ProcessTable(Element, component=WEB / "processes.js"):
    """How the processes and sensors are."""


def set_up() -> None:
    """Once, before the first page: the style of all of them."""
    ui.add_head_html(f'<link rel="stylesheet" href="{STYLE_URL}/style.css">', shared=True)


@contextmanager
def top(where: str) -> Iterator[ui.label]:
    """The bar at the top of a page: its name, where it is, and its tools.

    Args:
        where: What the page shows.
    """
    with ui.element("header").classes("af-top"):
        ui.html("<h1>Affectline</h1>", sanitize=False)
        label = ui.label(where).classes("af-where").props('role="status"')
        with ui.element("div").classes("af-tools"):
            yield label


@contextmanager
def card(title: str, classes: str = "") -> Iterator[None]:
    """A part of a page with its heading."""
    with ui.element("section").classes(f"af-card {classes}"):
        heading = ui.element("h2")
        with heading:
            ui.label(title)
        yield


def complain(error: AffectlineError) -> None:
    """Tell the user what was wrong; as text, whatever it holds."""
    ui.notify(str(error), type="negative", multi_line=True)
