"""Publishes from outside a pipeline, as a tool does."""

import time

import zmq

from affectline.common.runtime.endpoints import reach
from affectline.common.runtime.sockets import Publisher
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.messages import Packet


def publish_once(hub: HubSettings, packet: Packet, timeout_s: float = 3.0) -> bool:
    """Publish one message from outside the pipeline; False if there was no hub in time."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = Publisher(context, reach(hub).ingress)
    deadline = time.monotonic() + timeout_s
    try:
        while time.monotonic() < deadline:
            publisher.update_consumers()
            if publisher.send(packet, wait=True):
                return True
        return False
    finally:
        context.destroy()
