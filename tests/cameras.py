"""A network camera for tests: an MJPEG stream over HTTP, which can be switched off and on."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2

from tests.films import picture


def small_picture(number: int) -> Any:
    """A small gray picture."""
    return picture(number, (160, 120))


class Camera:
    """A camera on a port of its own.

    Args:
        draw: Makes a picture by its number.
        rate: Pictures a second.
    """

    def __init__(self, draw: Callable[[int], Any] = small_picture, rate: float = 25) -> None:
        self.running = threading.Event()
        self.port = 0
        self.sent = 0
        """Pictures that were handed to the network; each has a number of its own."""
        self._draw, self._rate = draw, rate
        self._server: http.server.ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def on(self) -> None:
        """Serve, on the port of before where there was one."""
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for part in camera.parts():
                        self.wfile.write(part)
                        camera.sent += 1
                except OSError:
                    return

            def log_message(self, *_: object) -> None: ...

        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.running.set()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def parts(self) -> Iterator[bytes]:
        """The parts of one answer, at the camera's rate, until it is switched off."""
        tick, due = threading.Event(), time.monotonic()
        while self.running.is_set():
            jpeg = cv2.imencode(".jpg", self._draw(self.sent))[1].tobytes()
            yield (
                b"--frame\r\nContent-Type: image/jpeg\r\n"
                b"Content-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)
            )
            due += 1 / self._rate
            tick.wait(max(0.0, due - time.monotonic()))

    def off(self) -> None:
        """Stop serving; connections end."""
        self.running.clear()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
