"""Who may come in: asked of every request and every socket, before anything else sees them.

Three things are looked at. **Host**: a page that somebody else's name server points at this machine
(DNS rebinding) calls it by a name that is not ours. **Origin**: a page of another site may send
requests and open sockets here, but its browser says where they come from. **Token**: where other
machines can reach us, whoever does not bring it stays outside.
"""

import ipaddress
import socket
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

ENTRANCE: Final = "/enter"
YEAR_S: Final = 365 * 24 * 3600
TOKEN_MAX: Final = 4096
REFUSED: Final = 1008
"""Of a websocket: policy violation (RFC 6455)."""
SAFE: Final = ("GET", "HEAD")
SAFEGUARDS: Final = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' "
    "'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
"""Headers of every answer that has none of its own. NiceGUI's Vue compiles templates in the
browser, hence ``unsafe-eval``; nothing is ever loaded from elsewhere."""
FORM: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Affectline</title>
<style>
:root { color-scheme: light dark }
body { max-width: 26rem; margin: 20vh auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }
input, button { font: inherit; padding: .6rem .8rem; width: 100%; box-sizing: border-box }
button { margin-top: .6rem }
</style>
<h1>Affectline</h1>
<form method="post" action="/enter">
<p><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" autofocus required>
<button>Open</button>
</form>
<p>It was printed when the dashboard first started, and is kept in the file named there.
"""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class AccessMiddleware:
    """ASGI middleware that lets in who may.

    Args:
        app: What is behind.
        host: The address that is listened on.
        port: Its port: a cookie of this name belongs to it alone.
        token: What has to be shown; None where only this machine can reach us.
        names: Host names by which we may be called, besides addresses and our own name.
    """

    def __init__(
        self, app: ASGIApp, *, host: str, port: int, token: str | None, names: tuple[str, ...] = ()
    ) -> None:
        self.app = app
        self._token = token
        self._cookie = f"affectline-{port}"
        self._local_only = is_loopback(host)
        own = () if self._local_only else (socket.gethostname(), socket.getfqdn(), host)
        self._names = {name.lower() for name in ("localhost", *own, *names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        # A proxy's word about paths is nobody's business here, and NiceGUI would repeat it
        scope["headers"] = [h for h in scope["headers"] if not h[0].startswith(b"x-forwarded-")]
        headers = Headers(scope=scope)
        problem = self._host_problem(headers) or self._origin_problem(scope, headers)
        if problem:
            await self._refuse(scope, receive, send, PlainTextResponse(problem, 403))
        elif self._may_enter(headers):
            await self.app(scope, receive, guarded(send))
        else:
            await self._refuse(scope, receive, send, await self._ask(scope, receive))

    def _host_problem(self, headers: Headers) -> str:
        name = host_name(headers.get("host", ""))
        if name in self._names:
            return ""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return "Refused: this server is not called so (dashboard.names in the settings)."
        if self._local_only and not address.is_loopback:
            return "Refused: this server is only for its own machine."
        return ""

    def _origin_problem(self, scope: Scope, headers: Headers) -> str:
        """Other sites may link here, and nothing else."""
        origin, where = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is not None:
            same = origin.partition("://")[2].lower() == headers.get("host", "").lower()
            return "" if same else "Refused: a request from another origin."
        if scope["type"] == "websocket":
            return "Refused: a socket without an origin."
        if where not in ("none", "same-origin"):
            goes_there = headers.get("sec-fetch-mode") == "navigate"
            alone = headers.get("sec-fetch-dest") == "document"
            if not (scope["method"] in SAFE and goes_there and alone):
                return "Refused: a request from another origin."
        elif scope["method"] not in SAFE and where != "same-origin":
            return "Refused: a request without an origin."
        return ""

    def _may_enter(self, headers: Headers) -> bool:
        if self._token is None:
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and self._is_right(cookie.value)

    def _is_right(self, text: str) -> bool:
        token = self._token or ""
        return compare_digest(text.encode(errors="replace"), token.encode())

    async def _ask(self, scope: Scope, receive: Receive) -> Response:
        """Let in who brings the token, in the address or in the form; ask all others for it."""
        if scope["type"] != "http":
            return PlainTextResponse("A token is needed.", 401)
        query = parse_qs(scope["query_string"].decode(errors="replace"))
        if scope["method"] == "POST" and scope["path"] == ENTRANCE:
            shown = await form_token(Request(scope, receive))
            target = "/"
        else:
            shown = query.pop("token", [""])[0] if scope["method"] in SAFE else ""
            rest = urlencode(query, doseq=True)
            target = "/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else "")
        if not shown or not self._is_right(shown):
            return HTMLResponse(FORM, 401, headers={"cache-control": "no-store"})
        welcome = RedirectResponse(target, 303, headers={"cache-control": "no-store"})
        welcome.set_cookie(
            self._cookie, self._token or "", max_age=YEAR_S, httponly=True, samesite="strict"
        )
        return welcome

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, answer: Response) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose(REFUSED, "refused")(scope, receive, send)
        else:
            await answer(scope, receive, guarded(send))


def host_name(text: str) -> str:
    """Name or address of a Host header, without its port and brackets."""
    text = text.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


async def form_token(request: Request) -> str:
    """The token of a form that was sent in; no more than a few bytes of it are read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > TOKEN_MAX:
            return ""
    return parse_qs(body.decode(errors="replace")).get("token", [""])[0].strip()


def guarded(send: Send) -> Send:
    """Add the headers that keep browsers strict."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            there = {name.lower() for name, _ in headers}
            headers += [
                (name.encode(), value.encode())
                for name, value in SAFEGUARDS.items()
                if name.encode() not in there
            ]
            message = {**message, "headers": headers}
        await send(message)

    return with_headers
