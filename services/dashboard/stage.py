"""The dashboard process' stage: the web server beside the runtime's own loop.

What it hears comes from the hub's outlet, as with any other tool, so that it can never hold the
pipeline up; what is said on the page (markers) goes out over the bus.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final

from affectline.common.errors import AffectlineError
from affectline.common.runtime.stage import Route, Stage
from affectline.common.settings.pipeline import Delivery
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Marker, Packet
from affectline.services.dashboard.spec import DashboardProcess

MARKERS_KEPT: Final = 100
"""Markers that wait for a hub that is away."""


class Dashboard(Stage):
    """Serves the page."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Marker: "bus"}
    tick_ms = 500

    def __init__(self, process: DashboardProcess) -> None:
        self._settings = process.settings
        self._delivery: Delivery = process.settings.delivery or "live"
        self._said: deque[Marker] = deque(maxlen=MARKERS_KEPT)

    def setup(self) -> None:
        try:
            from affectline.services.dashboard.app_state import AppState
            from affectline.services.dashboard.live_page import add_to
            from affectline.services.web.server import WebServer
        except ImportError as error:
            raise AffectlineError(
                f"the dashboard needs NiceGUI ({error})", "pip install 'affectline[dashboard]'"
            ) from error
        context = self.context
        self._house = AppState(self._settings, self._delivery, self._say, lambda: context.now())
        self._web = WebServer(self._settings.dashboard, self._house, add_to(self._house))
        self._web.start()
        self._tell()

    def tick(self) -> Iterator[Packet]:
        if self._web.failure or not self._web.is_alive():
            raise AffectlineError(f"the web server stopped: {self._web.failure}", "start it again")
        for _ in range(len(self._said)):  # one that is refused comes back
            yield Packet(self._said.popleft())
        live = getattr(self._house, "live", None)  # made when the server has started
        if live:
            self.context.counters["in"] = live.ear.heard
            self.context.counters["viewers"] = len(live.audience.viewers)

    def on_send_failed(self, packet: Packet) -> Iterable[Packet]:
        if isinstance(packet.message, Marker):
            self._said.appendleft(packet.message)
        return ()

    def cleanup(self) -> None:
        if hasattr(self, "_web"):
            self._web.stop()

    def _say(self, marker: Marker) -> None:
        """Called by the web server's thread."""
        self._said.append(marker)
        self.context.wake()

    def _tell(self) -> None:
        """Say once where the page is, and what opens it."""
        from affectline.services.web.server import token_path

        token = self._web.token
        lines = [f"dashboard: {self._web.url}"]
        if token and token.is_new:
            lines = [f"dashboard: {self._web.url}?token={token.text}"]
        if token:
            lines.append(f"its token is kept in {token_path(self._settings.dashboard)}")
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
