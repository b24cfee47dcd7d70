"""Serves metrics as text to Prometheus: to a few clients at a time, for a few seconds each.

It understands no more of HTTP than a scraper needs. The text is made at most once a second, so that
many readers cost as little as one.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError

MOST_CONNECTIONS: Final = 16
"""The most connections at a time; any more are closed without an answer."""
BACKLOG: Final = 128
"""How many connections the kernel holds until they are accepted or closed."""
PATIENCE_S: Final = 5.0
"""A connection is closed if it has not sent its request and read the answer by then."""
MOST_REQUEST_BYTES: Final = 8192
FRESH_S: Final = 1.0
ACCEPT_S: Final = 0.5
"""How often the server checks whether it has to stop."""
END_OF_REQUEST: Final = b"\r\n\r\n"


class MetricsServer:
    """Serves ``/metrics``.

    Args:
        render: Makes the text, and names its content type; called from a thread of the server.
    """

    def __init__(self, render: Callable[[], tuple[bytes, str]]) -> None:
        self._render = render
        self._rendered, self._rendered_at = (b"", ""), -FRESH_S
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self.refused = 0
        """Connections beyond the limit, and those that took too long."""

    @property
    def port(self) -> int:
        """The port on which it listens."""
        assert self._listener  # noqa: S101 - for the type checker
        port: int = self._listener.getsockname()[1]
        return port

    def start(self, host: str, port: int) -> None:
        """Serve ``http://host:port/metrics`` from a thread.

        Raises:
            AffectlineError: The port is in use.
        """
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise AffectlineError(
                f"cannot serve metrics on {host}:{port} ({error.strerror})",
                "stop the program that uses the port or choose another one with --bind",
            ) from error
        self._listener.settimeout(ACCEPT_S)
        self._thread = threading.Thread(target=self._accept, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._stopping.set()
        with self._lock:
            for connection in self._connections:
                _shut(connection)
        if self._thread:
            self._thread.join()
        if self._listener:
            self._listener.close()

    def _accept(self) -> None:
        assert self._listener  # noqa: S101 - for the type checker
        workers: list[threading.Thread] = []
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:  # no file descriptors are left
                self._stopping.wait(ACCEPT_S)
                continue
            workers = [worker for worker in workers if worker.is_alive()]
            if len(workers) >= MOST_CONNECTIONS:
                self.refused += 1
                connection.close()
                continue
            with self._lock:
                self._connections.add(connection)
            worker = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            worker.start()
            workers.append(worker)
        for worker in workers:
            worker.join()

    def _serve(self, connection: socket.socket) -> None:
        """Answer one request within ``PATIENCE_S``, however slowly it arrives."""
        deadline = monotonic() + PATIENCE_S
        try:
            request = _read_request(connection, deadline)
            connection.settimeout(max(0.001, deadline - monotonic()))
            connection.sendall(self._answer(request))  # the timeout covers all of it
        except OSError:
            self.refused += 1
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _answer(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        path = rest.split(b" ")[0].split(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", b"", "text/plain")
        if path not in (b"/metrics", b"/"):
            return _response("404 Not Found", b"", "text/plain")
        text, content_type = self._text()
        return _response("200 OK", text, content_type, has_body=method == b"GET")

    def _text(self) -> tuple[bytes, str]:
        with self._lock:
            if monotonic() - self._rendered_at >= FRESH_S:
                self._rendered, self._rendered_at = self._render(), monotonic()
            return self._rendered


def _read_request(connection: socket.socket, deadline: float) -> bytes:
    """All of a request up to the empty line.

    Raises:
        OSError: The request is too long, takes too long, or ends early.
    """
    request = b""
    while END_OF_REQUEST not in request:
        left_s = deadline - monotonic()
        if left_s <= 0 or len(request) > MOST_REQUEST_BYTES:
            raise TimeoutError
        connection.settimeout(left_s)
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionResetError
        request += piece
    return request


def _response(status: str, body: bytes, content_type: str, *, has_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (body if has_body else b"")


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
