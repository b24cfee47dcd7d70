"""The list of sessions: replay them, read their reports, delete them."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from nicegui import run, ui

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.panels.replay import clock
from affectline.services.web import components as theme

LOOK_S: Final = 3.0
"""How often the folder is looked at."""


class SessionsList:
    """The list, for one viewer.

    Args:
        house: Whose sessions.
        listen_to: Has the page show a feed.
    """

    def __init__(self, house: AppState, listen_to: Callable[[str], None]) -> None:
        self._house, self._listen_to = house, listen_to
        self._rows: list[dict[str, Any]] | None = None
        self._looked = 0.0
        self._is_looking = False
        self._list = ui.element("div").classes("af-sessions").props('role="list"')
        self._doomed = ""
        with ui.dialog() as self._dialog, ui.card().classes("af-dialog"):
            self._dialog.props('aria-label="Delete a session"')
            self._question = ui.label()
            with ui.row():
                ui.button("Delete it", on_click=self._delete).props("no-caps color=negative")
                ui.button("Keep it", on_click=self._dialog.close).props("flat no-caps autofocus")

    async def _look(self) -> None:
        self._is_looking = True
        try:
            rows = await run.io_bound(self._house.shelf.rows)
        finally:
            self._is_looking = False
            self._looked = monotonic()
        if rows is not None and rows != self._rows and not self._list.is_deleted:
            self._rows = rows
            self._draw()

    def refresh(self) -> None:
        """Look at the folder again, when it is time."""
        if not self._is_looking and monotonic() - self._looked > LOOK_S:
            with self._list:
                ui.timer(0, self._look, once=True)

    def _draw(self) -> None:
        self._list.clear()
        with self._list:
            if not self._rows:
                ui.label("No session yet: press Record, or run affectline up --record.")
            for row in self._rows or ():
                self._draw_row(row)

    def _draw_row(self, row: dict[str, Any]) -> None:
        name = row["name"]
        with ui.element("div").classes("af-session").props(f'role="listitem" data-session={name}'):
            ui.label(name).classes("af-name")
            ui.label(describe(row)).classes("af-about")
            with ui.element("div").classes("af-tools"):
                if row["recording"] is not None:
                    self._button("Replay", name, partial(self._open, name))
                if row["report"] == "there":
                    link = ui.link("Report", f"/report/{name}", new_tab=True)
                    link.props(f'rel="noopener" aria-label="Report on {name}"')
                elif row["report"]:
                    ui.label("report is being made")
                elif row["recording"] is not None:
                    self._button("Make report", name, partial(self._make_report, name))
                self._button("Delete", name, partial(self._ask, name))

    def _button(self, word: str, name: str, action: Callable[[], Any]) -> None:
        button = ui.button(word, on_click=action).props("flat dense no-caps")
        button.props(f'aria-label="{word}: {name}"')

    async def _open(self, name: str) -> None:
        try:
            await self._house.open_replay(name)
        except AffectlineError as error:
            theme.complain(error)
        else:
            self._listen_to("replay")

    def _make_report(self, name: str) -> None:
        try:
            self._house.shelf.make_report(name)
        except AffectlineError as error:
            theme.complain(error)
        self._looked = 0.0

    def _ask(self, name: str) -> None:
        self._doomed = name
        self._question.set_text(f"Delete the session {name}, with everything in its folder?")
        self._dialog.open()

    async def _delete(self) -> None:
        self._dialog.close()
        try:
            await run.io_bound(self._house.shelf.delete, self._doomed)
        except AffectlineError as error:
            theme.complain(error)
        self._looked = 0.0


def describe(row: dict[str, Any]) -> str:
    """A session in a few words."""
    parts = [str(row["begun"]).replace("T", " ")[:19]]
    if row["seconds"] is not None:
        parts.append(clock(row["seconds"]))
    if row["streams"]:
        parts.append(", ".join(row["streams"]))
    if row["recording"] is not None:
        parts.append({"": "recorded"}.get(row["recording"], f"recorded: {row['recording']}"))
    if row["bytes"] is not None:
        parts.append(f"{row['bytes'] / 1e6:.1f} MB")
    if row["problem"]:
        parts.append(row["problem"])
    if row["consent"]:
        parts.append(f"consent: {row['consent']}")
    return " · ".join(part for part in parts if part)
