"""The web server: a thread of its own, with access control in front of the pages."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from affectline.common.errors import AffectlineError
from affectline.common.settings.dashboard import DEFAULT_DASHBOARD_PORT, DashboardSettings
from affectline.services.web import components
from affectline.services.web.auth import AccessMiddleware, is_loopback
from affectline.services.web.feed import PageBackend, add_feed
from affectline.services.web.token import DEFAULT_FILE, Token, load_or_create

PORTS_TRIED: Final = 20
RECONNECT_S: Final = 10.0
"""How long a page that lost its connection is kept before it has to be loaded again."""
MESSAGE_MAX_BYTES: Final = 1 << 20


class WebServer(threading.Thread):
    """Serves the pages until told to stop.

    Args:
        settings: Where, and for whom.
        backend: What the pages are about.
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
        self.token = _token(settings)
        self._socket = listen_on(settings)
        self.port: int = self._socket.getsockname()[1]
        self.failure: BaseException | None = None
        app = self._make_app(settings)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_level="warning", access_log=False, server_header=False,
                ws_per_message_deflate=False, ws_max_size=MESSAGE_MAX_BYTES,
                timeout_graceful_shutdown=1, lifespan="on",
            )
        )  # fmt: skip
        host = settings.host if is_loopback(settings.host) else socket.gethostname()
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # reported by the main thread
            self.failure = error

    def stop(self) -> None:
        """Close all connections, and wait for the thread."""
        self._server.should_exit = True
        if self.is_alive():
            self.join(timeout=5)
        self._socket.close()

    def _make_app(self, settings: DashboardSettings) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            await self._backend.open()
            disconnecting = asyncio.create_task(self._disconnect_on_exit())
            yield
            disconnecting.cancel()
            await self._backend.close()

        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
        app.add_middleware(
            AccessMiddleware,
            host=settings.host,
            port=self.port,
            token=self.token.text if self.token else None,
            names=settings.names,
        )
        add_feed(app, self._backend)
        components.add_shared_style(app)
        self._add_pages(app)
        ui.run_with(
            app, title="Affectline", favicon=components.ICON, dark=None, language="en-US",
            tailwind=False, reconnect_timeout=RECONNECT_S, show_welcome_message=False,
        )  # fmt: skip
        return app

    async def _disconnect_on_exit(self) -> None:
        """Close the live sockets when the server is to stop: it would wait for them."""
        while not self._server.should_exit:
            await asyncio.sleep(0.1)
        self._backend.disconnect_clients()


def _token(settings: DashboardSettings) -> Token | None:
    if is_loopback(settings.host):
        return None
    return load_or_create(token_path(settings))


def token_path(settings: DashboardSettings) -> Path:
    """Where the token is stored."""
    return (settings.token_file or settings.sessions / DEFAULT_FILE).absolute()


def listen_on(settings: DashboardSettings) -> socket.socket:
    """Open the port, or the next one that is free where none is configured.

    Raises:
        AffectlineError: It is in use, or the address is not one of this machine's.
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
