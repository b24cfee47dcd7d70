"""The status line, with the tables of processes and sensors behind it."""

from typing import ClassVar

from nicegui.element import Element

from affectline.services.dashboard.panel import STATIC, Area, Panel, register


class ProcessTable(Element, component=STATIC / "processes.js"):
    """Shows what `StatusTracker` publishes about processes and sensors."""


@register
class HealthPanel(Panel):
    """State, rate and latency of every process; value and quality of every sensor."""

    area: ClassVar[Area] = "tools"
    order = 1

    def build(self) -> None:
        ProcessTable()
