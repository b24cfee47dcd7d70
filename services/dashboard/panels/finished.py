"""Actions after a run has ended: report, replay, export."""

from nicegui import ui

from affectline.services.dashboard.panel import Panel, register


@register
class FinishedPanel(Panel):
    """A row above the video, once all films have ended and everything is written."""

    order = 5

    def build(self) -> None:
        with ui.element("section").classes("af-card af-wide af-finished") as self._bar:
            self._bar.props('aria-label="Finished"')
            ui.label("Finished").classes("af-name").props('role="status"')
            self._where = ui.label().classes("af-about")
            self._tools = ui.element("div").classes("af-tools")
        self._shown: tuple[str, str] | None = None
        self._bar.set_visibility(False)
        self.view.on_refresh(self._refresh)

    def _refresh(self) -> None:
        state = self.view.state
        has_finished = state.status.has_finished
        self._bar.set_visibility(has_finished)
        name = state.finished_session or ""
        report = state.sessions.report_state(name) if name else ""
        if has_finished and self._shown != (name, report):
            self._shown = name, report
            self._draw(name, report)

    def _draw(self, name: str, report: str) -> None:
        state = self.view.state
        out = state.settings.sink.out
        elsewhere = f"written to {out}" if out else f"its session is not in {state.sessions.folder}"
        self._where.set_text(name or elsewhere)
        self._tools.clear()
        if not name:
            return
        may_operate = self.view.visitor.may_operate
        with self._tools:
            if may_operate or report == "ready":  # opening it generates it
                ui.link("Open report", f"/report/{name}", new_tab=True).props("rel=noopener")
            if may_operate:
                if self.view.state.sessions.is_recorded(name):
                    ui.link("Replay", f"/replay/{name}")
                ui.link("Export tables", f"/tables/{name}").props("download")
