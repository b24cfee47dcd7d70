"""Starts and stops a recording, with a name and a note on consent."""

import time
from typing import ClassVar, Final

from nicegui import ui
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import MOST_TYPED
from affectline.common.settings.study import STUDY_FIELDS, StudySettings
from affectline.services.dashboard.panel import Area, Panel, register
from affectline.services.supervisor.recorder_control import CONSENT_MAX
from affectline.services.web import components

PRIVACY: Final = {
    "everything": "everything",
    "blurred": "faces pixelated",
    "features": "no pictures",
}


@register
class RecordingPanel(Panel):
    """The button in the top bar, and its dialog."""

    area: ClassVar[Area] = "tools"
    order = 30

    def build(self) -> None:
        self._recorder = self.view.state.recorder
        self._shown_problem = self._recorder.problem
        self._button: ui.button | None = None
        if self.view.visitor.may_operate:
            self._button = ui.button("Record", icon="fiber_manual_record", on_click=self._toggle)
            self._button.props("outline no-caps")
        self._status = ui.label().classes("af-recording").props('role="status"')
        self._missing = ui.label().classes("af-recording").props('role="status"')
        if self._button:
            self._has_started = False
            with ui.dialog() as self._dialog, ui.card().classes("af-dialog"):
                self._build_dialog()
            self._dialog.on("hide", self._clear)
        self.view.on_refresh(self._refresh)

    def _build_dialog(self) -> None:
        self._dialog.props('aria-label="Record a session"')
        with ui.element("h2"):
            ui.label("Record a session")
        self._name = ui.input("Name of the session", placeholder="the time, if left empty")
        self._name.props(f"outlined maxlength={MOST_TYPED} autofocus")
        self._consent = ui.textarea("Consent: who agreed to be recorded, when and how")
        self._consent.props(f"outlined maxlength={CONSENT_MAX} rows=3")
        default = self.view.state.settings.recording.privacy
        self._privacy = ui.select(PRIVACY, value=default, label="What is kept")
        self._privacy.props("outlined")
        with ui.expansion("Study").props("dense"), ui.element("div").classes("af-study"):
            known = self.view.state.settings.study.flat()
            self._study = {
                name: ui.input(name.capitalize(), value=known.get(name, "")).props(
                    "dense outlined maxlength=64"
                )
                for name in STUDY_FIELDS
            }
        self._problem = ui.label().classes("af-recording").props('role="alert"')
        with ui.row():
            ui.button("Start recording", on_click=self._start).props("no-caps")
            ui.button("Cancel", on_click=self._dialog.close).props("flat no-caps")

    def _refresh(self) -> None:
        missing = ", ".join(self.view.state.required.missing)
        self._missing.set_text(f"missing: {missing}" if missing else "")
        recorder = self._recorder
        current = recorder.current
        if current is None:
            self._status.set_text("")
        else:
            minutes, seconds = divmod(int(current.seconds), 60)
            action = "finishing" if current.is_stopping else "recording"
            text = f"{action} {current.name}, {minutes}:{seconds:02d}"
            if not self.view.state.status.is_running:
                text = f"{action} {current.name}: nothing arrives"
            self._status.set_text(text)
        if self._button:
            self._button.set_text("Stop recording" if current else "Record")
            self._button.set_enabled(current is None or not current.is_stopping)
        if recorder.problem != self._shown_problem:
            self._shown_problem = recorder.problem
            if recorder.problem:
                components.notify_lasting(recorder.problem)

    def _toggle(self) -> None:
        if self._recorder.current:
            try:
                self.view.actions.stop_recording()
            except AffectlineError as error:
                components.notify_error(error)
            self._refresh()
            return
        # Fill in nothing now: it could overwrite what is already being typed
        self._problem.set_text("")
        self._dialog.open()

    def _start(self) -> None:
        missing = ", ".join(self.view.state.required.missing)
        if missing:
            self._problem.set_text(f"{missing}: missing, and required for a recording")
            return
        try:
            typed = (self._name.value or "").strip() or time.strftime("%Y%m%d-%H%M%S")
            name = self.view.actions.start_recording(
                typed,
                self._consent.value or "",
                self._privacy.value,
                self._read_study(),
            )
        except AffectlineError as error:
            self._problem.set_text(str(error))
            return
        self._dialog.close()
        if name != typed:
            ui.notify(f"Recording {typed} into the folder {name}.", multi_line=True)
        self._has_started = True
        self._refresh()

    def _clear(self) -> None:
        """Clear name and consent, which belong to one recording only.

        This must happen after the dialog is hidden: the browser stores the fields' content when it
        removes them, so content cleared earlier would come back without the server knowing.
        """
        if self._has_started:
            self._has_started = False
            for field in (self._name, self._consent):
                field.set_value("")

    def _read_study(self) -> dict[str, str]:
        """The session's place in a study; an empty text overrides the settings' own.

        Raises:
            AffectlineError: A text is too long.
        """
        study = {name: (field.value or "").strip() for name, field in self._study.items()}
        try:
            StudySettings.model_validate({name: text for name, text in study.items() if text})
        except ValidationError as error:
            first = error.errors()[0]
            raise AffectlineError(f"{first['loc'][0]}: {first['msg']}", "use a code") from error
        return study
