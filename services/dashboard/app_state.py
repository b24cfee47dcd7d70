"""The state that all pages share: the live hub, recordings and replays."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.run_watch import RunWatch
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.messages import Marker
from affectline.services.dashboard.curve_store import CurveStore
from affectline.services.dashboard.replays import FEED, Replays
from affectline.services.dashboard.required_streams import RequiredStreams
from affectline.services.dashboard.session_store import SessionStore
from affectline.services.supervisor.recorder_control import RecorderControl
from affectline.services.web.audit import FILE, Audit
from affectline.services.web.hub_client import Aggregator, HubClient
from affectline.services.web.status import StatusTracker

MARKER_LABEL_MAX: Final = 1000
TICK_S: Final = 0.2
RECORDER_PATIENCE_S: Final = 0.5
LOOK_AGAIN_S: Final = 2.0
"""How often the session of a finished run is looked for until it is found."""


class AppState:
    """State behind the pages. Lives in the server's event loop.

    Args:
        settings: The pipeline's settings, as far as known here.
        delivery: The pipeline's delivery.
        publish: Publishes a marker on the live hub.
        now: Returns the hub's time, in ns since the Unix epoch.
        aggregators: Make the panels' aggregators for each hub, besides its status.
        has_player: Returns whether a recording is being replayed on the live hub.
        watch: Tells the live hub's runs from each other; None: one of its own.
    """

    live_hub: HubClient

    def __init__(
        self,
        settings: PipelineSettings,
        delivery: Delivery,
        publish: Callable[[Marker], None],
        now: Callable[[], int] = now_ns,
        aggregators: Sequence[Callable[[], Aggregator]] = (),
        has_player: Callable[[], bool] = lambda: False,
        watch: RunWatch | None = None,
    ) -> None:
        self.settings = settings
        self._publish, self._now, self._has_player = publish, now, has_player
        self._aggregators = aggregators
        self.sessions = SessionStore(settings.dashboard.sessions, self._sessions_in_use)
        self.audit = Audit(settings.dashboard.sessions / FILE, "dashboard")
        self.recorder = RecorderControl(settings, delivery, self.sessions.path)
        self.replays = Replays(
            self.sessions.find_recorded,
            settings.hub,
            lambda: [*self._make_aggregators(), StatusTracker(is_replay=True)],
        )
        self.curves = CurveStore(self.sessions.find_recorded)
        """Curves of the replayed sessions."""
        self.status = StatusTracker()
        """Status of the live pipeline."""
        self.watch = watch or RunWatch(settings.hub)
        self._finished: tuple[dict[str, int], str | None] = {}, None
        """The last finished run, by its streams' epochs, and its session."""
        self._look_again_at = 0.0
        self.lost_markers = ""
        """Which markers of the last run were not stored."""
        self.required = RequiredStreams(settings.require)
        """Streams that must be present before a recording starts."""

    async def open(self) -> None:
        """Start listening to the live hub."""
        aggregators = [self.required, *self._make_aggregators(), self.status]
        self.live_hub = HubClient(self.settings.hub, aggregators, self._now, self.watch)
        self._ticking = asyncio.create_task(self._tick())
        self._pruning = asyncio.create_task(asyncio.to_thread(self._apply_retention))

    def _apply_retention(self) -> None:
        if done := self.sessions.apply_retention(self.settings.retention):
            ServiceLogger("dashboard").info("retention: %s", done)

    async def close(self) -> None:
        """Close everything."""
        self._ticking.cancel()
        await self._pruning
        await self.replays.close_all()
        await self.curves.close()
        await self.live_hub.close()
        self.recorder.close(RECORDER_PATIENCE_S)
        self.sessions.close()

    @property
    def viewers(self) -> int:
        """Number of open pages."""
        hubs = [self.live_hub, *(replay.hub for replay in self.replays)]
        return sum(len(hub.broadcaster.clients) for hub in hubs)

    @property
    def has_clients(self) -> bool:
        return self.viewers > 0

    def hub_client(self, feed: str) -> HubClient | None:
        """The hub behind a feed; None if there is none."""
        return self.live_hub if feed == "live" else self.replays.hub(feed)

    def may_save_pictures(self, feed: str) -> bool:
        """Whether a snapshot may contain images.

        It may not while the live session is recorded with pixelated faces or without images. A
        replay shows only what was recorded.
        """
        running, recording = self.recorder.current, self.settings.recording
        kept = {running.privacy} if running else set()
        if recording.record:
            kept.add(recording.privacy)
        return feed.startswith(FEED) or kept <= {"everything"}

    @property
    def finished_session(self) -> str | None:
        """The session that the pipeline has finished; None if unfinished or stored elsewhere."""
        epochs = self.status.epochs
        if not self.status.has_finished:
            return None
        if self._finished[0] != epochs or (
            self._finished[1] is None and monotonic() >= self._look_again_at
        ):
            self._finished = epochs, self.sessions.find_run(epochs)
            self._look_again_at = monotonic() + LOOK_AGAIN_S
        return self._finished[1]

    def clear_live(self) -> None:
        """Show nothing of the live hub's last run any more."""
        if hub := getattr(self, "live_hub", None):  # exists once the server has started
            hub.clear()

    def disconnect_clients(self) -> None:
        """Close all live sockets."""
        self.live_hub.broadcaster.close()
        self.replays.disconnect_clients()

    def publish_marker(self, label: str) -> str:
        """Publish a marker at the time that the page shows now: the film's or the camera's.

        While the hub is being restarted, it is published as soon as the hub is back.

        Returns:
            That time, in words.

        Raises:
            AffectlineError: The label is too long, or there is no pipeline that can take it.
        """
        label = label.strip() or "marker"
        if len(label) > MARKER_LABEL_MAX:
            raise AffectlineError(
                f"the marker's label has {len(label)} characters",
                f"use at most {MARKER_LABEL_MAX} characters",
            )
        self.watch.require()
        session = self.recorder.current.name if self.recorder.current else "session"
        at, moment = self.live_hub.listener.read_session_time(is_replay=self._has_player())
        self._publish(Marker(session=session, at=at, label=label, source="page"))
        return moment

    def _make_aggregators(self) -> list[Aggregator]:
        # The status comes last: it restores what pages clear when curves restart
        return [make() for make in self._aggregators]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.recorder.tick()
            await self.replays.tick()

    def _sessions_in_use(self) -> dict[str, str]:
        """Sessions that must not be deleted now, and why."""
        reasons = {}
        out = self.settings.sink.out
        if out and out.parent == self.sessions.folder and not self.status.has_finished:
            reasons[out.name] = "is being written by the pipeline"
        if self.recorder.current:
            reasons[self.recorder.current.name] = "is being recorded"
        for replay in self.replays:
            if replay.is_watched:  # an unwatched replay is closed soon
                reasons[replay.control.name] = "is being replayed"
        return reasons
