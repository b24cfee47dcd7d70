"""The work queue: face crops from detectors to classifiers, with a copy for subscribers."""

import contextlib
import threading

import zmq

from affectline.common.runtime.sockets import bind, new_socket
from affectline.common.settings.hub import HubSettings
from affectline.services.hub.bus import OUTSIDER_HWM, TAP


class WorkQueue(threading.Thread):
    """Forwards face crops from all detectors to whichever classifier has room."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        hub: HubSettings,
        has_crop_subscribers: threading.Event,
    ) -> None:
        super().__init__(name="work-queue", daemon=True)
        self._has_crop_subscribers = has_crop_subscribers
        self.entrance = new_socket(context, zmq.PULL)
        self.exit = new_socket(context, zmq.PUSH)
        self.tap = new_socket(context, zmq.PUSH)
        self.tap.setsockopt(zmq.SNDHWM, OUTSIDER_HWM)
        bind(self.entrance, hub.work_in)
        bind(self.exit, hub.work_out)
        self.tap.connect(TAP)

    def run(self) -> None:
        """Work until the context is destroyed."""
        try:
            while True:
                parts = self.entrance.recv_multipart()
                if self._has_crop_subscribers.is_set():  # before their result is published
                    with contextlib.suppress(zmq.Again):  # outside tools never block the pipeline
                        self.tap.send_multipart(parts, zmq.DONTWAIT)
                self.exit.send_multipart(parts)
        except zmq.ContextTerminated:
            for socket in (self.entrance, self.exit, self.tap):
                socket.close(linger=0)
