"""The open replays, each on its own hub; all pages share them."""

import asyncio
from collections.abc import Callable, Sequence
from functools import singledispatchmethod
from pathlib import Path
from typing import Any, Final

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.messages import Emotion
from affectline.services.dashboard.replay_control import ReplayControl
from affectline.services.sessions.session_curves import SessionFacts
from affectline.services.web.hub_client import Aggregator, HubClient

FEED: Final = "replay:"
"""Prefix of a replay's feed, followed by the session's name."""
REPLAYS_MAX: Final = 4
"""Maximum of open replays; each has two processes."""
UNWATCHED_S: Final = 15.0
"""A replay that no page has shown for this long is closed; pages reconnect within ten seconds."""


class ReplayProgressUpdates:
    """Sends pages the position and state of a replay. An `Aggregator` of its hub's client.

    Args:
        control: The replay.
    """

    def __init__(self, control: ReplayControl) -> None:
        self._control = control
        self._face_ns = self._other_ns = 0
        self._told: dict[str, Any] = {}

    @property
    def position(self) -> float:
        """Position of the replay in seconds of the session."""
        return self._control.position(self._face_ns or self._other_ns)

    @property
    def has_shown(self) -> bool:
        """Whether a message has arrived since the replay was moved."""
        return bool(self._face_ns or self._other_ns)

    def add(self, message: Message) -> None:
        self._add(message)

    @singledispatchmethod
    def _add(self, message: Message) -> None:
        """Times of other kinds do not show the position."""

    @_add.register
    def _(self, emotion: Emotion) -> None:
        self._face_ns = emotion.captured_at

    @_add.register(Samples)
    @_add.register(State)
    def _(self, message: Samples | State) -> None:
        """Use signals and states for sessions without faces."""
        self._other_ns = max(self._other_ns, message.at)

    def clear(self) -> None:
        self._face_ns = self._other_ns = 0

    def update(self) -> dict[str, Any] | None:
        now = self.history()
        if now == self._told:
            return None
        self._told = now
        return now

    def history(self) -> dict[str, Any]:
        progress = self._control.progress
        return {
            "kind": "replay", "position": round(self.position, 3), "rate": progress.rate,
            "paused": progress.is_paused, "ended": progress.has_ended,
            "problem": self._control.problem,
        }  # fmt: skip


class OpenReplay:
    """A session that is being replayed.

    Args:
        folder: The session folder.
        control: Plays the session.
        aggregators: Make the updates that pages receive besides frames.
    """

    def __init__(
        self, folder: Path, control: ReplayControl, aggregators: Sequence[Aggregator]
    ) -> None:
        self.control = control
        self.facts = SessionFacts(folder)
        self.updates = ReplayProgressUpdates(control)
        self.hub = HubClient(control.hub, [*aggregators, self.updates])
        self.lock = asyncio.Lock()
        """Held while the replay is moved or closed, because several pages may try at once."""
        self.seeks = 0
        self.watched_at: float | None = None
        """When a page last showed it; None if no page has yet."""

    @property
    def is_watched(self) -> bool:
        """Whether a page shows it now."""
        return bool(self.hub.broadcaster.clients)

    def is_left(self) -> bool:
        """Whether all pages that showed it are closed; pages do not report that themselves."""
        if self.is_watched:
            self.watched_at = monotonic()
        return self.watched_at is not None and monotonic() - self.watched_at > UNWATCHED_S

    def begin_again(self) -> None:
        """Prepare for another time line if the player has to be restarted."""
        if self.control.progress.has_ended:
            self.hub.clear()

    async def close(self) -> None:
        """Stop its processes."""
        await self.hub.close()
        await asyncio.to_thread(self.control.close)


