"""Curves of expressions, signals and nervousness under one time axis."""

from nicegui.element import Element
from nicegui.elements import echart

from affectline.common.labels import LABELS
from affectline.common.vision.sign_words import DOUBT_WORDS
from affectline.common.wire.face_signs import DOUBTS
from affectline.services.dashboard.curves import Curves
from affectline.services.dashboard.panel import STATIC, Panel, register

__all__ = ["SignalsPanel", "echart"]  # importing echart loads its script in the browser


class CurvesChart(
    Element, component=STATIC / "curves.js", esm={"affectline-dashboard": str(STATIC)}
):
    """Draws what `Curves` publishes."""

    def __init__(self) -> None:
        super().__init__()
        self._props.update(labels=list(LABELS), doubts=[DOUBT_WORDS[doubt] for doubt in DOUBTS])


@register
class SignalsPanel(Panel):
    """The curves of the last minutes."""

    title = "Curves"
    order = 30
    aggregator = Curves

    def build(self) -> None:
        CurvesChart()
