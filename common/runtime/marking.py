"""Markers from outside of a run: at the session's present, and heard by the hub."""

import time
from typing import Final

from affectline.common.errors import AffectlineError
from affectline.common.runtime.clock_sync import offset_to_hub
from affectline.common.runtime.session_clock import SessionClock
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.control import REPLAY
from affectline.common.wire.messages import Marker, Packet

LISTEN_S: Final = 0.5
"""How long a result is listened for that tells whether a film is analysed, and where it is."""
HUB_PATIENCE_S: Final = 3.0
HEARD_S: Final = 10.0
"""How long a hub may take to pass on a marker: one that hangs is replaced meanwhile."""
POLL_S: Final = 0.02


def publish_now(hub: HubSettings, marker: Marker) -> str:
    """Publish a marker at what the session shows now.

    Args:
        hub: Where the session is.
        marker: With the time of the call, by this machine's clock.

    Returns:
        That moment, in words.

    Raises:
        AffectlineError: There is no hub.
    """
    outlet = OutletSubscriber(hub, ("emotion/", "stream/", marker.topic))
    try:
        at = marker.at + offset_to_hub(hub)
        clock = SessionClock(lambda: at)
        listen(outlet, clock)
        marker = marker.model_copy(update={"at": clock.now()})
        if not connect(outlet):
            raise AffectlineError(
                f"no hub on {hub.ingress}",
                "start affectline up first, or name the hub with --hub",
            )
        if not outlet.publish_heard(Packet(marker), HEARD_S):
            raise AffectlineError(
                f"the hub on {hub.ingress} has not passed on the marker within {HEARD_S:.0f} s",
                "it may be stuck; see affectline's log, and mark again",
            )
        return clock.describe(marker.at)
    finally:
        outlet.close()


def connect(outlet: OutletSubscriber) -> bool:
    """Wait for the hub; False where it is not there in time."""
    deadline = time.monotonic() + HUB_PATIENCE_S
    while not outlet.is_connected:
        if time.monotonic() > deadline:
            return False
        outlet.wait(timeout_s=POLL_S)
        for _ in outlet.receive():
            pass  # or waiting would end at once
    return True


def listen(outlet: OutletSubscriber, clock: SessionClock) -> None:
    """Have a clock hear of the newest frames, for `LISTEN_S` at most."""
    deadline = time.monotonic() + LISTEN_S
    while (left_s := deadline - time.monotonic()) > 0:
        if outlet.is_connected and clock.is_known:
            clock.is_replay |= outlet.is_ready(REPLAY)
            return
        outlet.wait(timeout_s=min(left_s, POLL_S))
        for packet in outlet.receive():
            clock.observe(packet.message)
