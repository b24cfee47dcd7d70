"""The viewers' page: the camera's video, and the number of samples of each emotion."""

from collections import Counter
from typing import Final

from nicegui import ui

from affectline.common.labels import LABELS
from affectline.services.collect.capture_panel import Viewfinder
from affectline.services.collect.collector import Collector
from affectline.services.web import components

REFRESH_S: Final = 1.0


class ViewerPanel:
    """The whole page of a viewer, without people's names.

    Args:
        collector: State shared by all pages.
    """

    def __init__(self, collector: Collector) -> None:
        self._collection = collector.collection
        with ui.element("div").classes("af-wide co-parts"):
            with components.card("Camera"):
                finder = Viewfinder(may_capture=False)
                finder.set_active(True)
            with components.card("Samples"):
                self._counts = ui.label().props('role="status"')
        self._refresh()
        ui.timer(REFRESH_S, self._refresh)

    def _refresh(self) -> None:
        counts = Counter(sample.label for sample in self._collection.samples)
        parts = ", ".join(f"{label} {counts[label]}" for label in LABELS)
        self._counts.set_text(f"{counts.total()} in total: {parts}")
