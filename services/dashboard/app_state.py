"""The state that all pages share: the live hub, recordings and the replay."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Literal

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.logs import ServiceLogger
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.messages import Marker
from affectline.services.dashboard.replay_control import ReplayControl
from affectline.services.dashboard.session_store import SessionStore
from affectline.services.supervisor.recorder_control import RecorderControl
from affectline.services.web.hub_client import Aggregator, HubClient
from affectline.services.web.status import StatusTracker

Feed = Literal["live", "replay"]
MARKER_LABEL_MAX: Final = 1000
TICK_S: Final = 0.2
RECORDER_PATIENCE_S: Final = 0.5
UNWATCHED_S: Final = 15.0
"""A replay that no page has shown for so long is closed; pages reconnect within ten seconds."""


class AppState:
    """What the pages show and do. Lives in the server's event loop.

    Args:
        settings: The pipeline's, as far as they are known here.
        delivery: The pipeline's.
        publish: Publishes a marker on the live hub.
        now: The hub's time, in ns since the Unix epoch.
        aggregators: Make what the pages' panels need of each hub, besides its status.
        has_player: Whether a recording is being replayed on the live hub.
    """

    live_hub: HubClient
    replay_hub: HubClient | None = None
    replay: ReplayControl | None = None

    def __init__(
        self,
        settings: PipelineSettings,
        delivery: Delivery,
        publish: Callable[[Marker], None],
        now: Callable[[], int] = now_ns,
        aggregators: Sequence[Callable[[], Aggregator]] = (),
        has_player: Callable[[], bool] = lambda: False,
    ) -> None:
        self.settings = settings
        self._publish, self._now, self._has_player = publish, now, has_player
        self._aggregators = aggregators
        self._replay_lock = asyncio.Lock()
        """Held while the replay is opened, moved or closed: several pages may try to at once."""
        self._seeks = 0
        self._watched_at: float | None = None
        """When a page last showed the replay; None: none has yet."""
        self.sessions = SessionStore(settings.dashboard.sessions, self._sessions_in_use)
        self.recorder = RecorderControl(settings, delivery, self.sessions.path)

    async def open(self) -> None:
        """Start listening to the live hub."""
        aggregators = self._make_aggregators(is_replay=False)
        self.live_hub = HubClient(self.settings.hub, aggregators, self._now)
        self._ticking = asyncio.create_task(self._tick())
        self._pruning = asyncio.create_task(asyncio.to_thread(self._apply_retention))

    def _apply_retention(self) -> None:
        if done := self.sessions.apply_retention(self.settings.retention):
            ServiceLogger("dashboard").info("retention: %s", done)

    async def close(self) -> None:
        """Close everything that was opened."""
        self._ticking.cancel()
        await self._pruning
        await self.close_replay()
        await self.live_hub.close()
        self.recorder.close(RECORDER_PATIENCE_S)
        self.sessions.close()

    def hub_client(self, feed: str) -> HubClient | None:
        """The hub behind a feed; None where there is none."""
        return {"live": self.live_hub, "replay": self.replay_hub}.get(feed)

    def may_save_pictures(self, feed: str) -> bool:
        """Whether a snapshot may hold what is on the screen.

        Not while the live pictures are recorded without faces, or without pictures. A replay shows
        nothing but what was recorded.
        """
        running, recording = self.recorder.current, self.settings.recording
        kept = {running.privacy} if running else set()
        if recording.record:
            kept.add(recording.privacy)
        return feed == "replay" or kept <= {"everything"}

    def disconnect_clients(self) -> None:
        """Close all live sockets."""
        self.live_hub.broadcaster.close()
        if self.replay_hub:
            self.replay_hub.broadcaster.close()

    def publish_marker(self, label: str) -> str:
        """Publish a marker at what the page shows now: a film's own time, or a camera's.

        Returns:
            That moment, in words.

        Raises:
            AffectlineError: Its label is too long.
        """
        label = label.strip() or "marker"
        if len(label) > MARKER_LABEL_MAX:
            raise AffectlineError(
                f"the marker's label has {len(label)} characters",
                f"{MARKER_LABEL_MAX} characters at most",
            )
        session = self.recorder.current.name if self.recorder.current else "session"
        at, moment = self.live_hub.listener.read_session_time(is_replay=self._has_player())
        self._publish(Marker(session=session, at=at, label=label, source="page"))
        return moment

    async def open_replay(self, name: str) -> None:
        """Replay a session; another replay is closed.

        Raises:
            AffectlineError: The session cannot be replayed.
        """
        folder = self.sessions.find(name)
        async with self._replay_lock:
            await self._end_replay()
            self._watched_at = None
            self.replay = await asyncio.to_thread(ReplayControl, folder, self.settings.hub)
            aggregators = self._make_aggregators(is_replay=True)
            self.replay_hub = HubClient(self.replay.hub, aggregators)

    async def close_replay(self) -> None:
        """Close the replay."""
        async with self._replay_lock:
            await self._end_replay()

    async def _end_replay(self) -> None:
        replay, hub = self.replay, self.replay_hub
        self.replay = self.replay_hub = None
        if hub:
            await hub.close()
        if replay:
            await asyncio.to_thread(replay.close)

    async def seek(self, seconds: float, rate: float | None = None) -> None:
        """Continue the replay at another position, or at another rate.

        A key that is held down asks for many positions in a row: of those that come while the
        replay is being moved, only the last one is gone to.
        """
        self._seeks += 1
        number = self._seeks
        async with self._replay_lock:
            replay, hub = self.replay, self.replay_hub
            if replay and hub and (rate or number == self._seeks):
                if replay.progress.has_ended:
                    hub.clear()
                await asyncio.to_thread(replay.play_from, seconds, rate)

    async def toggle_pause(self) -> None:
        """Pause the replay, or continue it."""
        async with self._replay_lock:
            replay, hub = self.replay, self.replay_hub
            if replay and hub:
                if replay.progress.has_ended:
                    hub.clear()
                await asyncio.to_thread(replay.toggle_pause)

    def position(self) -> float:
        """Where the replay is, in seconds; 0 where there is none."""
        if self.replay is None or self.replay_hub is None:
            return 0.0
        return self.replay.position(self.replay_hub.listener.position_ns)

    def _make_aggregators(self, *, is_replay: bool) -> list[Aggregator]:
        # The status comes last: it completes what pages clear when curves begin again
        return [*(make() for make in self._aggregators), StatusTracker(is_replay=is_replay)]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.recorder.tick()
            if self.replay and self.replay_hub and not self._replay_lock.locked():
                self.replay.tick()
                if self._is_unwatched(self.replay_hub):
                    await self.close_replay()

    def _is_unwatched(self, hub: HubClient) -> bool:
        """Whether all pages that showed the replay were closed: they do not tell us."""
        if hub.broadcaster.clients:
            self._watched_at = monotonic()
        return self._watched_at is not None and monotonic() - self._watched_at > UNWATCHED_S

    def _sessions_in_use(self) -> dict[str, str]:
        """Sessions that must not be deleted now, and why."""
        reasons = {}
        if self.settings.sink.out:
            reasons[self.settings.sink.out.name] = "is being written by the pipeline"
        if self.recorder.current:
            reasons[self.recorder.current.name] = "is being recorded"
        if self.replay:
            reasons[self.replay.name] = "is being replayed"
        return reasons
