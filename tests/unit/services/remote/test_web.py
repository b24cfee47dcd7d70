"""The web server serves an experiment, however many others are connected and silent."""

import contextlib
import http.client
import json
import logging
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

pytest.importorskip("starlette", reason="the remote control needs Starlette (the remote extra)")
pytest.importorskip("uvicorn", reason="the remote control needs uvicorn (the remote extra)")

from websockets.sync.client import connect

from affectline.common import logs
from affectline.common.logs import ServiceLogger, adopt
from affectline.services.remote import connections, web
from affectline.services.remote.connections import MOST_SERVED, MOST_WAITING
from affectline.services.remote.controller import RemoteController
from affectline.services.remote.web import WebControl
from tests.pipelines import free_port

NOW = 1_795_445_587_000_000_000
HEAD = {"Authorization": "Bearer secret"}


@pytest.fixture
def port() -> Iterator[int]:
    controller = RemoteController(
        cast("Any", None), lambda: (NOW, True), lambda: None, cast("Any", None)
    )
    control = WebControl("127.0.0.1", free_port(), "secret", (), controller, dict)
    control.start()
    while not control.is_listening:
        control.join(timeout=0.02)
        assert control.is_alive()
    yield control._server.config.port
    control.stop()


def mark(port: int) -> int:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(client):
        client.request("POST", "/markers", json.dumps({"label": "x"}), HEAD)
        return client.getresponse().status


def is_closed(client: socket.socket) -> bool:
    client.settimeout(10)
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sends", [b"", b"POST /markers HTTP/1.1\r\nX: "])
def test_silent_connections_are_not_in_the_way(port: int, sends: bytes) -> None:
    with contextlib.ExitStack() as stack:
        silent = []
        for _ in range(MOST_WAITING + 10):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            client.sendall(sends)
            silent.append(client)
        assert mark(port) == 201
        assert all(is_closed(client) for client in silent[:10])


def test_whoever_sends_no_request_in_time_is_disconnected(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(connections.ClientConnections.__init__, "__defaults__", (0.3,))
    monkeypatch.setattr(web, "PATIENCE_S", 0.3)
    port = request.getfixturevalue("port")
    address = ("127.0.0.1", port)
    with socket.create_connection(address, timeout=10) as client:
        assert is_closed(client)
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"401" in client.recv(4096)
        with contextlib.suppress(ConnectionError):
            client.sendall(b"G")  # a further request is begun, and never ended
        assert is_closed(client)
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(
            b"POST /markers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n"
            b"Content-Length: 50\r\n\r\n{"
        )
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"the body took more than 0.3 s" in answer
    live = f"ws://127.0.0.1:{port}/markers/live?token=secret"
    with connect(live, open_timeout=10) as page, socket.create_connection(address) as later:
        assert is_closed(later), "which was opened after the WebSocket"
        page.send('{"label": "x"}')
        assert any("label" in page.recv(timeout=10) for _ in range(20))


def test_more_websockets_than_can_be_served_are_refused(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_SERVED", 2)
    url = f"ws://127.0.0.1:{port}/markers/live?token=secret"
    assert MOST_SERVED > 2
    with connect(url, open_timeout=10), connect(url, open_timeout=10) as last:
        with pytest.raises(Exception, match=r"403|rejected"):
            connect(url, open_timeout=10)
        assert mark(port) == 503
        last.close()
        until = time.monotonic() + 10
        while mark(port) != 201:
            assert time.monotonic() < until


def test_the_server_s_own_remarks_are_records_of_the_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    monkeypatch.setattr(logging.getLogger(logs.ROOT), "handlers", [])
    monkeypatch.setattr(logging.getLogger("uvicorn"), "handlers", [])
    adopt("uvicorn", ServiceLogger("remote"))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logs.TextFormatter(is_plain=True))
    monkeypatch.setattr(logging.getLogger(logs.ROOT), "handlers", [handler])
    port = request.getfixturevalue("port")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"nonsense\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    assert capsys.readouterr().err == "affectline: remote: Invalid HTTP request received.\n"
