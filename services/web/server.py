"""The web server: a thread of its own, with its doors in front and the pages behind."""

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
from affectline.services.dashboard.routes import PageBackend, add_feed
from affectline.services.web import components as theme
from affectline.services.web.auth import AccessMiddleware, is_loopback
from affectline.services.web.token import FILE, Token, obtain

PORTS_TRIED: Final = 20
RECONNECT_S: Final = 10.0
"""How long a page that lost its connection is waited for before it has to begin anew."""
LARGEST_WORD: Final = 1 << 20


class WebServer(threading.Thread):
    """Serves the pages until told to stop.

    Args:
        settings: Where, and for whom.
        premises: What the pages are about.
        add_pages: Adds them, and what only they need.

    Raises:
        AffectlineError: The address cannot be listened on.
    """

    def __init__(
        self,
        settings: DashboardSettings,
        premises: PageBackend,
        add_pages: Callable[[FastAPI], None],
    ) -> None:
        super().__init__(name="web", daemon=True)
        self._premises, self._add_pages = premises, add_pages
        self.token = _token(settings)
        self._socket = listen_on(settings)
        self.port: int = self._socket.getsockname()[1]
        self.failure: BaseException | None = None
        app = self._make_app(settings)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_level="warning", access_log=False, server_header=False,
                ws_per_message_deflate=False, ws_max_size=LARGEST_WORD,
                timeout_graceful_shutdown=1, lifespan="on",
            )
        )  # fmt: skip
        host = settings.host if is_loopback(settings.host) else socket.gethostname()
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # told to the user by the process' own thread
            self.failure = error

    def stop(self) -> None:
        """Close everything, and wait for it."""
        self._server.should_exit = True
        if self.is_alive():
            self.join(timeout=5)
        self._socket.close()

    def _make_app(self, settings: DashboardSettings) -> FastAPI:
        @asynccontextmanager
        async def life(_: FastAPI) -> AsyncIterator[None]:
            await self._premises.open()
            farewell = asyncio.create_task(self._send_away())
            yield
            farewell.cancel()
            await self._premises.close()

        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=life)
        app.add_middleware(
            AccessMiddleware,
            host=settings.host,
            port=self.port,
            token=self.token.text if self.token else None,
            names=settings.names,
        )
        add_feed(app, self._premises)
        theme.set_up()
        self._add_pages(app)
        ui.run_with(
            app, title="Affectline", favicon=theme.ICON, dark=None, language="en-US",
            tailwind=False, reconnect_timeout=RECONNECT_S, show_welcome_message=False,
        )  # fmt: skip
        return app

    async def _send_away(self) -> None:
        """End the live sockets as soon as the server is to stop: it waits for them otherwise."""
        while not self._server.should_exit:
            await asyncio.sleep(0.1)
        self._premises.send_away()


def _token(settings: DashboardSettings) -> Token | None:
    if is_loopback(settings.host):
        return None
    return obtain(token_path(settings))


def token_path(settings: DashboardSettings) -> Path:
    """Where the token is kept."""
    return (settings.token_file or settings.sessions / FILE).absolute()


def listen_on(settings: DashboardSettings) -> socket.socket:
    """Open the port, or the next one that is free where none was asked for.

    Raises:
        AffectlineError: It is taken, or the address is not one of this machine's.
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
