"""Decoders of what comes by HTTP, by WebSocket and by LabRecorder's lines."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from affectline.common.settings.hub import HubSettings
from affectline.common.wire import codec
from affectline.common.wire.messages import Packet
from affectline.services.collect.routes import find_export
from affectline.services.dashboard.routes import add_routes
from affectline.services.dashboard.session_store import SessionStore
from affectline.services.remote import controller
from affectline.services.remote.controller import RemoteController
from affectline.services.remote.labrecorder import LabRecorderSession
from affectline.services.remote.web import Door, make_app
from affectline.services.synchrony.flash_page import FlashPage
from affectline.services.web.audit import Audit
from affectline.services.web.auth import AccessMiddleware
from affectline.services.web.feed import add_feed
from affectline.services.web.logins import LoginStore, Visitor, WrongTokens
from tests.fuzzing.decoder import Decoder, folder, join_parts, split_parts
from tests.unit.services.biometrics.fakes import START

TOKEN: Final = "t" * 40
LONGEST_NAME: Final = 64
App = Callable[..., Awaitable[None]]
Event = MutableMapping[str, Any]


def call(app: App, scope: dict[str, Any], received: Sequence[Event]) -> list[Event]:
    """What an application sends for a request or a socket on which so much arrives."""
    waiting = [*received]
    sent: list[Event] = []

    async def receive() -> Event:
        if waiting:
            return waiting.pop(0)
        return {"type": f"{scope['type']}.disconnect", "code": 1000}

    async def send(event: Event) -> None:
        if isinstance(text := event.get("text"), str):
            text.encode()
        sent.append(event)

    async def run() -> None:
        try:
            await app(scope, receive, send)
        except ClientDisconnect:
            return

    asyncio.run(run())
    return sent


def request(parts: Sequence[bytes], kind: str = "http") -> tuple[dict[str, Any], bytes]:
    """A request of any bytes: method, path, query and body, then names and values of headers."""
    method, path, query, body, *rest = [*parts, *[b""] * max(0, 4 - len(parts))]
    headers = [(rest[i].lower(), rest[i + 1]) for i in range(0, len(rest) - 1, 2)]
    scope: dict[str, Any] = {
        "type": kind, "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": method.decode("ascii", "replace"), "path": path.decode(errors="replace"),
        "raw_path": path, "query_string": query, "headers": headers, "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "subprotocols": [],
        "state": {},
    }  # fmt: skip
    return scope, body


def send_request(app: App, data: bytes) -> None:
    scope, body = request(split_parts(data))
    sent = call(app, scope, [{"type": "http.request", "body": body, "more_body": False}])
    started = [one for one in sent if one["type"] == "http.response.start"]
    assert started, "no answer"
    assert started[0]["status"] < 500, started


class Quiet(Audit):
    """Keeps no lines."""

    def __init__(self) -> None: ...

    def add(self, visitor: Visitor, did: str, **what: Any) -> None:
        json.dumps([visitor.name, visitor.address, did, what], ensure_ascii=False).encode()

    def warn(self, text: str) -> None:
        text.encode()


def remote() -> RemoteController:
    return RemoteController(HubSettings(), lambda: (START, True), lambda: None, Quiet())


def publish(remote_controller: RemoteController) -> None:
    """What becomes of the markers that were taken over."""
    for marker in remote_controller.pop_markers():
        codec.encode(Packet(marker))
        json.dumps(marker.extra, allow_nan=False)


def ask_remote(data: bytes) -> None:
    """A request to the remote control."""
    known = remote()
    with (
        mock.patch.object(controller, "start_recording", return_value="s1"),
        mock.patch.object(controller, "stop_recording", return_value="s1"),
    ):
        send_request(make_app(Door(TOKEN), ("http://a",), known, lambda: {"a": 1}), data)
    publish(known)


def talk_to_remote(data: bytes) -> None:
    """Texts on the remote control's socket."""
    known = remote()
    scope, _ = request([b"GET", b"/markers/live", f"token={TOKEN}".encode()], "websocket")
    texts = [part.decode(errors="replace") for part in split_parts(data)[:20]]
    said = [{"type": "websocket.receive", "text": text} for text in texts]
    app = make_app(Door(TOKEN), (), known, lambda: {})
    call(app, scope, [{"type": "websocket.connect"}, *said])
    publish(known)


def say_to_labrecorder(data: bytes) -> None:
    """Lines of LabRecorder's remote control."""
    known = remote()
    session = LabRecorderSession(known)
    with (
        mock.patch.object(controller, "start_recording", return_value="s1"),
        mock.patch.object(controller, "stop_recording", return_value="s1"),
    ):
        for line in data.splitlines()[:10]:
            answer = session.answer(line[:4096].decode("utf-8", "replace"))
            assert "\n" not in answer
            assert len(answer) < 20_000
            answer.encode()


