"""HTTP and WebSocket: ``POST /markers``, ``/recordings``, and ``/markers/live`` for low latency."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest
from math import ceil, inf
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.json_text import parse_json
from affectline.common.logs import ServiceLogger
from affectline.services.remote.client_clock import ClientClock
from affectline.services.remote.connections import PATIENCE_S, ClientConnection, ClientConnections
from affectline.services.remote.controller import RemoteController, TooManyMarkersError
from affectline.services.web.certificate import Certificate
from affectline.services.web.logins import Visitor, WrongTokens

LARGEST_BODY: Final = 65_536
LONGEST_ID: Final = 100
PINGS: Final = 5
"""Pings right after a client has connected; then one every `PING_S`."""
PING_S: Final = 10.0
FIRST_PINGS_S: Final = 0.05
WELCOME_S: Final = 3600.0
WHO_ARE_YOU: Final = "no token, or a wrong one: send Authorization: Bearer TOKEN"
TOO_MANY: Final = "too many requests and WebSockets at a time: close some"
POLICY_VIOLATION: Final = 1008
"""Close code of a WebSocket (RFC 6455)."""
TRY_AGAIN_LATER: Final = 1013
"""The same, from IANA's registry."""

STATE: Final = "connection"
"""Under this name a request's scope has its connection."""

Handler = Callable[[Request], Awaitable[Response]]
Status = Callable[[], Mapping[str, Any]]


class WebControl(threading.Thread):
    """Serves HTTP and WebSocket until it is stopped.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        token: The token that clients must present.
        origins: Web pages that may use it.
        controller: Carries out requests.
        status: Returns the status.
        certificate: The server's certificate; None: no encryption.
    """

    def __init__(
        self,
        host: str,
        port: int,
        token: str,
        origins: tuple[str, ...],
        controller: RemoteController,
        status: Status,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(name="remote web", daemon=True)
        self.door = Door(token)
        app = make_app(self.door, origins, controller, status)
        protocol = _make_protocol(ClientConnections())
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, host=host, port=port, log_level="warning", log_config=None, access_log=False,
                server_header=False, ws_max_size=LARGEST_BODY, http=protocol,
                timeout_graceful_shutdown=1, lifespan="off",
                ssl_certfile=certificate.file if certificate else None,
                ssl_keyfile=certificate.key if certificate else None,
            )
        )  # fmt: skip
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]

    def run(self) -> None:
        self._server.run()

    @property
    def is_listening(self) -> bool:
        """Whether clients can connect."""
        return bool(self._server.started)

    def stop(self) -> None:
        """Close all connections, and wait for the thread."""
        self._server.should_exit = True
        if self.is_alive():
            self.join(timeout=5)


def make_app(
    door: "Door", origins: tuple[str, ...], controller: RemoteController, status: Status
) -> Starlette:
    """The web application."""
    calls = _Calls(controller, status)

    async def live(socket: WebSocket) -> None:
        given = f"Bearer {socket.query_params.get('token', '')}"
        may_come = _may_come(socket.headers.get("origin"), origins)
        if not may_come or door.find_problem(given, address_of(socket)):
            await socket.close(POLICY_VIOLATION)
            return
        if not _may_be_served(socket):
            await socket.close(TRY_AGAIN_LATER)
            return
        await socket.accept()
        await _LiveMarkers(socket, controller).serve()

    routes = [
        Route("/status", _guard(calls.describe, door), methods=["GET"]),
        Route("/markers", _guard(calls.mark, door), methods=["POST"]),
        Route("/recordings", _guard(calls.record, door), methods=["POST"]),
        Route("/recordings/current", _guard(calls.finish, door), methods=["DELETE"]),
        WebSocketRoute("/markers/live", live),
    ]
    allowed = Middleware(
        CORSMiddleware, allow_origins=list(origins), allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["authorization", "content-type"],
    )  # fmt: skip
    return Starlette(routes=routes, middleware=[Middleware(_Timed), allowed])


