"""The work queue: face crops from detectors to classifiers, with a copy for whoever wants one."""

import contextlib
import threading

import zmq

from affectline.common.runtime.sockets import bind, new_socket
from affectline.common.settings.pipeline import HubSettings
from affectline.services.hub.bus import OUTSIDER_HWM, TAP


class WorkQueue(threading.Thread):
    """Face crops from all detectors to whichever classifier has room."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        hub: HubSettings,
        crops_wanted: threading.Event,
    ) -> None:
        super().__init__(name="work-queue", daemon=True)
        self._crops_wanted = crops_wanted
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
                if self._crops_wanted.is_set():  # before their answer, as everybody shall see them
                    with contextlib.suppress(zmq.Again):  # outsiders never hold the pipeline up
                        self.tap.send_multipart(parts, zmq.DONTWAIT)
                self.exit.send_multipart(parts)
        except zmq.ContextTerminated:
            for socket in (self.entrance, self.exit, self.tap):
                socket.close(linger=0)
