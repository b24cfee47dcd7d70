"""The dashboard's access control over HTTP and websockets, with the real process."""

import asyncio
import json
import re
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from tests.dashboards import LiveDashboard
from tests.pipelines import run

pytestmark = pytest.mark.slow


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
        wrong = {"cookie": f"affectline-{board.port}={token[:-1]}x"}
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
    assert can_connect(board, origin=board.url.rstrip("/"), cookie=cookie)
    assert not can_connect(board, origin="http://evil.example", cookie=cookie)


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
