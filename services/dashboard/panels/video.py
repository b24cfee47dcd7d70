"""The pictures of all streams, each with its faces' boxes and probabilities."""

from nicegui.element import Element

from affectline.common.labels import LABELS
from affectline.common.vision.palette import COLOURS
from affectline.services.dashboard.panel import STATIC, Panel, register


class VideoView(Element, component=STATIC / "video.js"):
    """Pictures with boxes and bars; takes snapshots of what is on the screen."""

    def __init__(self, feed: str, hub: str) -> None:
        super().__init__()
        self._props.update(feed=feed, hub=hub, labels=list(LABELS), colours=COLOURS)

    @property
    def feed(self) -> str:
        return str(self._props["feed"])

    def show_feed(self, feed: str) -> None:
        """Show another hub's pictures."""
        self._props["feed"] = feed
        self.update()


@register
class VideoPanel(Panel):
    """The pictures of the feed that the page shows."""

    title = "Pictures"
    order = 20
    is_wide = True

    def build(self) -> None:
        self._video = VideoView(self.view.feed, self.view.state.settings.hub.outlet)
        self.view.on_refresh(self._refresh)

    def _refresh(self) -> None:
        if self._video.feed != self.view.feed:
            self._video.show_feed(self.view.feed)
