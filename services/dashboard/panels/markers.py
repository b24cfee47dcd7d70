"""Publishes markers: a label, a button, and the key M."""

from typing import ClassVar

from nicegui import ui

from affectline.common.errors import AffectlineError
from affectline.services.dashboard.app_state import MARKER_LABEL_MAX
from affectline.services.dashboard.panel import Area, Panel, register
from affectline.services.web import components


@register
class MarkersPanel(Panel):
    """The label of the next marker, and the button that publishes it."""

    area: ClassVar[Area] = "tools"
    order = 20
    for_operators = True

    def build(self) -> None:
        self._label = ui.input(label="Marker")
        self._label.props(f"dense outlined maxlength={MARKER_LABEL_MAX}")
        self._label.props('aria-label="Label of the next marker"')
        self._label.on("keydown.enter", self._publish)
        ui.button("Mark (M)", icon="flag", on_click=self._publish).props("outline no-caps")
        components.KeyBindings({"m": self._publish})
        self._shown_lost = self.view.state.lost_markers
        self.view.on_refresh(self._refresh)

    def _refresh(self) -> None:
        lost = self.view.state.lost_markers
        if lost != self._shown_lost:
            self._shown_lost = lost
            components.notify_lasting(lost)

    def _publish(self) -> None:
        try:
            moment = self.view.actions.publish_marker(self._label.value or "")
        except AffectlineError as error:
            components.notify_error(error)
        else:
            text = f"Marker published at {moment}."
            if not self.view.state.watch.is_sure:
                text = f"Marker kept for {moment}: it is published when the hub is back."
            ui.notify(text, type="positive", timeout=1500)
