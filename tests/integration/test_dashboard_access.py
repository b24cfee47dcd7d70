"""The dashboard's access control over HTTP and websockets, with the real process."""

import asyncio
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect as connect_sync
from websockets.typing import Origin

from tests.dashboards import LiveDashboard
from tests.pipelines import run

pytestmark = pytest.mark.slow

LOGIN_S = 2.0


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDashboard]:
    """A dashboard that only this machine can reach."""
    board = LiveDashboard(tmp_path_factory.mktemp("board"))
    with board.hub_running(), board.serving():
        yield board


@pytest.fixture(scope="module")
def open_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveDashboard, str]]:
    """One that others can reach, and its token."""
    board = LiveDashboard(tmp_path_factory.mktemp("open"), host="0.0.0.0")
    with board.serving(stdout=subprocess.PIPE) as dashboard:
        token = re.search(r"\?token=(\S+)", dashboard.stdout.readline())
        assert token, "printed once, at the first start"
        yield board, token[1]


@pytest.fixture(scope="module")
def safe_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDashboard]:
    """One with TLS that asks for its token on this machine as well, and lets in for two seconds."""
    folder = tmp_path_factory.mktemp("safe")
    board = LiveDashboard(folder, tls=True, ask_token=True, login_hours=LOGIN_S / 3600)
    keys = {"AFFECTLINE_KEYS": str(folder / "keys")}
    with board.hub_running(), board.serving(stdout=subprocess.PIPE, env=os.environ | keys) as done:
        board.output = "".join(done.stdout.readline() for _ in range(5))
        yield board


def can_connect(board: LiveDashboard, path: str = "feed/live", **headers: str) -> bool:
    """Whether a websocket is accepted and greeted."""
    origin = headers.pop("origin", None)

    async def receive() -> bool:
        url = f"ws://127.0.0.1:{board.port}/{path}"
        try:
            async with connect(url, origin=origin, additional_headers=headers) as connection:  # type: ignore[arg-type]
                return bool(
                    json.loads(await asyncio.wait_for(connection.recv(), 10))["kind"] == "hello"
                )
        except (InvalidStatus, WebSocketException):
            return False

    return asyncio.run(receive())


