"""Replays a recorded session on its own hub, to which the page subscribes."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.sockets import OutletSubscriber, taken_ports
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.control import REPLAY, Control, Pause, Seek, Step
from affectline.common.wire.messages import Packet
from affectline.services.hub.spec import SPEC as HUB
from affectline.services.hub.spec import HubProcess
from affectline.services.replay.spec import SPEC as PLAYER
from affectline.services.replay.spec import ReplaySettings
from affectline.services.sessions.catalog import describe
from affectline.services.supervisor.process import ManagedProcess, ProcessSpec

RATES: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
PORT_OFFSET: Final = 100
"""Offset from the live hub's port to the first port to try."""
PORT_RANGES_TRIED: Final = 200


@dataclass
class ReplayProgress:
    """The position and state of a replay."""

    begin_s: float = 0.0
    """Where the player started, in seconds of the recording's time line."""
    rate: float = 1.0
    is_paused: bool = False
    has_ended: bool = False


class ReplayControl:
    """One session being replayed.

    Args:
        folder: The session's folder.
        live_hub: The live hub; nearby ports are used.
        is_paused: Start paused, at the first frame.
        others: First ports of hubs that may still be starting.

    Raises:
        AffectlineError: The session has no recording, or no ports are free.
    """

    def __init__(
        self,
        folder: Path,
        live_hub: HubSettings,
        *,
        is_paused: bool = False,
        others: Collection[int] = (),
    ) -> None:
        described = describe(folder)
        if not described["topics"]:
            raise AffectlineError(f"session {folder.name} has no messages", "choose another one")
        self.name, self._folder = folder.name, folder
        self.described = described
        """Description of the session (`services.sessions.catalog.describe`)."""
        self.title = str(described.get("title") or folder.name)
        """The session's name as typed."""
        self.zero_ns: int = described["zero"]
        """Zero of its time line in ns since the Unix epoch."""
        self.seconds: float = max(0.0, described["last_s"])
        """Time of the last message in s, on the recording's time line."""
        self.hub = find_free_hub(live_hub, others)
        self.progress = ReplayProgress()
        self.problem = ""
        self._bus = OutletSubscriber(self.hub, ())
        """Sends commands to the player."""
        self._hub_process = ManagedProcess(
            ProcessSpec(HUB, HubProcess()), self.hub, "lossless", None
        )
        self._player: ManagedProcess | None = None
        self._outgoing: list[Packet] = []
        self.progress.is_paused = is_paused
        self.play_from(0.0)

    def position(self, at_ns: int) -> float:
        """Position of the replay, in seconds of the recording's time line.

        Args:
            at_ns: Event time of the newest frame; 0 if there is none yet.
        """
        progress = self.progress
        if progress.has_ended:
            return self.seconds
        into = (at_ns - self.zero_ns) / 1e9 if at_ns else progress.begin_s
        return min(self.seconds, max(0.0, into))

    def play_from(self, begin_s: float, rate: float | None = None) -> None:
        """Continue at another position. A paused replay shows the first frame there.

        Args:
            begin_s: Seconds of the recording's time line.
            rate: Multiple of real time; None: as before.
        """
        progress = self.progress
        begin_s = min(max(0.0, begin_s), max(0.0, self.seconds - 0.1))
        self.progress = ReplayProgress(begin_s, rate or progress.rate, progress.is_paused)
        if self._player:
            self._send(Seek(position_s=begin_s, rate=self.progress.rate))
            return
        settings = ReplaySettings(
            file=self._folder,
            rate=self.progress.rate,
            begin_s=begin_s,
            paused=self.progress.is_paused,
        )
        self._player = ManagedProcess(ProcessSpec(PLAYER, settings), self.hub, "lossless", None)

    def pause(self, *, paused: bool) -> None:
        """Pause, or resume; a replay that has ended starts again."""
        if self.progress.has_ended:
            if not paused:
                self.progress.is_paused = False
                self.play_from(0.0)
            return
        if self.progress.is_paused != paused:
            self.progress.is_paused = paused
            self._send(Pause(paused=paused))

    def step(self) -> None:
        """Pause, and show the next frame."""
        if not self.progress.has_ended:
            self.progress.is_paused = True
            self._send(Step())

    def _send(self, action: Pause | Seek | Step) -> None:
        self._outgoing.append(Packet(Control(target=REPLAY, at=now_ns(), action=action)))
        self._publish_outgoing()

    def _publish_outgoing(self) -> None:
        """Publish queued commands in order, once the player can receive them."""
        while self._outgoing and self._bus.is_ready(REPLAY):
            if not self._bus.publish(self._outgoing[0]):
                return
            self._outgoing.pop(0)

    def tick(self) -> None:
        """Check the processes, and send queued commands."""
        self._publish_outgoing()
        if self._player:
            code = self._player.poll()
            if code is not None:
                self.progress.has_ended = True
                reason = self._player.exit_reason or "the player stopped unexpectedly"
                self.problem = "" if code == 0 else reason
                self._player = None
                self._outgoing.clear()
        if self._hub_process.poll() is not None:
            self.problem = self._hub_process.exit_reason or "the replay's hub stopped unexpectedly"
            self.progress.has_ended = True

    def close(self) -> None:
        """Stop its processes."""
        self._bus.close()
        if self._player:
            # Killed, so that it does not publish the end of the streams
            self._player.kill()
            self._player.wait(1.0)
            self._player = None
        self._hub_process.stop()
        if self._hub_process.wait(1.0) is None:
            self._hub_process.kill()
            self._hub_process.wait(1.0)


def find_free_hub(near: HubSettings, others: Collection[int] = ()) -> HubSettings:
    """Settings of a hub on this machine with seven free ports.

    Args:
        near: A hub; ports above its ports are tried.
        others: First ports of hubs that may still be starting.

    Raises:
        AffectlineError: No nearby ports are free.
    """
    first = near.port + PORT_OFFSET
    count = len(near.ports)
    for port in range(first, min(first + PORT_RANGES_TRIED * count, 65529), count):
        hub = HubSettings(port=port)
        if port not in others and not taken_ports(hub):
            return hub
    raise AffectlineError(
        f"no {count} free ports in a row above {first}", "end another replay first"
    )
