"""The button for a snapshot of all streams; the script of the video panel takes it."""

from typing import ClassVar

from nicegui import ui

from affectline.services.dashboard.panel import Area, Panel, register


@register
class SnapshotPanel(Panel):
    """A button that triggers the snapshot key."""

    area: ClassVar[Area] = "tools"
    order = 10
    for_operators = True

    def build(self) -> None:
        ui.button("Snapshot (K)", icon="photo_camera").props("outline no-caps").on(
            "click", js_handler="() => document.dispatchEvent(new KeyboardEvent('keydown', "
            "{key: 'k'}))",
        )  # fmt: skip
