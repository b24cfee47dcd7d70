"""Style and elements shared by all pages."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from affectline.common.errors import AffectlineError
from affectline.common.palette import THEMES, css_variables
from affectline.services.web.auth import LOGOUT_PATH
from affectline.services.web.logins import LOCAL, Visitor

STATIC: Final = Path(__file__).parent / "static"
"""Scripts and styles of all pages, besides NiceGUI's own."""
STYLE_URL: Final = "/style"
ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
    'rx="6" fill="#0072b2"/><path d="M4 20h6l3-9 5 15 4-10 2 4h4" fill="none" stroke="#fff" '
    'stroke-width="2.5" stroke-linejoin="round" stroke-linecap="round"/></svg>'
)


class KeyBindings(
    Element, component=STATIC / "key_bindings.js", esm={"affectline-web": str(STATIC)}
):
    """Calls functions when keys are pressed, except while the user is typing.

    Its registration also makes the shared scripts available to the browser as ``affectline-web``.

    Args:
        actions: A function for each key.
    """

    def __init__(self, actions: Mapping[str, Callable[[], object]]) -> None:
        super().__init__()
        self._actions = dict(actions)
        self._props["keys"] = list(actions)
        self.on("press", self._on_key)

    def _on_key(self, event: GenericEventArguments) -> object:
        """Call the function of a key; NiceGUI awaits an asynchronous result."""
        action = self._actions.get(event.args)
        return action() if action else None


def add_style(app: FastAPI, url: str, folder: Path, file: str) -> None:
    """Serve a folder, and add a style sheet in it to all pages.

    Args:
        app: The server's application.
        url: URL of the folder.
        folder: The folder.
        file: Name of the style sheet.
    """
    app.mount(url, StaticFiles(directory=folder))
    ui.add_head_html(f'<link rel="stylesheet" href="{url}/{file}">', shared=True)


def add_shared_style(app: FastAPI) -> None:
    """Serve the style of all pages, with the colours of `affectline.common.palette`."""
    ui.add_head_html(f"<style>{palette_style()}</style>", shared=True)
    add_style(app, STYLE_URL, STATIC, "style.css")


def palette_style() -> str:
    """The palette as CSS variables; light or dark follows the system."""
    light, dark = (
        "".join(f"{name}:{colour};" for name, colour in css_variables(theme).items())
        for theme in THEMES
    )
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"


@contextmanager
def header(title: str, visitor: Visitor) -> Iterator[ui.label]:
    """The top bar of a page: name, what the page shows, tools, and logout.

    Args:
        title: What the page shows.
        visitor: Who has opened the page.
    """
    with ui.element("header").classes("af-top"):
        ui.html("<h1>Affectline</h1>", sanitize=False)
        label = ui.label(title).classes("af-where").props('role="status"')
        with ui.element("div").classes("af-tools"):
            yield label
            if visitor is not LOCAL:
                add_logout(visitor)


def add_logout(visitor: Visitor) -> None:
    """Add a form that ends the login, and a note if the visitor is a viewer."""
    if visitor.role == "viewer":
        ui.label("viewer").classes("af-where").props('title="View only"')
    with ui.element("form").props(f'method=post action="{LOGOUT_PATH}"'):
        button = ui.button("Log out").props("flat no-caps type=submit")
        button.props(f'title="You are {visitor.name}" aria-label="Log out: {visitor.name}"')


@contextmanager
def card(title: str, classes: str = "") -> Iterator[Element]:
    """A section of a page with its heading."""
    with ui.element("section").classes(f"af-card {classes}") as section:
        heading = ui.element("h2")
        with heading:
            ui.label(title)
        yield section


def notify_error(error: AffectlineError) -> None:
    """Show the user an error, as plain text."""
    ui.notify(str(error), type="negative", multi_line=True)


def notify_lasting(text: str) -> None:
    """Show the user a problem until it is clicked away, as plain text."""
    ui.notify(text, type="negative", multi_line=True, timeout=0, close_button="OK")


def format_duration(seconds: float) -> str:
    """Format minutes and seconds, such as ``1:02.5``."""
    minutes, rest = divmod(max(0.0, seconds), 60)
    return f"{int(minutes)}:{rest:04.1f}"
