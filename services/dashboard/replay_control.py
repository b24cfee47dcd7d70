"""A recorded session, played on a hub of its own: the page listens there instead."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affectline.common.errors import AffectlineError
from affectline.common.runtime.keyboard import PAUSE
from affectline.common.runtime.sockets import taken_ports
from affectline.common.settings.pipeline import HubSettings
from affectline.services.sessions.catalog import describe
from affectline.services.supervisor.process import ManagedProcess, ProcessSpec

RATES: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
FIRST_PORT_ON: Final = 100
"""The first port tried is so many above the live hub's."""
TRIES: Final = 200
ANSWERS: Final = "emotion/"


@dataclass
class ReplayProgress:
    """Where a replay stands."""

    begin_s: float = 0.0
    """Where the player began."""
    rate: float = 1.0
    is_paused: bool = False
    has_ended: bool = False


class ReplayControl:
    """One session being replayed.

    Args:
        place: The session's folder.
        near: The live hub: ports near it are taken.

    Raises:
        AffectlineError: It holds no recording, or there are no ports.
    """

    def __init__(self, place: Path, near: HubSettings) -> None:
        described = describe(place)
        if not described["topics"]:
            raise AffectlineError(f"session {place.name} holds no message", "choose another one")
        self.name, self._place = place.name, place
        self.streams = {
            topic.removeprefix(ANSWERS)
            for topic in described["topics"]
            if topic.startswith(ANSWERS)
        }
        """Those of which there are answers."""
        self.first_ns: int = described["first"]
        self.seconds: float = described["seconds"]
        self.hub = free_hub(near)
        self.progress = ReplayProgress()
        self.problem = ""
        self._hub_child = ManagedProcess(ProcessSpec("hub", "hub"), self.hub, "lossless", None)
        self._player: ManagedProcess | None = None
        self._pause_at_picture = False
        self.play_from(0.0)

    def position(self, at_ns: int) -> float:
        """Seconds into the session.

        Args:
            at_ns: Time of the newest picture; 0 where there is none yet.
        """
        progress = self.progress
        if progress.has_ended:
            return self.seconds
        into = (at_ns - self.first_ns) / 1e9 if at_ns else progress.begin_s
        return min(self.seconds, max(0.0, into))

    def play_from(self, begin_s: float, rate: float | None = None) -> None:
        """Go to a moment: the player is started anew there. A paused one shows its first picture.

        Args:
            begin_s: Seconds into the session.
            rate: Times as fast; None: as before.
        """
        progress = self.progress
        begin_s = min(max(0.0, begin_s), max(0.0, self.seconds - 0.1))
        self.progress = ReplayProgress(begin_s, rate or progress.rate, progress.is_paused)
        self._end_player()
        what = {"file": str(self._place), "rate": self.progress.rate, "begin_s": begin_s}
        self._player = ManagedProcess(
            ProcessSpec("replay", "replay", what), self.hub, "lossless", None
        )
        self._pause_at_picture = progress.is_paused

    def pause(self) -> None:
        """Pause, or go on; a replay that has ended begins again."""
        if self.progress.has_ended:
            self.progress.is_paused = False
            self.play_from(0.0)
            return
        self.progress.is_paused = not self.progress.is_paused
        if self._player and self._player.ready:
            if not self._pause_at_picture:
                self._player.send_signal(PAUSE)
            self._pause_at_picture = False
        else:  # it may only be steered when it has set up its ears
            self._pause_at_picture = self.progress.is_paused

    def tick(self, *, is_shown: bool) -> None:
        """Notice how the processes are.

        Args:
            is_shown: There is a picture of every stream.
        """
        if self._player:
            code = self._player.listen()
            if code is not None:
                self.progress.has_ended = True
                self.problem = "" if code == 0 else self._player.last_words or "the player died"
                self._player = None
            elif self._player.ready and self._pause_at_picture and is_shown:
                self._player.send_signal(PAUSE)
                self._pause_at_picture = False
        if self._hub_child.listen() is not None:
            self.problem = self._hub_child.last_words or "the replay's hub died"
            self.progress.has_ended = True

    def close(self) -> None:
        """End its processes."""
        self._end_player()
        self._hub_child.stop()
        if self._hub_child.wait(1.0) is None:
            self._hub_child.kill()
            self._hub_child.wait(1.0)

    def _end_player(self) -> None:
        """At once, so that it does not say that the streams end."""
        if self._player:
            self._player.kill()
            self._player.wait(1.0)
            self._player = None


def free_hub(near: HubSettings) -> HubSettings:
    """A hub on this machine with seven free ports.

    Raises:
        AffectlineError: There are none near by.
    """
    first = near.port + FIRST_PORT_ON
    count = len(near.ports)
    for port in range(first, min(first + TRIES * count, 65529), count):
        hub = HubSettings(port=port)
        if not taken_ports(hub):
            return hub
    raise AffectlineError(
        f"no {count} free ports in a row above {first}", "end another replay first"
    )
