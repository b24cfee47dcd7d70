"""A viewer of the page that reconnects whenever the page is gone."""

import contextlib
import json
import threading
import time

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin

AGAIN_S = 0.1


class PageViewer(threading.Thread):
    """A page without a browser: confirms every image, as a page does.

    Args:
        port: The port that serves the page.
    """

    def __init__(self, port: int) -> None:
        super().__init__(name="viewer", daemon=True)
        self._url = f"127.0.0.1:{port}"
        self._stopping = threading.Event()
        self.shown_at: list[float] = []
        """When images arrived, in seconds of the monotonic clock."""
        self.start()

    def run(self) -> None:
        """Watch until `stop` is called."""
        while not self._stopping.wait(AGAIN_S):
            with contextlib.suppress(OSError, WebSocketException, TimeoutError, EOFError):
                self._look()

    def _look(self) -> None:
        origin = Origin(f"http://{self._url}")
        address = f"ws://{self._url}/feed/live"
        with connect(address, origin=origin, compression=None, open_timeout=2) as socket:
            while not self._stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    message = socket.recv(timeout=0.2)
                    if isinstance(message, bytes):
                        length = int.from_bytes(message[:4], "big")
                        socket.send(json.loads(message[4 : 4 + length])["stream"])
                        self.shown_at.append(time.monotonic())

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()
        self.join(timeout=5)