def raw(board: LiveDashboard, request: str) -> bytes:
    """The server's response to a request that no client library would send."""
    with socket.create_connection(("127.0.0.1", board.port), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


def test_it_listens_on_this_machine_alone(board: LiveDashboard) -> None:
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((own_address(), board.port), timeout=5)


def own_address() -> str:
    """An address of this machine that others would use."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but 127.0.0.1")
        return str(probe.getsockname()[0])


def test_this_machine_gets_the_page_and_nothing_from_elsewhere(board: LiveDashboard) -> None:
    answer = httpx.get(board.url)
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    addresses = set(re.findall(r"https?://[\w.-]+", answer.text))
    assert {a for a in addresses if "w3.org" not in a} == set()
    assert can_connect(board, origin=board.url.rstrip("/"))


def test_rebound_names_and_other_origins_are_refused(board: LiveDashboard) -> None:
    for path in ("", "snapshot", "style/style.css", "_nicegui_ws/socket.io/?EIO=4"):
        url = board.url + path
        assert httpx.get(url, headers={"host": "evil.example"}).status_code == 403
        assert httpx.get(url, headers={"origin": "http://evil.example"}).status_code == 403
    for path in ("feed/live", "_nicegui_ws/socket.io/?EIO=4&transport=websocket"):
        assert not can_connect(board, path, origin="http://evil.example")
        assert not can_connect(board, path)


def test_no_token_no_entry(open_board: tuple[LiveDashboard, str]) -> None:
    board, token = open_board
    for path in ("", "snapshot", "report/x", "style/style.css", "_nicegui_ws/socket.io/?EIO=4"):
        assert httpx.get(board.url + path).status_code == 401
        for value in (f"{token[:-1]}x", token):  # the token is no cookie
            wrong = {"cookie": f"affectline-{board.port}={value}"}
            assert httpx.get(board.url + path, headers=wrong).status_code == 401
    origin = board.url.rstrip("/")
    assert httpx.post(board.url, headers={"origin": origin}).status_code == 401
    assert not can_connect(board, origin=origin)
    assert not can_connect(board, "_nicegui_ws/socket.io/?EIO=4&transport=websocket", origin=origin)


def test_the_token_opens_everything(open_board: tuple[LiveDashboard, str]) -> None:
    board, token = open_board
    with httpx.Client(base_url=board.url, follow_redirects=True) as browser:
        assert browser.get("/", params={"token": token}).status_code == 200
        assert browser.get("/style/style.css").status_code == 200
        cookie = f"affectline-{board.port}={browser.cookies[f'affectline-{board.port}']}"
        assert token not in cookie
    assert can_connect(board, origin=board.url.rstrip("/"), cookie=cookie)
    assert not can_connect(board, origin="http://evil.example", cookie=cookie)


def test_guessing_becomes_slower_and_slower(open_board: tuple[LiveDashboard, str]) -> None:
    board, token = open_board
    origin = {"origin": board.url.rstrip("/")}
    for wait_s in (1, 2):
        wrong = httpx.post(f"{board.url}enter", data={"token": "guess"}, headers=origin)
        assert (wrong.status_code, wrong.headers["retry-after"]) == (401, str(wait_s))
        right = httpx.get(board.url, params={"token": token})
        assert right.status_code == 429, "not looked at"
        time.sleep(int(right.headers["retry-after"]))
    assert httpx.get(board.url, params={"token": token}).status_code == 303


def test_over_tls_with_a_certificate_that_is_made(safe_board: LiveDashboard) -> None:
    """Who trusts the certificate needs no exception; the login and its sockets end in time."""
    folder = safe_board.settings_file.parent
    trust = ssl.create_default_context(cafile=str(folder / "keys" / "tls-certificate.pem"))
    token = (safe_board.sessions / ".dashboard-token").read_text().strip()
    fingerprint = re.search("SHA-256 fingerprint: ([0-9A-F:]{95})", safe_board.output)
    shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", safe_board.port)))
    assert fingerprint
    assert fingerprint[1].replace(":", "").lower() == sha256(shown).hexdigest()
    with httpx.Client(base_url=safe_board.url, verify=trust, follow_redirects=True) as browser:
        assert browser.get("/").status_code == 401
        assert browser.get("/", params={"token": token}).status_code == 200
        name = f"__Host-affectline-{safe_board.port}"
        (cookie,) = browser.cookies.jar
        assert (cookie.name, cookie.secure) == (name, True)
        began = time.monotonic()
        url = safe_board.url.replace("https", "wss") + "feed/live"
        origin, known = Origin(safe_board.url.rstrip("/")), {"cookie": f"{name}={cookie.value}"}
        with connect_sync(url, ssl=trust, origin=origin, additional_headers=known) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                list(socket)
            assert closed.value.rcvd
            assert closed.value.rcvd.code == 1008
        assert time.monotonic() - began < LOGIN_S + 5
        answer = browser.get("/", headers={"cookie": f"{name}={cookie.value}"})
        assert answer.status_code == 401, "the cookie opens nothing any more"
    with pytest.raises(httpx.TransportError):
        httpx.get(safe_board.url.replace("https", "http"))


def test_the_token_is_kept_where_only_its_owner_reads_it(
    open_board: tuple[LiveDashboard, str],
) -> None:
    board, token = open_board
    file = board.sessions / ".dashboard-token"
    assert file.read_text().strip() == token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name", ["..", "../board.yaml", "%2e%2e", "..%2f..%2fetc%2fpasswd", ".dashboard-token", "a%00b"]
)
def test_reports_come_from_the_sessions_folder_alone(board: LiveDashboard, name: str) -> None:
    answer = raw(
        board,
        f"GET /report/{name} HTTP/1.1\r\nHost: 127.0.0.1:{board.port}\r\nConnection: close\r\n\r\n",
    )
    assert b" 404 " in answer.split(b"\r\n")[0]
    assert b"sessions:" not in answer


def test_a_report_gets_no_rights_on_the_page(board: LiveDashboard) -> None:
    place = board.sessions / "told"
    place.mkdir(parents=True)
    (place / "report.html").write_text("<script>parent.x = 1</script>")
    answer = httpx.get(f"{board.url}report/told")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts")
    (place / "report.html").unlink()
    (place / "report.html").symlink_to(board.settings_file)
    assert httpx.get(f"{board.url}report/told").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"feed": "live", "viewer": "x", "frame": "a:1:1"},
        {"feed": "x", "viewer": "", "frame": "a"},
    ],
)
def test_snapshots_are_for_who_looks_on(board: LiveDashboard, query: dict[str, Any]) -> None:
    assert httpx.get(f"{board.url}snapshot", params=query).status_code in (404, 422)


def test_a_port_that_is_taken_is_one_clear_line(board: LiveDashboard, tmp_path: Path) -> None:
    done = run("dashboard", "--port", str(board.port), cwd=tmp_path)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {board.port}" in done.stderr
    assert done.stderr.count("\n") == 1
