"""The table of head pose, eyes, drowsiness and looking away."""

from nicegui.element import Element

from affectline.services.dashboard.panel import STATIC, Panel, register
from affectline.services.dashboard.sign_readings import SignReadings


class SignsTable(Element, component=STATIC / "signs.js"):
    """Shows what `SignReadings` publishes."""


@register
class SignsPanel(Panel):
    """Head, eyes, blinks, PERCLOS, gaze and doubts of every face; drowsiness of every person."""

    title = "Head and eyes"
    order = 35
    aggregator = SignReadings

    def build(self) -> None:
        SignsTable()