@cache
def page() -> App:
    """The page's own routes behind its access control."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    client = SimpleNamespace(find_sent=lambda *_: None)
    hub = SimpleNamespace(broadcaster=SimpleNamespace(clients={"v": client}))
    with folder() as place:
        (place / "s1").mkdir()
        sessions = SessionStore(place, lambda: {})
    state: Any = SimpleNamespace(
        audit=Quiet(),
        hub_client=lambda feed: hub if feed == "live" else None,
        may_save_pictures=lambda _: True,
        sessions=sessions,
    )
    add_routes(app, state)
    add_feed(app, state)
    return app


def ask_page(data: bytes) -> None:
    """A request to the page: its first byte tells whether it can be reached from elsewhere."""
    is_open = data[:1] == b"o"
    logins = LoginStore({"operator": TOKEN}, 60)
    if data[:1] == b"o" and len(data) % 2:  # somebody is logged in
        secret, _ = logins.begin("operator", "127.0.0.1")
        data = data.replace(b"affectline-80=" + TOKEN.encode(), f"affectline-80={secret}".encode())
    access = AccessMiddleware(
        page(), host="0.0.0.0" if is_open else "127.0.0.1", port=80,
        logins=logins if is_open else None, audit=Quiet(), wrong_tokens=WrongTokens(),
    )  # fmt: skip
    send_request(access, data[1:])


def ask_for_export(data: bytes) -> None:
    """The name of an export in an address."""
    with folder() as place:
        collection: Any = SimpleNamespace(folder=place)
        assert find_export(collection, data.decode(errors="replace")) is None


def say_to_flash_page(data: bytes) -> None:
    """What a page of flashes says."""
    flashes = FlashPage.__new__(FlashPage)
    flashes._said = mock.Mock()
    flashes.accept(data)
    flashes._path = "/secret/"
    flashes.name_of(data.decode("latin-1"))


def requests(path: bytes, body: bytes, method: bytes = b"POST", query: bytes = b"") -> bytes:
    given = (
        b"authorization", b"Bearer " + TOKEN.encode(), b"host", b"localhost",
        b"cookie", b"affectline-80=" + TOKEN.encode(), b"sec-fetch-site", b"same-origin",
    )  # fmt: skip
    return join_parts([method, path, query, body, *given])


MARK: Final = b'{"label":"x","source":"y","fields":{"a":[1,2.5,null,"z"]},"age_ms":10}'
JSON: Final = (
    b"NaN", b"Infinity", b"1e999", b"9" * 30, b"9" * 5000, b'"\\ud800"', b"[" * 2000,
    b'{"a":' * 300, b"null", b"true", b'"\\u0000"', b"-1", b"[]", b"{}",
)  # fmt: skip
FIELDS: Final = tuple(
    b"{%s:%s}" % (name, b"%p%s%b%n%a%m" * 50)
    for name in (b"template", b"participant", b"session", b"task", b"run", b"acquisition")
)
DECODERS: Final = (
    Decoder("remote-http", ask_remote, lambda: [
        requests(b"/markers", MARK), requests(b"/status", b"", b"GET"),
        requests(b"/recordings", b'{"name":"s1","consent":"c","participant":"p"}'),
        requests(b"/recordings/current", b"", b"DELETE"),
    ], JSON),
    Decoder("remote-socket", talk_to_remote, lambda: [
        join_parts([b'{"pong":0,"now_ms":1}', b'{"label":"x","at_ms":1}', MARK]),
    ], JSON),
    Decoder("labrecorder", say_to_labrecorder, lambda: [
        b"update\nselect all\nfilename {root:C:/} {template:%p_%b.xdf} {participant:P1}\n"
        b"start\nstop\n",
    ], (*FIELDS, b"{", b"}", b"\xff", b"%", b"select none", b"\0")),
    Decoder("page-http", ask_page, lambda: [
        kind + requests(path, b"", b"GET", query)
        for kind in (b"o", b"l")
        for path, query in (
            (b"/snapshot", b"feed=live&viewer=v&frame=a:1:2"), (b"/report/s1", b""),
            (b"/report/..%2fx", b"token=x"),
        )
    ] + [b"o" + requests(b"/enter", b"token=" + b"t" * 40)],
    (b"[::1]", b"\xd9\xa3", b":" * 50, b"%00", b"..", b"\0", b"\xff", b"token=", b"affectline-80=",
     b"=" * 20, b'"', b";" * 20, b"//evil", b"frame=&" * 40)),
    Decoder("export-name", ask_for_export, lambda: [b"20260101-000000-folder"]),
    Decoder("flash-page", say_to_flash_page, lambda: [
        b'{"at":1,"light":true}', b'{"error":1}', b'{"end":true}',
    ], JSON),
)  # fmt: skip
