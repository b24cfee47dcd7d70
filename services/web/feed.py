"""The live socket of the pages, and the interface of what is behind it."""

from typing import Protocol

from fastapi import FastAPI, WebSocket

from affectline.services.web.audit import Audit
from affectline.services.web.auth import WS_POLICY_VIOLATION
from affectline.services.web.hub_client import HubClient


class PageBackend(Protocol):
    """What the pages of a server are about. Lives in the server's event loop."""

    audit: Audit
    """Who did what."""

    async def open(self) -> None:
        """Start listening."""

    async def close(self) -> None:
        """Close everything that was opened."""

    def hub_client(self, feed: str) -> HubClient | None:
        """The hub behind a feed; None where there is none."""

    def disconnect_clients(self) -> None:
        """Close all live sockets; each page is told that this is in order."""

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
