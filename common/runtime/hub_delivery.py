"""What a process that was started by hand learns from the hub: how the run delivers."""

import logging
import math
from typing import Final

import zmq

from affectline.common.clock import monotonic
from affectline.common.runtime.endpoints import reach
from affectline.common.runtime.sockets import Publisher
from affectline.common.runtime.supervision import heartbeat_file
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.hub import Delivery, HubSettings

MISSED_S: Final = 2.0
"""A process started by hand warns after this many seconds without a hub."""
POLL_MS: Final = 100
PATIENCE_S: Final = 2.0
"""How long a hub that is connected may take to say how it delivers."""


class MissedHub:
    """Logs when no hub is found, and when it appears: people start processes by hand.

    Args:
        hub: The hub that the process connects to.
        log: Where to log.
    """

    def __init__(
        self, hub: HubSettings, log: "logging.Logger | logging.LoggerAdapter[logging.Logger]"
    ) -> None:
        self._where, self._log = f"{hub.host}:{hub.port}", log
        self._due = monotonic() + MISSED_S
        self._is_missed = False

    def update(self, *, connected: bool) -> None:
        """Log what has changed.

        Args:
            connected: Whether the process is connected to the hub.
        """
        if connected:
            if self._is_missed:
                self._log.warning("connected to the hub on %s", self._where)
            self._due, self._is_missed = math.inf, False
        elif monotonic() >= self._due:
            self._log.warning("no hub on %s yet: is affectline up running?", self._where)
            self._due, self._is_missed = math.inf, True


def ask_for_delivery(hub: HubSettings) -> Delivery | None:
    """How the hub delivers. Waits until there is a hub; None if this process shall stop meanwhile.

    Raises:
        AffectlineError: The hub refuses this process, or its key is not the known one.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with WakeupPipe() as wakeup:
            publisher = Publisher(context, reach(hub).ingress)
            poller = zmq.Poller()
            poller.register(publisher.socket, zmq.POLLIN)
            poller.register(wakeup.receiver, zmq.POLLIN)
            missed, give_up_at = MissedHub(hub, logging.getLogger(__name__)), math.inf
            heartbeat = heartbeat_file()
            while publisher.delivery is None and monotonic() < give_up_at:
                if heartbeat:  # a health check must not end a process that waits for its hub
                    heartbeat.touch()
                poller.poll(POLL_MS)
                publisher.update_consumers()
                missed.update(connected=publisher.connected)
                if publisher.connected:
                    give_up_at = min(give_up_at, monotonic() + PATIENCE_S)
                if wakeup.stopping:
                    return None
            return publisher.delivery or "live"
    finally:
        context.destroy(linger=0)
