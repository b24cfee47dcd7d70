"""Publishing markers from outside a run, at the session's present moment."""

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
"""Seconds to listen for a result that shows whether a film is analysed, and its position."""
HUB_PATIENCE_S: Final = 3.0
HEARD_S: Final = 10.0
"""Seconds that the hub may take to forward a marker; a hung hub is replaced in this time."""
POLL_S: Final = 0.02


def publish_now(hub: HubSettings, marker: Marker) -> str:
    """Publish a marker at the moment that the session shows now.

    Args:
        hub: The session's hub.
        marker: Stamped with the time of the call, by this machine's clock.

    Returns:
        The moment of the marker, in words.

    Raises:
        AffectlineError: There is no hub, or it did not forward the marker in time.
    """
    outlet = OutletSubscriber(hub, ("emotion/", "stream/", marker.topic))
    try:
        at = marker.at + offset_to_hub(hub)
        clock = SessionClock(lambda: at)
        listen(outlet, clock)
        marker = marker.model_copy(update={"at": clock.now()})
        require_hub(outlet, hub)
        if not outlet.publish_heard(Packet(marker), HEARD_S):
            raise AffectlineError(
                f"the hub on {hub.ingress} did not forward the marker within {HEARD_S:.0f} s",
                "it may hang; see affectline's log, and set the marker again",
            )
        return clock.describe(marker.at)
    finally:
        outlet.close()


def require_hub(outlet: OutletSubscriber, hub: HubSettings) -> None:
    """Wait for the hub.

    Raises:
        AffectlineError: It does not appear in time.
    """
    if not connect(outlet):
        raise no_hub(hub)


def no_hub(hub: HubSettings) -> AffectlineError:
    """The error of what needs a pipeline, where there is none."""
    return AffectlineError(
        f"no hub on {hub.ingress}", "start affectline up first, or name the hub with --hub"
    )


def connect(outlet: OutletSubscriber) -> bool:
    """Wait for the hub; False if it does not appear in time."""
    deadline = time.monotonic() + HUB_PATIENCE_S
    while not outlet.is_connected:
        if time.monotonic() > deadline:
            return False
        outlet.wait(timeout_s=POLL_S)
        for _ in outlet.receive():
            pass  # unread messages would end the next wait at once
    return True


def listen(outlet: OutletSubscriber, clock: SessionClock) -> None:
    """Feed a clock with the newest frames, for `LISTEN_S` at most."""
    deadline = time.monotonic() + LISTEN_S
    while (left_s := deadline - time.monotonic()) > 0:
        if outlet.is_connected and clock.is_known:
            clock.is_replay |= outlet.is_ready(REPLAY)
            return
        outlet.wait(timeout_s=min(left_s, POLL_S))
        for packet in outlet.receive():
            clock.observe(packet.message)
