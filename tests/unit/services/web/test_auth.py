"""Access control over HTTP and websockets of a small app behind the access control."""

import stat
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from affectline.services.web.auth import AccessMiddleware, host_name, is_loopback
from affectline.services.web.token import load_or_create

TOKEN = "a-token-that-is-long-enough-to-be-believed"
HERE = "http://127.0.0.1:8080"


def client(token: str | None = None, host: str = "127.0.0.1", base: str = HERE) -> TestClient:
    async def inside(request: Request) -> Response:
        return PlainTextResponse("inside")

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("inside")
        await socket.close()

    routes = [
        Route("/{path:path}", inside, methods=["GET", "POST"]),
        WebSocketRoute("/feed", talk),
    ]
    app = AccessMiddleware(
        Starlette(routes=routes), host=host, port=8080, token=token, names=("lab.example",)
    )
    return TestClient(app, base_url=base, follow_redirects=False)


def can_connect(browser: TestClient, **headers: str) -> bool:
    try:
        with browser.websocket_connect("ws://127.0.0.1:8080/feed", headers=headers) as socket:
            return bool(socket.receive_text() == "inside")
    except WebSocketDisconnect:
        return False


def test_the_machine_itself_needs_no_token() -> None:
    answer = client().get("/")
    assert (answer.status_code, answer.text) == (200, "inside")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "192.168.1.20:8080", "127.0.0.1.evil.example", ""]
)
def test_a_name_that_is_not_ours_is_refused(host: str) -> None:
    browser = client()
    assert browser.get("/", headers={"host": host}).status_code == 403
    assert not can_connect(browser, host=host, origin=f"http://{host}")


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "lab.example"])
def test_our_own_names_are_known(host: str) -> None:
    assert client().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1:8080.evil"],
)
def test_other_origins_are_refused(origin: str) -> None:
    browser = client()
    assert browser.get("/", headers={"origin": origin}).status_code == 403
    assert browser.post("/", headers={"origin": origin}).status_code == 403
    assert not can_connect(browser, origin=origin)


def test_a_socket_has_to_say_where_it_comes_from() -> None:
    assert not can_connect(client())
    assert can_connect(client(), origin=HERE)


@pytest.mark.parametrize(
    ("site", "mode", "destination", "status"),
    [
        ("none", "navigate", "document", 200),
        ("same-origin", "cors", "empty", 200),
        ("cross-site", "navigate", "document", 200),  # a link
        ("cross-site", "navigate", "iframe", 403),
        ("cross-site", "no-cors", "image", 403),
        ("same-site", "no-cors", "script", 403),  # another port of this machine
        ("cross-site", "cors", "empty", 403),
    ],
)
def test_other_sites_may_link_and_nothing_else(
    site: str, mode: str, destination: str, status: int
) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": destination}
    assert client().get("/snapshot", headers=headers).status_code == status
    if site != "same-origin":
        assert client().post("/", headers=headers).status_code == 403


def test_without_the_token_nobody_gets_further() -> None:
    browser = client(TOKEN, "0.0.0.0")
    for path in ("/", "/snapshot", "/report/x", "/style/style.css", "/_nicegui_ws/socket.io/"):
        answer = browser.get(path)
        assert answer.status_code == 401
        assert "inside" not in answer.text
    assert browser.post("/", headers={"origin": HERE}).status_code == 401
    assert not can_connect(browser, origin=HERE)
    assert not can_connect(browser, origin=HERE, cookie=f"affectline-8080={TOKEN[:-1]}")


def test_the_token_in_the_address_becomes_a_cookie() -> None:
    browser = client(TOKEN, "0.0.0.0")
    answer = browser.get(f"/?token={TOKEN}&a=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?a=1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert browser.get("/").text == "inside"
    assert can_connect(browser, origin=HERE)


def test_the_token_in_the_form() -> None:
    browser = client(TOKEN, "0.0.0.0")
    wrong = browser.post("/enter", data={"token": "guess"}, headers={"origin": HERE})
    assert wrong.status_code == 401
    right = browser.post("/enter", data={"token": TOKEN}, headers={"origin": HERE})
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert browser.get("/").text == "inside"
    assert browser.post("/enter", data={"token": "x" * 9999}, headers={"origin": HERE}).text


def test_a_redirect_stays_here() -> None:
    browser = client(TOKEN, "0.0.0.0")
    where = browser.get(f"//evil.example/?token={TOKEN}").headers["location"]
    assert where.startswith("/")
    assert not where.startswith("//")


@pytest.mark.parametrize(
    "cookie", ["affectline-8080=", "affectline-8080=é", "a=b; c", "====", "\x01"]
)
def test_odd_cookies_open_nothing(cookie: str) -> None:
    browser = client(TOKEN, "0.0.0.0")
    assert browser.get("/", headers={"cookie": cookie.encode()}).status_code == 401


def test_addresses_are_told_apart() -> None:
    assert [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost", "127.8.0.1")] == [True] * 4
    assert not any(is_loopback(h) for h in ("0.0.0.0", "::", "192.168.1.2", "localhost.evil"))
    assert [host_name(h) for h in ("A:1", "[::1]:80", "::1", "a")] == ["a", "::1", "::1", "a"]


def test_a_token_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "sessions" / ".token"
    first = load_or_create(path)
    assert first.is_new
    assert len(first.text) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(path) == (first.text, False)


@pytest.mark.parametrize("what", ["readable", "link", "short"])
def test_a_token_that_others_may_know_is_replaced(tmp_path: Path, what: str) -> None:
    path = tmp_path / ".token"
    known = "known-to-everybody-on-this-machine-by-now"
    path.write_text("x" if what == "short" else known)
    path.chmod(0o644 if what == "readable" else 0o600)
    if what == "link":
        elsewhere = path.rename(tmp_path / "elsewhere")
        path.symlink_to(elsewhere)
    token = load_or_create(path)
    assert token.is_new
    assert token.text != known
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if what == "link":
        assert (tmp_path / "elsewhere").read_text() == known
