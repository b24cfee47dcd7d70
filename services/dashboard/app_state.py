"""Everything that the pages are about, in one place: what is live, recorded and replayed."""

import asyncio
from collections.abc import Callable
from typing import Final, Literal

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import Delivery, PipelineSettings
from affectline.common.wire.messages import Marker
from affectline.services.dashboard.hub_client import HubClient
from affectline.services.dashboard.recorder_control import RecorderControl
from affectline.services.dashboard.replay_control import ReplayControl
from affectline.services.dashboard.session_store import SessionStore

Feed = Literal["live", "replay"]
TICK_S: Final = 0.2
RECORDER_PATIENCE_S: Final = 0.5
UNWATCHED_S: Final = 15.0
"""A replay that nobody has watched for so long ends; a page finds its server again in ten."""


class AppState:
    """What the pages show and do. Lives in the server's event loop.

    Args:
        settings: The pipeline's, as far as they are known here.
        delivery: The pipeline's.
        publish: Says something on the live bus.
        now: The hub's time, in ns since the Unix epoch.
    """

    live: HubClient
    replay: HubClient | None = None
    playback: ReplayControl | None = None

    def __init__(
        self,
        settings: PipelineSettings,
        delivery: Delivery,
        publish: Callable[[Marker], None],
        now: Callable[[], int] = now_ns,
    ) -> None:
        self.settings = settings
        self._publish, self._now = publish, now
        self._steering = asyncio.Lock()
        """Held by whoever opens, moves or ends the replay: several pages may want to at once."""
        self._seeks = 0
        self._watched: float | None = None
        """When somebody last watched the replay; None: nobody has come yet."""
        self.shelf = SessionStore(settings.dashboard.sessions, self._in_use)
        self.recordings = RecorderControl(settings, delivery, self.shelf)

    async def open(self) -> None:
        """Begin to listen."""
        self.live = HubClient(self.settings.hub)
        self._ticking = asyncio.create_task(self._tick())

    async def close(self) -> None:
        """End everything that was begun here."""
        self._ticking.cancel()
        await self.close_replay()
        await self.live.close()
        self.recordings.close(RECORDER_PATIENCE_S)
        self.shelf.close()

    def channel(self, feed: str) -> HubClient | None:
        """The hub that a page wants to listen to; None where there is none."""
        return {"live": self.live, "replay": self.replay}.get(feed)

    def send_away(self) -> None:
        """End all live sockets."""
        self.live.audience.close()
        if self.replay:
            self.replay.audience.close()

    def mark(self, label: str) -> None:
        """Set a marker, now.

        Raises:
            AffectlineError: It has no label, or too long a one.
        """
        label = label.strip() or "marker"
        if len(label) > 1000:
            raise AffectlineError("the marker's label is too long", "1000 characters at most")
        session = self.recordings.current.name if self.recordings.current else "session"
        self._publish(Marker(session=session, at=self._now(), label=label, source="page"))

    async def open_replay(self, name: str) -> None:
        """Replay a session; another one that was replayed ends.

        Raises:
            AffectlineError: It cannot be.
        """
        place = self.shelf.session(name)
        async with self._steering:
            await self._end_replay()
            self._watched = None
            self.playback = await asyncio.to_thread(ReplayControl, place, self.settings.hub)
            self.replay = HubClient(self.playback.hub, is_replay=True)

    async def close_replay(self) -> None:
        """End the replay."""
        async with self._steering:
            await self._end_replay()

    async def _end_replay(self) -> None:
        playback, channel = self.playback, self.replay
        self.playback = self.replay = None
        if channel:
            await channel.close()
        if playback:
            await asyncio.to_thread(playback.close)

    async def seek(self, seconds: float, rate: float | None = None) -> None:
        """Have the replay go on somewhere else, or at another rate.

        A key that is held down asks for many places in a row: those that were asked for in vain
        meanwhile are passed over.
        """
        self._seeks += 1
        number = self._seeks
        async with self._steering:
            playback, channel = self.playback, self.replay
            if playback and channel and (rate or number == self._seeks):
                if playback.progress.has_ended:
                    channel.clear()
                await asyncio.to_thread(playback.play_from, seconds, rate)

    async def pause(self) -> None:
        """Pause the replay, or have it go on."""
        async with self._steering:
            playback, channel = self.playback, self.replay
            if playback and channel:
                if playback.progress.has_ended:
                    channel.clear()
                await asyncio.to_thread(playback.pause)

    def position(self) -> float:
        """Where the replay is, in seconds; 0 where there is none."""
        if self.playback is None or self.replay is None:
            return 0.0
        return self.playback.position(self.replay.ear.position_ns)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.recordings.tick()
            if self.playback and self.replay and not self._steering.locked():
                self.playback.tick()
                if self._is_left_alone(self.replay):
                    await self.close_replay()

    def _is_left_alone(self, replay: HubClient) -> bool:
        """Whether all pages that watched the replay were closed: they do not say so."""
        if replay.audience.viewers:
            self._watched = monotonic()
        return self._watched is not None and monotonic() - self._watched > UNWATCHED_S

    def _in_use(self) -> dict[str, str]:
        """Sessions that must not be deleted now, and why."""
        found = {}
        if self.settings.sink.out:
            found[self.settings.sink.out.name] = "is being written by the pipeline"
        if self.recordings.current:
            found[self.recordings.current.name] = "is being recorded"
        if self.playback:
            found[self.playback.name] = "is being replayed"
        return found
