"""The stage of the dashboard process: a web server in parallel to the runtime's own loop.

It subscribes to the hub's outlet like any other tool, so it can never delay the pipeline. Markers
set on the page are published on the bus.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final

from affectline.common.errors import AffectlineError
from affectline.common.logs import adopt
from affectline.common.runtime.stage import Route, Stage
from affectline.common.settings.hub import Delivery
from affectline.common.wire.base import Message
from affectline.common.wire.control import REPLAY
from affectline.common.wire.messages import Marker, Packet
from affectline.services.dashboard.spec import DashboardProcess

MARKERS_KEPT: Final = 100
"""Maximum of markers queued while the hub is unavailable."""


class Dashboard(Stage):
    """Serves the page."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Marker: "bus"}
    tick_ms = 500

    def __init__(self, process: DashboardProcess) -> None:
        self._settings = process.settings
        self._delivery: Delivery = process.settings.delivery or "live"
        self._markers: deque[Marker] = deque(maxlen=MARKERS_KEPT)

    def setup(self) -> None:
        try:
            from affectline.services.dashboard.app_state import AppState
            from affectline.services.dashboard.live_page import add_to
            from affectline.services.dashboard.panel import load_panels
            from affectline.services.web.server import WebServer
        except ImportError as error:
            raise AffectlineError(
                f"the dashboard needs NiceGUI ({error})", "pip install 'affectline[dashboard]'"
            ) from error
        context = self.context
        panels = load_panels()
        adopt("uvicorn", self.context.log)
        self._state = AppState(
            self._settings, self._delivery, self._enqueue, lambda: context.now(),
            [panel.aggregator for panel in panels if panel.aggregator],
            lambda: REPLAY in context.ready,
        )  # fmt: skip
        self._web = WebServer(self._settings.dashboard, self._state, add_to(self._state, panels))
        self._web.start()
        self._announce()

    def tick(self) -> Iterator[Packet]:
        self._web.check()
        for _ in range(len(self._markers)):  # a marker that cannot be sent is queued again
            yield Packet(self._markers.popleft())
        hub = getattr(self._state, "live_hub", None)  # exists once the server has started
        if hub:
            self.context.counters["in"] = hub.listener.received
            self.context.counters["viewers"] = self._state.viewers
        self.context.counters["wrong_tokens"] = self._web.wrong_tokens.count

    def on_send_failed(self, packet: Packet) -> Iterable[Packet]:
        if isinstance(packet.message, Marker):
            self._markers.appendleft(packet.message)
        return ()

    def cleanup(self) -> None:
        if hasattr(self, "_web"):
            self._web.stop()

    def _enqueue(self, marker: Marker) -> None:
        """Called by the web server's thread."""
        self._markers.append(marker)
        self.context.wake()

    def _announce(self) -> None:
        """Print the page's address, and how to log in."""
        sys.stdout.write("\n".join(self._web.announce("dashboard")) + "\n")
        sys.stdout.flush()
        self._web.open_browser()
