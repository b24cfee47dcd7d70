"""The list of sessions: replay, report, delete."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from nicegui import run, ui
from nicegui.element import Element

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.services.dashboard.panel import STATIC, Panel, register
from affectline.services.sessions import catalog
from affectline.services.web import components
from affectline.services.web.components import format_duration

RELOAD_PERIOD_S: Final = 3.0
"""How often the folder is read."""


class SessionAbout(
    Element, component=STATIC / "session_about.js", esm={"affectline-dashboard": str(STATIC)}
):
    """Facts about a session, in one line: the browser knows the visitor's time zone."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__()
        self._props.update(describe(row))


@register
class SessionsPanel(Panel):
    """All sessions in the folder, newest first."""

    title = "Sessions"
    order = 40
    is_wide = True

    def build(self) -> None:
        self._store = self.view.state.sessions
        self._rows: list[dict[str, Any]] | None = None
        self._loaded_at = 0.0
        self._is_loading = False
        self._list = ui.element("div").classes("af-sessions")
        if self.view.visitor.may_operate:
            self._build_dialog()
        self.view.on_refresh(self._refresh)

    def _build_dialog(self) -> None:
        self._chosen = ""
        with ui.dialog() as self._dialog, ui.card().classes("af-dialog"):
            self._dialog.props('aria-label="Delete a session"')
            self._question = ui.label()
            with ui.row():
                ui.button("Delete it", on_click=self._delete).props("no-caps color=negative")
                ui.button("Keep it", on_click=self._dialog.close).props("flat no-caps autofocus")

    async def _reload(self) -> None:
        self._is_loading = True
        try:
            rows = await run.io_bound(self._store.list_sessions)
        finally:
            self._is_loading = False
            self._loaded_at = monotonic()
        if rows is not None and rows != self._rows and not self._list.is_deleted:
            self._rows = rows
            self._draw()

    def _refresh(self) -> None:
        if not self._is_loading and monotonic() - self._loaded_at > RELOAD_PERIOD_S:
            with self._list:
                ui.timer(0, self._reload, once=True)

    def _draw(self) -> None:
        self._list.clear()
        self._list.props["role"] = "list" if self._rows else None
        with self._list:
            if not self._rows:
                ui.label("No sessions yet: press Record, or run affectline up --record.")
            for row in self._rows or ():
                self._draw_row(row)

    def _draw_row(self, row: dict[str, Any]) -> None:
        name = row["name"]
        if not self.view.visitor.may_operate:
            row = row | {"consent": ""}  # the note may name people
        with ui.element("div").classes("af-session").props(f'role="listitem" data-session={name}'):
            ui.label(row["title"] or name).classes("af-name")
            SessionAbout(row).classes("af-about")
            for remark in (*row["lacks"], *row["notes"]):
                ui.label(f"{remark[0].upper()}{remark[1:]}.").classes("af-remark")
            with ui.element("div").classes("af-tools"):
                if row["recording"] is not None and self.view.visitor.may_operate:
                    replay = ui.link("Replay", f"/replay/{name}")
                    replay.props(f'aria-label="Replay: {name}"')
                if row["report"] == "ready":
                    link = ui.link("Report", f"/report/{name}", new_tab=True)
                    link.props(f'rel="noopener" aria-label="Report for {name}"')
                elif row["report"]:
                    ui.label("generating the report")
                elif row["recording"] is not None or row["tables"]:
                    self._button("Make report", name, partial(self._generate_report, name))
                self._button("Delete", name, partial(self._confirm_delete, name))

    def _button(self, text: str, name: str, action: Callable[[], Any]) -> None:
        if not self.view.visitor.may_operate:
            return
        button = ui.button(text, on_click=action).props("flat dense no-caps")
        button.props(f'aria-label="{text}: {name}"')

    def _generate_report(self, name: str) -> None:
        try:
            self.view.actions.generate_report(name)
        except AffectlineError as error:
            components.notify_error(error)
        self._loaded_at = 0.0

    def _confirm_delete(self, name: str) -> None:
        self._chosen = name
        self._question.set_text(f"Delete the session {name}, with everything in its folder?")
        self._dialog.open()

    async def _delete(self) -> None:
        self._dialog.close()
        try:
            await run.io_bound(self.view.actions.delete_session, self._chosen)
        except AffectlineError as error:
            components.notify_error(error)
        self._loaded_at = 0.0


def describe(row: dict[str, Any]) -> dict[str, Any]:
    """Describe a session: its name if it has a title, when it began in ms, and more facts."""
    began_at = catalog.began_at(row)
    parts = [] if began_at is not None else [str(row["begun"])]
    if row["seconds"] is not None:
        parts.append(format_duration(row["seconds"]))
    if row["streams"]:
        parts.append(", ".join(row["streams"]))
    if row["recording"] is not None:
        parts.append({"": "recorded"}.get(row["recording"], f"recorded: {row['recording']}"))
    elif row["tables"]:
        parts.append("not recorded: tables only")
    if row["bytes"] is not None:
        parts.append(f"{row['bytes'] / 1e6:.1f} MB")
    if row["problem"]:
        parts.append(row["problem"])
    if row["consent"]:
        parts.append(f"consent: {row['consent']}")
    return {
        "name": row["name"] if row["title"] else "",
        "begun": None if began_at is None else 1000 * began_at,
        "facts": [part for part in parts if part],
    }
