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
from affectline.common.runtime.run_watch import RunWatch, describe_lost
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
        self._markers: deque[tuple[int, Marker]] = deque(maxlen=MARKERS_KEPT)
        """The markers to publish, each with the number of the run that it was set in."""
        self._watch = RunWatch(process.settings.hub)
        self._run = 0
        """Number of the run that markers are kept for."""

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
            lambda: REPLAY in context.ready, self._watch,
        )  # fmt: skip
        self._web = WebServer(self._settings.dashboard, self._state, add_to(self._state, panels))
        self._web.start()
        self._announce()

    def tick(self) -> Iterator[Packet]:
        self._web.check()
        if self._watch.runs != self._run:
            self._begin_run()
        waiting = len(self._markers) if self.may_send_again else 0
        for _ in range(waiting):  # a marker that cannot be sent is queued again
            yield Packet(self._markers.popleft()[1])
        hub = getattr(self._state, "live_hub", None)  # exists once the server has started
        if hub:
            self.context.counters["in"] = hub.listener.received
            self.context.counters["viewers"] = self._state.viewers
        self.context.counters["wrong_tokens"] = self._web.wrong_tokens.count

    def on_send_failed(self, packet: Packet) -> Iterable[Packet]:
        if isinstance(packet.message, Marker):
            self._markers.appendleft((self._run, packet.message))
        return ()

    @property
    def may_send_again(self) -> bool:
        return self._watch.is_sure and self._watch.runs == self._run

    def on_hub_lost(self) -> None:
        self._watch.lose_hub()

    def on_consumers_ready(self, services: set[str]) -> Iterable[Packet]:
        if self._watch.find_hub():
            self._state.clear_live()
        return ()

    def _begin_run(self) -> None:
        """Forget the markers that the run of before did not take, and say so."""
        self._run = run = self._watch.runs
        outbox = self.context.outbox
        lost = [packet.message for packet in outbox.clear()] if outbox else []
        queued = [self._markers.popleft() for _ in range(len(self._markers))]
        lost += [marker for number, marker in queued if number != run and marker not in lost]
        self._markers.extend((number, marker) for number, marker in queued if number == run)
        if lost:
            self._state.lost_markers = describe_lost(lost)
            self.context.log.warning("%s", self._state.lost_markers)

    def cleanup(self) -> None:
        if hasattr(self, "_web"):
            self._web.stop()

    def _enqueue(self, marker: Marker) -> None:
        """Called by the web server's thread."""
        self._markers.append((self._watch.runs, marker))
        self.context.wake()

    def _announce(self) -> None:
        """Print the page's address, and how to log in."""
        sys.stdout.write("\n".join(self._web.announce("dashboard")) + "\n")
        sys.stdout.flush()
        self._web.open_browser()
