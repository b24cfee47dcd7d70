"""Start and stop of a recording, with a name and a note on consent."""

import time
from typing import Final

from nicegui import ui

from affectline.common.errors import AffectlineError
from affectline.services.dashboard.app_state import AppState

PRIVACY: Final = {
    "everything": "everything, as it is",
    "blurred": "faces pixelated",
    "features": "no pictures",
}


class RecordingDialog:
    """The button in the bar at the top, and the dialog behind it.

    Args:
        house: What is recorded.
    """

    def __init__(self, house: AppState) -> None:
        self._house = house
        self._told = house.recordings.problem
        self._button = ui.button("Record", icon="fiber_manual_record", on_click=self._press)
        self._button.props("outline no-caps")
        self._state = ui.label().classes("af-recording").props('role="status"')
        with ui.dialog() as self._dialog, ui.card().classes("af-dialog"):
            self._fill()

    def _fill(self) -> None:
        self._dialog.props('aria-label="Record a session"')
        with ui.element("h2"):
            ui.label("Record a session")
        self._name = ui.input("Name of the session").props("outlined maxlength=64 autofocus")
        self._consent = ui.textarea("Consent: who agreed to be recorded, when and how")
        self._consent.props("outlined maxlength=4000 rows=3")
        usual = self._house.settings.recording.privacy
        self._privacy = ui.select(PRIVACY, value=usual, label="What is kept")
        self._privacy.props("outlined")
        self._problem = ui.label().classes("af-recording").props('role="alert"')
        with ui.row():
            ui.button("Start recording", on_click=self._start).props("no-caps")
            ui.button("Cancel", on_click=self._dialog.close).props("flat no-caps")

    def refresh(self) -> None:
        """Show what is being recorded."""
        recordings = self._house.recordings
        current = recordings.current
        if current is None:
            self._button.set_text("Record")
            self._state.set_text("")
        else:
            minutes, seconds = divmod(int(current.seconds), 60)
            self._button.set_text("Stop recording")
            doing = "finishing" if current.is_stopping else "recording"
            self._state.set_text(f"{doing} {current.name}, {minutes}:{seconds:02d}")
        self._button.set_enabled(current is None or not current.is_stopping)
        if recordings.problem != self._told:
            self._told = recordings.problem
            if self._told:
                ui.notify(
                    self._told, type="negative", multi_line=True, timeout=0, close_button="OK"
                )

    def _press(self) -> None:
        if self._house.recordings.current:
            self._house.recordings.stop()
            self.refresh()
            return
        self._name.set_value(time.strftime("%Y%m%d-%H%M%S"))
        self._consent.set_value("")
        self._problem.set_text("")
        self._dialog.open()

    def _start(self) -> None:
        try:
            self._house.recordings.start(
                (self._name.value or "").strip(), self._consent.value or "", self._privacy.value
            )
        except AffectlineError as error:
            self._problem.set_text(str(error))
            return
        self._dialog.close()
        self.refresh()