class Replays:
    """All open replays, by session name. Lives in the server's event loop.

    Args:
        find: Returns the folder of a session; raises `AffectlineError` if there is none.
        live_hub: The live hub; nearby ports are used.
        make_aggregators: Makes the aggregators of each hub.
    """

    def __init__(
        self,
        find: Callable[[str], Path],
        live_hub: HubSettings,
        make_aggregators: Callable[[], Sequence[Aggregator]],
    ) -> None:
        self._find, self._live_hub, self._make_aggregators = find, live_hub, make_aggregators
        self._open: dict[str, OpenReplay] = {}
        self._opening = asyncio.Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._open

    def __iter__(self) -> Any:
        return iter(self._open.values())

    def get(self, name: str) -> OpenReplay | None:
        """The replay of a session; None if it is not open."""
        return self._open.get(name)

    def hub(self, feed: str) -> HubClient | None:
        """The hub behind a feed; None if there is none."""
        found = self._open.get(feed.removeprefix(FEED)) if feed.startswith(FEED) else None
        return found.hub if found else None

    async def open(self, name: str, *, is_paused: bool = False) -> OpenReplay:
        """Open the replay of a session; an open replay continues unchanged.

        Args:
            name: The session.
            is_paused: Start paused.

        Raises:
            AffectlineError: It cannot be replayed, or too many others are open.
        """
        folder = self._find(name)
        async with self._opening:
            if known := self._open.get(name):
                return known
            await self._make_room()
            others = [one.control.hub.port for one in self._open.values()]
            control = await asyncio.to_thread(
                ReplayControl, folder, self._live_hub, is_paused=is_paused, others=others
            )
            self._open[name] = found = OpenReplay(folder, control, self._make_aggregators())
            return found

    async def _make_room(self) -> None:
        if len(self._open) < REPLAYS_MAX:
            return
        unwatched = [name for name, one in self._open.items() if not one.is_watched]
        if not unwatched:
            raise AffectlineError(
                f"{REPLAYS_MAX} sessions are being replayed", "close the page of one of them"
            )
        await self.close(unwatched[0])

    async def close(self, name: str) -> None:
        """Close a replay, if it is open."""
        if found := self._open.pop(name, None):
            async with found.lock:
                await found.close()

    async def close_all(self) -> None:
        """Close all replays."""
        await asyncio.gather(*(self.close(name) for name in list(self._open)))

    async def seek(self, name: str, seconds: float, rate: float | None = None) -> None:
        """Continue at another position, or at another rate.

        A key held down requests many positions in a row: of those that arrive while the replay is
        being moved, only the last one counts.
        """
        found = self._open.get(name)
        if found is None:
            return
        found.seeks += 1
        number = found.seeks
        async with found.lock:
            if name in self._open and (rate or number == found.seeks):
                found.begin_again()
                await asyncio.to_thread(found.control.play_from, seconds, rate)

    async def pause(self, name: str, *, paused: bool) -> None:
        """Pause a replay, or resume it."""
        found = self._open.get(name)
        if found is None:
            return
        async with found.lock:
            if name in self._open:
                if not paused:
                    found.begin_again()
                await asyncio.to_thread(found.control.pause, paused=paused)
                if paused and not found.updates.has_shown:
                    # A player that has just started would pause without a frame
                    begin_s = found.control.progress.begin_s
                    await asyncio.to_thread(found.control.play_from, begin_s)

    async def step(self, name: str) -> None:
        """Pause a replay, and show its next frame."""
        found = self._open.get(name)
        if found is not None:
            async with found.lock:
                await asyncio.to_thread(found.control.step)

    async def tick(self) -> None:
        """Check the processes, and close replays that nobody watches."""
        for name, found in list(self._open.items()):
            if not found.lock.locked():
                found.control.tick()
                if found.hub.failure:
                    found.control.problem = f"nothing arrives any more: {found.hub.failure}"
                if found.is_left():
                    await self.close(name)

    def disconnect_clients(self) -> None:
        """Close all clients' sockets."""
        for found in self._open.values():
            found.hub.broadcaster.close()
