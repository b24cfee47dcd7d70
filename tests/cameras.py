"""A camera in the network, as pipelines find one: pictures over HTTP, for whoever may see them."""

import base64
import http.server
import threading
import time
from collections.abc import Callable
from typing import Self

import cv2

from tests.films import picture

RATE = 15


class HttpCamera:
    """Serves motion JPEG for as long as it is switched on.

    Args:
        admits: Whether a request may see it: by its path with the query, and its login
            (``user:password``, empty where none was sent).
    """

    def __init__(self, admits: Callable[[str, str], bool]) -> None:
        self.served: set[str] = set()
        off = self._off = threading.Event()
        served = self.served

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, _, login = self.headers.get("Authorization", "").partition(" ")
                login = base64.b64decode(login).decode() if kind == "Basic" else ""
                if not admits(self.path, login):
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                    self.end_headers()
                    return
                served.add(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    self._send_pictures()
                except OSError:
                    return

            def _send_pictures(self) -> None:
                number = 0
                while not off.is_set():
                    number += 1
                    data = cv2.imencode(".jpg", picture(number))[1].tobytes()
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}"
                    self.wfile.write(head.encode() + b"\r\n\r\n" + data + b"\r\n")
                    time.sleep(1 / RATE)  # as a camera does

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.switch_off()

    def switch_off(self) -> None:
        """Break off what is being sent, and answer nobody any more."""
        if not self._off.is_set():
            self._off.set()
            self._server.shutdown()
            self._server.server_close()
