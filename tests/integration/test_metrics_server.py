"""The metrics are served to few at a time, and to nobody for long."""

import contextlib
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.services.hub import metrics_server
from affectline.services.hub.metrics_server import MOST_CONNECTIONS, MetricsServer
from affectline.services.hub.prometheus import HealthMetrics


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    served = MetricsServer(lambda: (b"up 1\n", "text/plain"))
    served.start("127.0.0.1", 0)
    yield served
    served.close()


def get(server: MetricsServer, path: str = "/metrics") -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
        body: bytes = answer.read()
    return body


def connect(server: MetricsServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_scraper_gets_the_metrics(server: MetricsServer) -> None:
    assert get(server) == b"up 1\n"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server, "/other")


def test_whoever_holds_connections_open_gets_few_and_not_for_long(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server, "PATIENCE_S", 1.0)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(server)) for _ in range(MOST_CONNECTIONS)]
        for connection in held:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        until = monotonic() + 10
        while server.refused == 0 and monotonic() < until:
            assert is_closed(stack.enter_context(connect(server))) or server.refused
        assert server.refused > 0
        began = monotonic()
        slow = held[0]
        slow.settimeout(0.05)
        with contextlib.suppress(ConnectionError):  # a byte now and then does not keep it open
            while not _has_ended(slow):
                assert monotonic() - began < 5
                slow.sendall(b"x")
        assert all(is_closed(connection) for connection in held[1:])
        assert get(server) == b"up 1\n"


def _has_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False


def test_a_request_without_an_end_is_not_stored(server: MetricsServer) -> None:
    with connect(server) as connection, contextlib.suppress(OSError):
        for _ in range(1000):
            connection.sendall(b"x" * 4096)
        raise AssertionError("it read four megabytes")
    assert get(server) == b"up 1\n"


def test_many_readers_cost_as_little_as_one() -> None:
    rendered: list[int] = []

    def render() -> tuple[bytes, str]:
        rendered.append(1)
        return b"x", "text/plain"

    served = MetricsServer(render)
    served.start("127.0.0.1", 0)
    try:
        assert {get(served) for _ in range(20)} == {b"x"}
        assert len(rendered) <= 3
    finally:
        served.close()


def test_a_taken_port_is_said(server: MetricsServer) -> None:
    with pytest.raises(AffectlineError, match="cannot serve metrics"):
        HealthMetrics().serve("127.0.0.1", server.port)
