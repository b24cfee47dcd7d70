"""The video of all streams, one in focus, with the boxes and probabilities of faces."""

from nicegui.element import Element

from affectline.common.labels import LABELS
from affectline.common.vision.palette import COLOURS
from affectline.services.dashboard.panel import STATIC, Panel, register


class VideoView(Element, component=STATIC / "video.js"):
    """Frames with boxes and bars; takes snapshots of the screen.

    Args:
        hub: The hub as ``--hub`` takes it, for texts.
        may_save: Whether the visitor may take snapshots.
    """

    def __init__(self, hub: str, *, may_save: bool) -> None:
        super().__init__()
        self._props.update(hub=hub, labels=list(LABELS), colours=COLOURS)
        self._props["may-save"] = may_save


@register
class VideoPanel(Panel):
    """The streams of the live hub."""

    title = "Video"
    order = 20

    def build(self) -> None:
        hub = self.view.state.settings.hub
        VideoView(f"{hub.host}:{hub.port}", may_save=self.view.visitor.may_operate)
