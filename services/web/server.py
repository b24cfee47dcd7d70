"""The web server: its own thread, with access control in front of the pages."""

import asyncio
import socket
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.settings.dashboard import DEFAULT_DASHBOARD_PORT, DashboardSettings
from affectline.services.web import certificate, components
from affectline.services.web.auth import AccessMiddleware, is_loopback
from affectline.services.web.feed import PageBackend, add_feed
from affectline.services.web.logins import LoginStore, Role, WrongTokens
from affectline.services.web.scripts import mark_scripts
from affectline.services.web.token import DEFAULT_FILE, Token, load_or_create, viewer_file

PORTS_TRIED: Final = 20
LOOK_S: Final = 0.05
GOODBYE_S: Final = 0.5
"""How long pages have to receive the message that the server is ending."""
RECONNECT_S: Final = 10.0
"""How long a page that lost its connection is kept before it must be reloaded."""
MESSAGE_MAX_BYTES: Final = 1 << 20


class WebServer(threading.Thread):
    """Serves the pages until told to stop.

    Args:
        settings: Address and access of the pages.
        backend: The state behind the pages.
        add_pages: Adds the pages and their own routes.

    Raises:
        AffectlineError: The server cannot listen on the address.
    """

    def __init__(
        self,
        settings: DashboardSettings,
        backend: PageBackend,
        add_pages: Callable[[FastAPI], None],
    ) -> None:
        super().__init__(name="web", daemon=True)
        self._backend, self._add_pages = backend, add_pages
        self._settings = settings
        self.wrong_tokens = WrongTokens()
        self.tokens = _tokens(settings)
        names = (settings.host, *settings.names)
        self.certificate = (
            certificate.choose(settings.certificate, settings.private_key, names)
            if settings.is_encrypted
            else None
        )
        self._socket = listen_on(settings)
        self.port: int = self._socket.getsockname()[1]
        self.failure: BaseException | None = None
        self._is_open = False
        """Whether the backend listens to the hub."""
        self._ending = threading.Event()
        app = self._make_app(settings)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_level="warning", log_config=None, access_log=False, server_header=False,
                ws_per_message_deflate=False, ws_max_size=MESSAGE_MAX_BYTES,
                timeout_graceful_shutdown=1, lifespan="on",
                ssl_certfile=self.certificate.file if self.certificate else None,
                ssl_keyfile=self.certificate.key if self.certificate else None,
            )
        )  # fmt: skip
        host = settings.host if is_loopback(settings.host) else socket.gethostname()
        scheme = "https" if self.certificate else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def announce(self, what: str) -> list[str]:
        """The lines that give the page's address, and how to log in.

        Args:
            what: Name of the page.
        """
        operator, viewer = self.tokens.get("operator"), self.tokens.get("viewer")
        lines = [f"{what}: {self.url}"]
        if operator and operator.is_new:
            lines = [f"{what}: {self.url}?token={operator.text}"]
        if viewer and viewer.is_new:
            lines.append(f"for viewers: {self.url}?token={viewer.text}")
        if operator:
            file = token_path(self._settings)
            lines.append(f"its tokens are stored in {file} and {viewer_file(file).name}")
        if self.certificate:
            lines.append(f"its certificate is {self.certificate.file}")
            lines.append(f"SHA-256 fingerprint: {self.certificate.fingerprint}")
        return lines

    def open_browser(self) -> None:
        """Open the page if the settings want that, and a person at a screen has started it.

        The address contains no token, because other users could see it in the process list.
        """
        if self._settings.opens_browser:
            webbrowser.open(self.url)

    def run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # reported by the main thread
            self.failure = error

    def check(self) -> None:
        """Check that pages are served, and receive what the hub sends.

        Raises:
            AffectlineError: They are not, or do not.
        """
        if self.failure or not self.is_alive():
            raise AffectlineError(f"the web server stopped: {self.failure}", "start it again")
        hub = self._backend.hub_client("live") if self._is_open else None
        if hub is None or hub.failure is None:
            return
        if isinstance(hub.failure, AffectlineError):
            raise hub.failure
        raise AffectlineError(
            f"the pages receive nothing any more ({type(hub.failure).__name__}: {hub.failure})",
            "start it again, without the plug-in whose panel fails if there is one",
        ) from hub.failure

    def stop(self) -> None:
        """Close all connections, and wait for the thread."""
        self._ending.set()
        if self.is_alive():
            self.join(timeout=GOODBYE_S + 1)
            self._server.should_exit = True
            self.join(timeout=4)
        self._socket.close()

    def _make_app(self, settings: DashboardSettings) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            await self._backend.open()
            self._is_open = True
            disconnecting = asyncio.create_task(self._disconnect_on_exit())
            yield
            disconnecting.cancel()
            await self._backend.close()

        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
        app.add_middleware(
            AccessMiddleware,
            host=settings.host,
            port=self.port,
            logins=self._logins(settings),
            audit=self._backend.audit,
            wrong_tokens=self.wrong_tokens,
            names=settings.names,
            is_encrypted=settings.is_encrypted,
        )
        mark_scripts()
        add_feed(app, self._backend)
        components.add_shared_style(app)
        self._add_pages(app)
        ui.run_with(
            app, title="Affectline", favicon=components.ICON, dark=None, language="en-US",
            tailwind=False, reconnect_timeout=RECONNECT_S, show_welcome_message=False,
        )  # fmt: skip
        return app

    def _logins(self, settings: DashboardSettings) -> LoginStore | None:
        tokens = {role: token.text for role, token in self.tokens.items()}
        return LoginStore(tokens, settings.login_hours * 3600) if tokens else None

    async def _disconnect_on_exit(self) -> None:
        """When the server should stop, disconnect the pages first."""
        while not self._ending.is_set():
            await asyncio.sleep(LOOK_S)
        self._backend.disconnect_clients()
        deadline = monotonic() + GOODBYE_S
        while self._backend.has_clients and monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
        self._server.should_exit = True


def _tokens(settings: DashboardSettings) -> dict[Role, Token]:
    """Tokens by role; empty if everybody on this machine has access."""
    if is_loopback(settings.host) and not settings.ask_token:
        return {}
    file = token_path(settings)
    return {"operator": load_or_create(file), "viewer": load_or_create(viewer_file(file))}


def token_path(settings: DashboardSettings) -> Path:
    """File of the operator's token."""
    return (settings.token_file or settings.sessions / DEFAULT_FILE).absolute()


def listen_on(settings: DashboardSettings) -> socket.socket:
    """Open the configured port, or else the first free one.

    Raises:
        AffectlineError: The port is in use, or the address is not one of this machine's.
    """
    first = settings.port or DEFAULT_DASHBOARD_PORT
    last = first if settings.port else first + PORTS_TRIED
    problem: OSError | None = None
    for port in range(first, last + 1):
        try:
            family = socket.getaddrinfo(settings.host, port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((settings.host, port), family=family, backlog=128)
        except OSError as error:
            problem = error
    raise AffectlineError(
        f"the dashboard cannot listen on {settings.host} port {first} "
        f"({problem.strerror if problem else ''})",
        "stop the program that uses it, or choose another port",
    )
