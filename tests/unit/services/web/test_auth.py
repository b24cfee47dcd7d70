"""Access control over HTTP and websockets of a small app behind the access control."""

import json
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from affectline.services.web.audit import Audit
from affectline.services.web.auth import (
    AccessMiddleware,
    host_name,
    is_loopback,
    refuse_viewer,
)
from affectline.services.web.logins import LoginStore, WrongTokens, visitor_of
from affectline.services.web.token import load_or_create, viewer_file
from tests.fake_clock import Clock

TOKEN = "a-token-that-is-long-enough-to-be-believed"
VIEWER_TOKEN = "another-token-that-is-for-viewers-alone-here"
HERE = "http://127.0.0.1:8080"
SAFE_HERE = "https://127.0.0.1:8080"
AGE_S = 3600.0


@pytest.fixture
def clock() -> Clock:
    """The time of logins and delays."""
    return Clock()


@pytest.fixture(autouse=True)
def _audit(tmp_path: Path) -> None:
    Here.audit = tmp_path / "audit.jsonl"


class Here:
    audit: Path
    """Where the audit lines go."""


def client(
    token: str | None = None,
    host: str = "127.0.0.1",
    base: str = HERE,
    clock: Clock | None = None,
    *,
    is_encrypted: bool = False,
) -> TestClient:
    async def inside(request: Request) -> Response:
        if request.url.path == "/operators":
            return refuse_viewer(request, "do this") or PlainTextResponse("done")
        if request.url.path == "/who":
            return PlainTextResponse(visitor_of(request.scope).name)
        return PlainTextResponse("inside")

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("inside")
        with suppress(WebSocketDisconnect):
            await socket.receive_text()

    routes = [
        Route("/{path:path}", inside, methods=["GET", "POST"]),
        WebSocketRoute("/feed", talk),
    ]
    logins, clock = None, clock or Clock()
    if token:
        logins = LoginStore({"operator": token, "viewer": VIEWER_TOKEN}, AGE_S, clock)
    app = AccessMiddleware(
        Starlette(routes=routes), host=host, port=8080, logins=logins, names=("lab.example",),
        audit=Audit(Here.audit, "dashboard"), wrong_tokens=WrongTokens(clock),
        is_encrypted=is_encrypted,
    )  # fmt: skip
    return TestClient(app, base_url=base, follow_redirects=False)


def can_connect(browser: TestClient, **headers: str) -> bool:
    try:
        with browser.websocket_connect("ws://127.0.0.1:8080/feed", headers=headers) as socket:
            socket.send_text("goodbye")
            return bool(socket.receive_text() == "inside")
    except WebSocketDisconnect:
        return False


def test_the_machine_itself_needs_no_token() -> None:
    answer = client().get("/")
    assert (answer.status_code, answer.text) == (200, "inside")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert client().get("/who").text == "this machine"
    assert client().post("/operators", headers={"origin": HERE}).text == "done"


def test_no_script_in_a_page_runs_but_with_the_word_of_its_response() -> None:
    policies = [client().get("/").headers["content-security-policy"] for _ in range(2)]
    scripts = [p.split("script-src ")[1].split(";")[0] for p in policies]
    assert "'unsafe-inline'" not in scripts[0]
    assert "'nonce-" in scripts[0]
    assert scripts[0] != scripts[1]


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


def log_in(browser: TestClient, token: str = TOKEN, base: str = HERE) -> Any:
    return browser.post("/enter", data={"token": token}, headers={"origin": base})


