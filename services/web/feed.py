"""The live socket of the pages, and the interface of their backend."""

from typing import Protocol

from fastapi import FastAPI, WebSocket

from affectline.services.web.audit import Audit
from affectline.services.web.auth import WS_POLICY_VIOLATION
from affectline.services.web.hub_client import HubClient


class PageBackend(Protocol):
    """The state behind the pages of a server. Lives in the server's event loop."""

    audit: Audit
    """Logs who did what."""

    async def open(self) -> None:
        """Start listening."""

    async def close(self) -> None:
        """Close everything."""

    def hub_client(self, feed: str) -> HubClient | None:
        """The hub behind a feed; None if there is none."""

    def disconnect_clients(self) -> None:
        """Close all live sockets, and tell each page that this is a regular shutdown."""

    @property
    def has_clients(self) -> bool:
        """Whether any page is connected."""


def add_feed(app: FastAPI, backend: PageBackend) -> None:
    """Serve frames and updates of a hub at ``/feed/<feed>``."""

    @app.websocket("/feed/{feed}")
    async def serve(socket: WebSocket, feed: str) -> None:
        hub = backend.hub_client(feed)
        if hub is None:
            await socket.close(WS_POLICY_VIOLATION)
        else:
            await hub.broadcaster.serve(socket, hub.history)
