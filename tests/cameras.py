"""A camera in the network, as pipelines find one: pictures over HTTP, for whoever may see them."""

import base64
import http.server
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import cv2

from tests.films import picture

RATE = 15


class HttpCamera:
    """Serves motion JPEG for as long as it is switched on, always at the same port.

    Args:
        admits: Whether a request may see it: by its path with the query, and its login
            (``user:password``, empty where none was sent).
        draw: Makes a picture by its number, or the bytes that are sent for it.
        rate: Pictures a second.
    """

    def __init__(
        self,
        admits: Callable[[str, str], bool] = lambda *_: True,
        draw: Callable[[int], Any] = picture,
        rate: float = RATE,
    ) -> None:
        self.served: set[str] = set()
        """Paths of the requests that were admitted."""
        self.port = 0
        self._admits, self._draw, self._rate = admits, draw, rate
        self._number = 0
        self._off = threading.Event()
        self._server: http.server.ThreadingHTTPServer | None = None
        self._bind()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def _bind(self) -> None:
        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, _, login = self.headers.get("Authorization", "").partition(" ")
                login = base64.b64decode(login).decode() if kind == "Basic" else ""
                if not camera._admits(self.path, login):
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                    self.end_headers()
                    return
                camera.served.add(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    camera._send_pictures(self.wfile.write)
                except OSError:
                    return

            def log_message(self, *_: object) -> None: ...

        return Handler

    def _send_pictures(self, write: Callable[[bytes], Any]) -> None:
        due = time.monotonic()
        while not self._off.is_set():
            drawn = self._draw(self._number)
            data = drawn if isinstance(drawn, bytes) else cv2.imencode(".jpg", drawn)[1].tobytes()
            self._number += 1
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}"
            write(head.encode() + b"\r\n\r\n" + data + b"\r\n")
            due += 1 / self._rate  # as a camera does
            self._off.wait(max(0.0, due - time.monotonic()))

    def __enter__(self) -> Self:
        self.switch_on()
        return self

    def __exit__(self, *_: object) -> None:
        self.switch_off()

    def switch_on(self) -> None:
        """Answer requests, also again."""
        self._off.clear()
        if self._server is None:
            self._bind()
        assert self._server is not None  # bound above
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def switch_off(self) -> None:
        """Break off what is being sent, and answer nobody any more."""
        server, self._server = self._server, None
        if server:
            self._off.set()
            server.shutdown()
            server.server_close()
