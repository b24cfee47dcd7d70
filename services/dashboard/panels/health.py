"""The table of processes and sensors."""

from nicegui.element import Element

from affectline.services.dashboard.panel import STATIC, Panel, register


class ProcessTable(Element, component=STATIC / "processes.js"):
    """Shows what `StatusTracker` publishes of processes and sensors."""


@register
class HealthPanel(Panel):
    """State, rate and latency of every process; value and quality of every sensor."""

    title = "Health"
    order = 50

    def build(self) -> None:
        ProcessTable()
