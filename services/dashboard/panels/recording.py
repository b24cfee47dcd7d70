"""Starting and stopping a recording, with a name and a note on consent."""

import time
from typing import ClassVar, Final

from nicegui import ui

from affectline.common.errors import AffectlineError
from affectline.services.dashboard.panel import Area, Panel, register
from affectline.services.supervisor.recorder_control import CONSENT_MAX

PRIVACY: Final = {
    "everything": "everything, as it is",
    "blurred": "faces pixelated",
    "features": "no pictures",
}


@register
class RecordingPanel(Panel):
    """The button in the bar at the top, and its dialog."""

    area: ClassVar[Area] = "tools"
    order = 30

    def build(self) -> None:
        self._recorder = self.view.state.recorder
        self._shown_problem = self._recorder.problem
        self._button = ui.button("Record", icon="fiber_manual_record", on_click=self._toggle)
        self._button.props("outline no-caps")
        self._status = ui.label().classes("af-recording").props('role="status"')
        with ui.dialog() as self._dialog, ui.card().classes("af-dialog"):
            self._build_dialog()
        self.view.on_refresh(self._refresh)

    def _build_dialog(self) -> None:
        self._dialog.props('aria-label="Record a session"')
        with ui.element("h2"):
            ui.label("Record a session")
        self._name = ui.input("Name of the session").props("outlined maxlength=64 autofocus")
        self._consent = ui.textarea("Consent: who agreed to be recorded, when and how")
        self._consent.props(f"outlined maxlength={CONSENT_MAX} rows=3")
        default = self.view.state.settings.recording.privacy
        self._privacy = ui.select(PRIVACY, value=default, label="What is kept")
        self._privacy.props("outlined")
        self._problem = ui.label().classes("af-recording").props('role="alert"')
        with ui.row():
            ui.button("Start recording", on_click=self._start).props("no-caps")
            ui.button("Cancel", on_click=self._dialog.close).props("flat no-caps")

    def _refresh(self) -> None:
        recorder = self._recorder
        current = recorder.current
        if current is None:
            self._button.set_text("Record")
            self._status.set_text("")
        else:
            minutes, seconds = divmod(int(current.seconds), 60)
            self._button.set_text("Stop recording")
            action = "finishing" if current.is_stopping else "recording"
            self._status.set_text(f"{action} {current.name}, {minutes}:{seconds:02d}")
        self._button.set_enabled(current is None or not current.is_stopping)
        if recorder.problem != self._shown_problem:
            self._shown_problem = recorder.problem
            if recorder.problem:
                ui.notify(
                    recorder.problem, type="negative", multi_line=True, timeout=0, close_button="OK"
                )

    def _toggle(self) -> None:
        if self._recorder.current:
            self._recorder.stop()
            self._refresh()
            return
        self._name.set_value(time.strftime("%Y%m%d-%H%M%S"))
        self._consent.set_value("")
        self._problem.set_text("")
        self._dialog.open()

    def _start(self) -> None:
        try:
            self._recorder.start(
                (self._name.value or "").strip(), self._consent.value or "", self._privacy.value
            )
        except AffectlineError as error:
            self._problem.set_text(str(error))
            return
        self._dialog.close()
        self._refresh()