def test_the_token_in_the_address_becomes_a_cookie_that_is_another() -> None:
    browser = client(TOKEN, "0.0.0.0")
    answer = browser.get(f"/?token={TOKEN}&a=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?a=1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Max-Age=3600" in cookie
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    assert browser.get("/").text == "inside"
    assert can_connect(browser, origin=HERE)
    assert not can_connect(client(TOKEN, "0.0.0.0"), cookie=f"affectline-8080={TOKEN}", origin=HERE)


def test_over_tls_the_cookie_is_for_tls_alone_and_so_are_requests() -> None:
    browser = client(TOKEN, "0.0.0.0", SAFE_HERE, is_encrypted=True)
    assert log_in(browser, base=HERE).status_code == 403
    cookie = log_in(browser, base=SAFE_HERE).headers["set-cookie"]
    assert cookie.startswith("__Host-affectline-8080=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert browser.get("/").text == "inside"


def test_the_token_in_the_form(clock: Clock) -> None:
    browser = client(TOKEN, "0.0.0.0", clock=clock)
    assert log_in(browser, "x" * 9999).status_code == 401, "not read"
    wrong = log_in(browser, "guess")
    assert wrong.status_code == 401
    assert "That token is wrong." in wrong.text
    clock.now += 1
    right = log_in(browser)
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert browser.get("/").text == "inside"
    assert browser.get("/enter").headers["location"] == "/"


def test_who_sends_wrong_tokens_waits_the_longer_the_more_of_them(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    browser = client(TOKEN, "0.0.0.0", clock=clock)
    for wait_s in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300):
        wrong = log_in(browser, "guess")
        assert (wrong.status_code, wrong.headers["retry-after"]) == (401, str(wait_s))
        clock.now += wait_s - 0.5
        for early in (log_in(browser), browser.get(f"/?token={TOKEN}")):
            assert (early.status_code, early.headers["retry-after"]) == (429, "1")
        clock.now += 0.5
    assert log_in(browser).status_code == 303
    assert log_in(client(TOKEN, "0.0.0.0", clock=clock), "guess").headers["retry-after"] == "1"
    assert "wrong token from testclient: it must wait 256 s" in caplog.text
    assert "guess" not in Here.audit.read_text()


def test_who_is_logged_in_is_not_kept_out_by_wrong_tokens(clock: Clock) -> None:
    browser = client(TOKEN, "0.0.0.0", clock=clock)
    log_in(browser)
    stranger = TestClient(browser.app, base_url=HERE, follow_redirects=False)
    assert log_in(stranger, "guess").status_code == 401
    assert browser.get("/").text == "inside"


def test_a_login_ends_by_itself(clock: Clock) -> None:
    browser = client(TOKEN, "0.0.0.0", clock=clock)
    log_in(browser)
    clock.now += AGE_S - 1
    assert browser.get("/").status_code == 200
    clock.now += 2
    assert browser.get("/").status_code == 401
    assert not can_connect(browser, origin=HERE)


def test_who_logs_out_is_out_with_all_sockets() -> None:
    with client(TOKEN, "0.0.0.0") as browser:
        log_in(browser)
        cookie = {"cookie": f"affectline-8080={browser.cookies['affectline-8080']}"}
        assert browser.post("/leave", headers={"origin": "http://evil.example"}).status_code == 403
        assert browser.get("/leave").headers["location"] == "/"
        assert browser.get("/").status_code == 200, "a link logs nobody out"
        with browser.websocket_connect("ws://127.0.0.1:8080/feed", headers={"origin": HERE}) as one:
            assert one.receive_text() == "inside"
            answer = browser.post("/leave", headers={"origin": HERE})
            assert answer.headers["location"] == "/"
            assert 'affectline-8080=""' in answer.headers["set-cookie"]
            with pytest.raises(WebSocketDisconnect) as ended:
                one.receive_text()
            assert ended.value.code == 1008
        assert browser.get("/", headers=cookie).status_code == 401
    said = [json.loads(line) for line in Here.audit.read_text().splitlines()]
    assert [(line["did"], line["from"]) for line in said] == [
        ("logged in", "testclient"), ("logged out", "testclient"),
    ]  # fmt: skip
    assert said[0]["who"].startswith("operator ")
    assert TOKEN not in Here.audit.read_text()


def test_viewers_have_a_token_of_their_own_and_look_on() -> None:
    browser = client(TOKEN, "0.0.0.0")
    log_in(browser, VIEWER_TOKEN)
    assert browser.get("/").text == "inside"
    assert browser.get("/who").text.startswith("viewer ")
    assert can_connect(browser, origin=HERE)
    answer = browser.get("/operators")
    assert (answer.status_code, answer.text) == (
        403, "viewers may not do this: log in with the operator's token",
    )  # fmt: skip
    log_in(browser := client(TOKEN, "0.0.0.0"))
    assert browser.get("/operators").text == "done"


def test_another_token_changes_the_role() -> None:
    """A link from an operator, or the form, in a browser of a viewer."""
    with client(TOKEN, "0.0.0.0") as browser:
        log_in(browser, VIEWER_TOKEN)
        cookie = {"cookie": f"affectline-8080={browser.cookies['affectline-8080']}"}
        with browser.websocket_connect("ws://127.0.0.1:8080/feed", headers={"origin": HERE}) as one:
            assert one.receive_text() == "inside"
            answer = browser.get(f"/replay/drive?token={TOKEN}&beside=b")
            assert (answer.status_code, answer.headers["location"]) == (
                303, "/replay/drive?beside=b",
            )  # fmt: skip
            with pytest.raises(WebSocketDisconnect):
                one.receive_text()
        assert browser.get("/who").text.startswith("operator ")
        assert log_in(browser, VIEWER_TOKEN).status_code == 303
        assert browser.get("/who").text.startswith("viewer ")
        browser.cookies.clear()
        assert browser.get("/", headers=cookie).status_code == 401, "the first login has ended"
    said = [json.loads(line)["did"] for line in Here.audit.read_text().splitlines()]
    assert said == ["logged in", *["logged out", "logged in"] * 2]


def test_the_same_token_again_leaves_the_login_and_never_the_token_in_the_address(
    clock: Clock,
) -> None:
    browser = client(TOKEN, "0.0.0.0", clock=clock)
    log_in(browser)
    who = browser.get("/who").text
    answer = browser.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "set-cookie" not in answer.headers
    assert browser.get("/who").text == who
    assert "That token is wrong." in browser.get("/?token=guess").text
    assert browser.get("/who").text == who, "a wrong token ends nothing"
    assert browser.get("/?token=").text == "inside"
    assert client().get(f"/?token={TOKEN}").text == "inside", "no token is needed"


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


@pytest.mark.parametrize("odd", ['prefs={"a":1}', "a[b]=c", "=", "na me=x y", "\xe9=\xe9"])
def test_odd_cookies_of_other_programs_keep_nobody_out(odd: str) -> None:
    """Programs on one host share their cookies, whatever their ports."""
    browser = client(TOKEN, "0.0.0.0")
    log_in(browser)
    own = f"affectline-8080={browser.cookies['affectline-8080']}"
    browser.cookies.clear()
    for cookie in (f"{odd}; {own}", f"{own}; {odd}"):
        assert browser.get("/", headers={"cookie": cookie.encode("latin-1")}).text == "inside"


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
    assert load_or_create(viewer_file(path)).text != first.text


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