def _make_protocol(connections: ClientConnections) -> type[asyncio.Protocol]:
    """The server's protocol, which keeps track of its connections."""

    class Protocol(H11Protocol):
        def __init__(
            self, config: uvicorn.Config, server_state: Any, app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:  # fmt: skip
            self._connection = ClientConnection(connections)
            super().__init__(config, server_state, {**app_state, STATE: self._connection}, _loop)

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._connection.on_open(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            self._connection.on_lost()
            super().connection_lost(exc)

    return Protocol


class _Timed:
    """Tells a connection when its request is answered, or its WebSocket has ended."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            connection = scope.get("state", {}).get(STATE)
            if connection is not None:
                connection.on_answered()


def _may_be_served(request: HTTPConnection) -> bool:
    """Whether there is room for a client that has sent the right token."""
    connection = request.scope.get("state", {}).get(STATE)
    return connection is None or bool(connection.on_known())


class Door:
    """Accepts clients with the token, and delays others after wrong tokens.

    An experiment must not lose its markers because somebody guesses tokens on the same machine, so
    an address that has sent the right token is not delayed.

    Args:
        token: The token that clients must present.
        clock: Returns the time in seconds.
    """

    def __init__(self, token: str, clock: Callable[[], float] = monotonic) -> None:
        self._token, self._clock = token, clock
        self.wrong_tokens = WrongTokens(clock)
        self._welcome: dict[str, float] = {}
        """By address: when the right token last came from it."""

    def find_problem(self, authorization: str, address: str) -> Response | None:
        """The response for a refused client; None: the client is accepted."""
        now = self._clock()
        is_welcome = now - self._welcome.get(address, -inf) < WELCOME_S
        wait_s = 0.0 if is_welcome else self.wrong_tokens.delay_s(address)
        if wait_s:
            return _wait(429, "too many wrong tokens from this address", wait_s)
        if not authorization:
            return _problem(401, WHO_ARE_YOU)
        if not _is_known(authorization, self._token):
            wait_s = self.wrong_tokens.add(address)
            ServiceLogger("remote").warning(
                "wrong token from %s: it must wait %.0f s", address, wait_s
            )
            return _wait(401, WHO_ARE_YOU, wait_s)
        self.wrong_tokens.forget(address)
        self._welcome = {one: at for one, at in self._welcome.items() if now - at < WELCOME_S}
        self._welcome[address] = now
        return None


def _guard(handler: Handler, door: Door) -> Handler:
    """Wrap a handler: clients need the token, and errors become responses."""

    async def check(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if problem := door.find_problem(given, address_of(request)):
            return problem
        if not _may_be_served(request):
            return _problem(503, TOO_MANY)
        try:
            return await handler(request)
        except TooManyMarkersError as error:
            return _problem(429, str(error))
        except AffectlineError as error:
            return _problem(409, str(error))
        except _BadBodyError as error:
            return _problem(400, str(error))

    return check


class _Calls:
    """Handlers of HTTP requests."""

    def __init__(self, controller: RemoteController, status: Status) -> None:
        self._controller, self._status = controller, status

    async def describe(self, _: Request) -> Response:
        return JSONResponse(dict(self._status()))

    async def mark(self, request: Request) -> Response:
        body = await _read(request)
        accepted = self._controller.mark(
            _text(body, "label"), str(body.get("source") or "http"), _fields(body),
            _number(body, "age_ms") / 1000, _id(body),
        )  # fmt: skip
        return JSONResponse({"label": accepted.label, "at": accepted.at}, 201)

    async def record(self, request: Request) -> Response:
        body = await _read(request)
        session = _text(body, "name")
        rest = {
            name: _plain(name, value)
            for name, value in body.items()
            if name != "name" and value is not None  # null means no value
        }
        name = await run_in_threadpool(self._controller.record, session, rest, _caller(request))
        return JSONResponse({"recording": name}, 201)

    async def finish(self, request: Request) -> Response:
        recorded = await run_in_threadpool(self._controller.stop, _caller(request))
        return JSONResponse({"recorded": recorded})


class _LiveMarkers:
    """One WebSocket: markers have the client's own time, which pings relate to ours."""

    def __init__(self, socket: WebSocket, controller: RemoteController) -> None:
        self._socket, self._controller = socket, controller
        self._offset = ClientClock()
        self._sent: dict[int, float] = {}

    async def serve(self) -> None:
        pinging = asyncio.create_task(self._ping())
        try:
            while True:
                await self._handle(await self._socket.receive_text())
        except (WebSocketDisconnect, KeyError):  # KeyError: the client sent bytes
            return
        finally:
            pinging.cancel()
            with contextlib.suppress(asyncio.CancelledError, RuntimeError):
                await pinging

    async def _ping(self) -> None:
        number = 0
        while True:
            self._sent = {number: monotonic()} | dict(list(self._sent.items())[:PINGS])
            await self._socket.send_json({"ping": number})
            number += 1
            await asyncio.sleep(FIRST_PINGS_S if number < PINGS else PING_S)

    async def _handle(self, text: str) -> None:
        received = monotonic()
        try:
            body = _parse(text)
            if "pong" in body:
                self._add_pong(body, received)
                return
            await self._socket.send_json(self._mark(body, received))
        except (_BadBodyError, AffectlineError, ValueError) as error:
            await self._socket.send_json({"error": str(error)[:500]})

    def _add_pong(self, body: Mapping[str, Any], received: float) -> None:
        sent = self._sent.pop(body["pong"], None) if isinstance(body["pong"], int) else None
        if sent is not None:
            self._offset.add(sent, _number(body, "now_ms") / 1000, received)

    def _mark(self, body: Mapping[str, Any], received: float) -> dict[str, Any]:
        age: float | None = 0.0
        if "at_ms" in body:
            age = self._offset.age_of(_number(body, "at_ms") / 1000, received)
            if age is None:
                raise _BadBodyError("at_ms before the first ping was answered")
        accepted = self._controller.mark(
            _text(body, "label"), str(body.get("source") or "websocket"), _fields(body),
            age or 0.0, _id(body),
        )  # fmt: skip
        error = self._offset.error_s
        told: dict[str, Any] = {"label": accepted.label, "at": accepted.at}
        return told | ({} if error is None else {"error_ms": round(error * 1000, 3)})


class _BadBodyError(Exception):
    """An invalid request body."""


async def _read(request: Request) -> dict[str, Any]:
    """The JSON object of a request, which must arrive in time."""
    data = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for chunk in request.stream():
                data += chunk
                if len(data) > LARGEST_BODY:
                    raise _BadBodyError(f"a body of more than {LARGEST_BODY} bytes")
    except TimeoutError as error:
        raise _BadBodyError(f"the body took more than {PATIENCE_S:g} s") from error
    return _parse(data)


def _parse(data: str | bytes | bytearray) -> dict[str, Any]:
    try:
        body = parse_json(data)
        # JSON may contain half a character, which can be neither answered nor stored
        json.dumps(body, ensure_ascii=False).encode()
    except ValueError as error:
        raise _BadBodyError("not JSON") from error
    if not isinstance(body, dict):
        raise _BadBodyError("not a JSON object")
    return body


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _BadBodyError(f"{name}: a text is needed")
    return value.strip()


def _plain(name: str, value: Any) -> str:
    """Convert to text; clients may send participants' numbers as JSON numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _BadBodyError(f"{name} {str(value)[:80]}: a text is needed")
    return str(value)


def _number(body: Mapping[str, Any], name: str) -> float:
    value = body.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise _BadBodyError(f"{name} {value!r}: not a number")
    return float(value)


def _id(body: Mapping[str, Any]) -> str:
    """The ID of a marker; empty if it has none."""
    value = body.get("id", "")
    if not isinstance(value, str) or len(value) > LONGEST_ID:
        raise _BadBodyError(f"id: a text of at most {LONGEST_ID} characters is needed")
    return value


def _fields(body: Mapping[str, Any]) -> dict[str, Any]:
    fields = body.get("fields", {})
    if not isinstance(fields, dict):
        raise _BadBodyError("fields: not a JSON object")
    return fields


def _is_known(authorization: str, token: str) -> bool:
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.encode(), token.encode())


def _may_come(origin: str | None, origins: tuple[str, ...]) -> bool:
    """Whether a page may open a socket: browsers send the page's origin, other programs do not."""
    return origin is None or origin in origins or "*" in origins


def _caller(request: Request) -> Visitor:
    return Visitor("operator", "remote control", address_of(request))


def address_of(connection: HTTPConnection) -> str:
    """Address of a request's or socket's client; empty if unknown."""
    return connection.client.host if connection.client else ""


def _problem(code: int, text: str) -> Response:
    return JSONResponse({"error": text}, code)


def _wait(code: int, text: str, wait_s: float) -> Response:
    seconds = ceil(wait_s)
    error = {"error": f"{text}; the next attempt is checked in {seconds} s"}
    return JSONResponse(error, code, headers={"retry-after": str(seconds)})
