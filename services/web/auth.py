"""Access control: checks every request and every websocket before anything else sees it.

Three things are checked. **Host**: a name that somebody else's name server points at this machine
(DNS rebinding) is not one of ours. **Origin**: pages of other sites may send requests and open
sockets here, but the browser states their origin. **Login**: if other machines can reach us, or if
configured, every client must present a token once. It then gets a cookie, which is not the token
and expires.
"""

import asyncio
import ipaddress
import socket
from typing import Final
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from affectline.common.errors import AffectlineError
from affectline.services.web.audit import Audit
from affectline.services.web.login_page import login_page
from affectline.services.web.logins import (
    LOCAL,
    SCOPE_KEY,
    Login,
    LoginStore,
    Visitor,
    WrongTokens,
    visitor_of,
)
from affectline.services.web.policy import NONCE_KEY, make_nonce, with_security_headers

LOGIN_PATH: Final = "/enter"
LOGOUT_PATH: Final = "/leave"
LOGIN_FORM_MAX_BYTES: Final = 4096
WS_POLICY_VIOLATION: Final = 1008
"""Close code of a websocket (RFC 6455)."""
SAFE_METHODS: Final = ("GET", "HEAD")
NO_STORE: Final = {"cache-control": "no-store"}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class AccessMiddleware:
    """ASGI middleware that rejects clients without access, and identifies each request's visitor.

    Args:
        app: The application behind it.
        host: The address that the server listens on.
        port: The server's port; part of the cookie's name, so that servers on one host do not
            share cookies.
        logins: The logins; None if no token is required.
        audit: Log that gets a line for each login.
        wrong_tokens: Delays addresses that guess tokens.
        names: Host names that clients may use, besides addresses and this machine's own name.
        is_encrypted: Clients use https.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        logins: LoginStore | None,
        audit: Audit,
        wrong_tokens: WrongTokens,
        names: tuple[str, ...] = (),
        is_encrypted: bool = False,
    ) -> None:
        self.app = app
        self._logins, self._audit = logins, audit
        self._wrong_tokens = wrong_tokens
        self._is_encrypted = is_encrypted
        self._cookie = f"{'__Host-' if is_encrypted else ''}affectline-{port}"
        self._local_only = is_loopback(host)
        own = () if self._local_only else (socket.gethostname(), socket.getfqdn(), host)
        self._names = {name.lower() for name in ("localhost", *own, *names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        # NiceGUI would trust the paths in proxy headers
        scope["headers"] = [h for h in scope["headers"] if not h[0].startswith(b"x-forwarded-")]
        headers = Headers(scope=scope)
        problem = self._host_problem(headers) or self._origin_problem(scope, headers)
        login = self._find_login(headers)
        if problem:
            await self._reject(scope, receive, send, PlainTextResponse(problem, 403))
        elif self._logins is None:
            await self._serve(scope, receive, send, LOCAL)
        elif login is None or brings_token(scope):
            response = await self._authenticate(self._logins, scope, receive, login)
            await self._reject(scope, receive, send, response)
        elif scope["type"] == "http" and scope["path"] in (LOGIN_PATH, LOGOUT_PATH):
            await self._respond(scope, receive, send, self._leave_or_stay(scope, login))
        elif scope["type"] == "http":
            await self._serve(scope, receive, send, self._visitor(login))
        else:
            await self._serve_until_logout(self._logins, scope, receive, send, login)

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
        """Refuse everything from other sites except links."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is not None:
            scheme, _, place = origin.lower().partition("://")
            same = place == headers.get("host", "").lower()
            same = same and (scheme == "https" or not self._is_encrypted)
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

    def _find_login(self, headers: Headers) -> Login | None:
        if self._logins is None:
            return None
        # SimpleCookie would find none if another program on this host has set an odd one
        secret = cookie_parser(headers.get("cookie", "")).get(self._cookie)
        return self._logins.find(secret) if secret is not None else None

    def _visitor(self, login: Login) -> Visitor:
        logins = self._logins
        name = f"{login.role} {login.number}"
        return Visitor(
            login.role, name, login.address, lambda: logins is None or logins.is_on(login)
        )

    async def _authenticate(
        self, logins: LoginStore, scope: Scope, receive: Receive, before: Login | None
    ) -> Response:
        """Accept a token from the address or the form and set a cookie, else show the form.

        Args:
            logins: The logins.
            scope: The request, which may already have a login.
            receive: Returns its body.
            before: Its login so far, if any.
        """
        if scope["type"] != "http":
            return PlainTextResponse("A token is needed.", 401)
        query = parse_qs(scope["query_string"].decode(errors="replace"))
        if scope["method"] == "POST" and scope["path"] == LOGIN_PATH:
            given = await form_token(Request(scope, receive))
            target = "/"
        else:
            given = query.pop("token", [""])[0] if scope["method"] in SAFE_METHODS else ""
            rest = urlencode(query, doseq=True)
            path = "/" if scope["path"] in (LOGIN_PATH, LOGOUT_PATH) else scope["path"]
            target = "/" + path.lstrip("/\\") + (f"?{rest}" if rest else "")
        if not given:
            return login_page()
        return self._log_in(logins, given, address_of(scope), target, before)

    def _log_in(
        self, logins: LoginStore, token: str, address: str, target: str, before: Login | None
    ) -> Response:
        """Check a token. Nothing is awaited here, so two tokens are never checked at once."""
        wait_s = self._wrong_tokens.delay_s(address)
        if wait_s:
            return login_page("Not checked: wait before you try again.", wait_s, is_early=True)
        role = logins.role_of(token)
        if role is None:
            wait_s = self._wrong_tokens.add(address)
            self._audit.warn(f"wrong token from {address}: it must wait {wait_s:.0f} s")
            return login_page("That token is wrong.", wait_s)
        self._wrong_tokens.forget(address)
        response = RedirectResponse(target, 303, headers=NO_STORE)
        if before is not None and before.role == role:
            return response  # another login would end the browser's open pages
        if before is not None:
            self._end(logins, before)
        secret, login = logins.begin(role, address)
        self._audit.add(self._visitor(login), "logged in")
        response.set_cookie(
            self._cookie, secret, max_age=int(logins.seconds_left(login)), path="/",
            secure=self._is_encrypted, httponly=True, samesite="strict",
        )  # fmt: skip
        return response

    def _leave_or_stay(self, scope: Scope, login: Login) -> Response:
        """End a login, or redirect a visitor who is already logged in to the page."""
        response = RedirectResponse("/", 303, headers=NO_STORE)
        if scope["path"] == LOGOUT_PATH and scope["method"] == "POST" and self._logins:
            self._end(self._logins, login)
            response.delete_cookie(
                self._cookie, secure=self._is_encrypted, httponly=True, samesite="strict"
            )
        return response

    def _end(self, logins: LoginStore, login: Login) -> None:
        self._audit.add(self._visitor(login), "logged out")
        logins.end(login)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        scope[SCOPE_KEY], scope[NONCE_KEY] = visitor, make_nonce()
        await self.app(scope, receive, with_security_headers(send, scope[NONCE_KEY]))

    async def _serve_until_logout(
        self, logins: LoginStore, scope: Scope, receive: Receive, send: Send, login: Login
    ) -> None:
        """Serve a socket, and close it when its login ends."""
        is_closed = False

        async def send_until_then(message: Message) -> None:
            if not is_closed:
                await send(message)

        serving = asyncio.create_task(
            self._serve(scope, receive, send_until_then, self._visitor(login))
        )
        ending = asyncio.create_task(login.ended.wait())
        try:
            left_s = logins.seconds_left(login)
            await asyncio.wait({serving, ending}, timeout=left_s, return_when="FIRST_COMPLETED")
            if not serving.done():
                is_closed = True
                await WebSocketClose(WS_POLICY_VIOLATION, "logged out")(scope, receive, send)
            await serving
        finally:
            serving.cancel()
            ending.cancel()
            await asyncio.gather(serving, ending, return_exceptions=True)

    async def _reject(self, scope: Scope, receive: Receive, send: Send, response: Response) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose(WS_POLICY_VIOLATION, "refused")(scope, receive, send)
        else:
            await self._respond(scope, receive, send, response)

    async def _respond(
        self, scope: Scope, receive: Receive, send: Send, response: Response
    ) -> None:
        await response(scope, receive, with_security_headers(send, make_nonce()))


def refuse_viewer(request: Request, act: str) -> Response | None:
    """The refusal of an action that only operators may do; None for an operator."""
    try:
        visitor_of(request.scope).require_operator(act)
    except AffectlineError as error:
        return PlainTextResponse(str(error), 403)
    return None


def host_name(text: str) -> str:
    """Name or address from a Host header, without port and brackets."""
    text = text.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def address_of(scope: Scope) -> str:
    """Address of a request's client; empty if unknown."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def brings_token(scope: Scope) -> bool:
    """Whether a request has a token in its address, or is the submitted form."""
    if scope["type"] != "http":
        return False
    if scope["method"] == "POST":
        return bool(scope["path"] == LOGIN_PATH)
    query = parse_qs(scope["query_string"].decode(errors="replace"))
    return scope["method"] in SAFE_METHODS and "token" in query


async def form_token(request: Request) -> str:
    """The token from a submitted form; a body that is too long is not read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LOGIN_FORM_MAX_BYTES:
            return ""
    return parse_qs(body.decode(errors="replace")).get("token", [""])[0].strip()
