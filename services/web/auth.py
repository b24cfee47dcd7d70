"""Access control: every request and every websocket is checked before anything else sees it.

Three things are checked. **Host**: a name that another name server points at this machine (DNS
rebinding) is not one of ours. **Origin**: pages of other sites may send requests and open sockets
here, but their browser says where they come from. **Token**: where other machines can reach us,
every client has to present it.
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

LOGIN_PATH: Final = "/enter"
COOKIE_AGE_S: Final = 365 * 24 * 3600
LOGIN_FORM_MAX_BYTES: Final = 4096
WS_POLICY_VIOLATION: Final = 1008
"""Close code of a websocket (RFC 6455)."""
SAFE_METHODS: Final = ("GET", "HEAD")
SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' "
    "'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
"""Headers of every response that does not set its own. NiceGUI's Vue compiles templates in the
browser, hence ``unsafe-eval``; nothing is ever loaded from elsewhere."""
LOGIN_PAGE: Final = """<!doctype html>
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
<p>It was printed when the server first started, and is stored in the file named there.
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
    """ASGI middleware that rejects clients without access.

    Args:
        app: The application behind it.
        host: The address that the server listens on.
        port: Its port; part of the cookie's name, so that servers on one host do not share it.
        token: What clients have to present; None where only this machine can reach us.
        names: Host names that clients may use, besides addresses and this machine's own name.
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
        # NiceGUI would trust the paths in a proxy's headers
        scope["headers"] = [h for h in scope["headers"] if not h[0].startswith(b"x-forwarded-")]
        headers = Headers(scope=scope)
        problem = self._host_problem(headers) or self._origin_problem(scope, headers)
        if problem:
            await self._reject(scope, receive, send, PlainTextResponse(problem, 403))
        elif self._is_authorised(headers):
            await self.app(scope, receive, with_security_headers(send))
        else:
            await self._reject(scope, receive, send, await self._authenticate(scope, receive))

    def _host_problem(self, headers: Headers) -> str:
        name = host_name(headers.get("host", ""))
        if name in self._names:
            return ""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return "Refused: unknown host name (add it to dashboard.names in the settings)."
        if self._local_only and not address.is_loopback:
            return "Refused: this server is only available on its own machine."
        return ""

    def _origin_problem(self, scope: Scope, headers: Headers) -> str:
        """Other sites may link here, and do nothing else."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is not None:
            same = origin.partition("://")[2].lower() == headers.get("host", "").lower()
            return "" if same else "Refused: a request from another origin."
        if scope["type"] == "websocket":
            return "Refused: a socket without an origin."
        if site not in ("none", "same-origin"):
            is_navigation = headers.get("sec-fetch-mode") == "navigate"
            is_document = headers.get("sec-fetch-dest") == "document"
            if not (scope["method"] in SAFE_METHODS and is_navigation and is_document):
                return "Refused: a request from another origin."
        elif scope["method"] not in SAFE_METHODS and site != "same-origin":
            return "Refused: a request without an origin."
        return ""

    def _is_authorised(self, headers: Headers) -> bool:
        if self._token is None:
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _is_token(self, text: str) -> bool:
        token = self._token or ""
        return compare_digest(text.encode(errors="replace"), token.encode())

    async def _authenticate(self, scope: Scope, receive: Receive) -> Response:
        """Accept the token from the address or the form, and set a cookie; else show the form."""
        if scope["type"] != "http":
            return PlainTextResponse("A token is needed.", 401)
        query = parse_qs(scope["query_string"].decode(errors="replace"))
        if scope["method"] == "POST" and scope["path"] == LOGIN_PATH:
            given = await form_token(Request(scope, receive))
            target = "/"
        else:
            given = query.pop("token", [""])[0] if scope["method"] in SAFE_METHODS else ""
            rest = urlencode(query, doseq=True)
            target = "/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else "")
        if not given or not self._is_token(given):
            return HTMLResponse(LOGIN_PAGE, 401, headers={"cache-control": "no-store"})
        response = RedirectResponse(target, 303, headers={"cache-control": "no-store"})
        response.set_cookie(
            self._cookie, self._token or "", max_age=COOKIE_AGE_S, httponly=True, samesite="strict"
        )
        return response

    async def _reject(self, scope: Scope, receive: Receive, send: Send, response: Response) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose(WS_POLICY_VIOLATION, "refused")(scope, receive, send)
        else:
            await response(scope, receive, with_security_headers(send))


def host_name(text: str) -> str:
    """Name or address of a Host header, without its port and brackets."""
    text = text.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


async def form_token(request: Request) -> str:
    """The token of a submitted form; a body that is too long is not read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LOGIN_FORM_MAX_BYTES:
            return ""
    return parse_qs(body.decode(errors="replace")).get("token", [""])[0].strip()


def with_security_headers(send: Send) -> Send:
    """Add `SECURITY_HEADERS` to what is sent."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [
                (name.encode(), value.encode())
                for name, value in SECURITY_HEADERS.items()
                if name.encode() not in present
            ]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_headers
