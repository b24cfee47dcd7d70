"""The open connections of the remote control's web server, and how long each may be silent."""

import asyncio
from typing import Final

PATIENCE_S: Final = 5.0
"""A connection is closed if it has not sent a complete request this long after it was opened, or
after its last answer."""
MOST_WAITING: Final = 64
"""The most connections without a request at a time; a further one replaces the oldest."""
MOST_SERVED: Final = 64
"""The most requests and WebSockets with the right token at a time; any more are refused."""


class ClientConnection:
    """One client's connection. Only for the thread of the event loop.

    Args:
        among: The connections of the same server.
    """

    def __init__(self, among: "ClientConnections") -> None:
        self._among = among
        self._transport: asyncio.Transport | None = None
        self.is_known = False
        """Whether it has sent the right token."""

    def on_open(self, transport: asyncio.Transport) -> None:
        """The client has connected."""
        self._transport = transport
        self._among.wait(self)

    def on_answered(self) -> None:
        """A request was answered: the next one has as much time as the first."""
        if self._transport and not self._transport.is_closing():
            self._among.wait(self)
        else:
            self.on_lost()

    def on_known(self) -> bool:
        """The client has sent the right token with a request, which now has as long as it takes.

        Returns:
            False if too many requests are served at the moment.
        """
        return self._among.serve(self)

    def on_lost(self) -> None:
        """The connection has ended."""
        self._among.leave(self)

    def close(self) -> None:
        """Close it at once, whatever the client does."""
        self.on_lost()
        if self._transport:
            self._transport.abort()


class ClientConnections:
    """The open connections: those without a request, and those that are served.

    Whoever connects without the token takes no place that somebody with the token needs.

    Args:
        patience_s: How long a connection without a request stays open.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._waiting: dict[ClientConnection, asyncio.TimerHandle] = {}
        """Oldest first, with the timer that closes it."""
        self._served: set[ClientConnection] = set()

    def wait(self, connection: ClientConnection) -> None:
        """Wait for a request; the oldest connection makes room, strangers before known ones."""
        self.leave(connection)
        if len(self._waiting) >= MOST_WAITING:
            oldest = next(iter(self._waiting))
            next((one for one in self._waiting if not one.is_known), oldest).close()
        loop = asyncio.get_running_loop()
        self._waiting[connection] = loop.call_later(self._patience_s, connection.close)

    def serve(self, connection: ClientConnection) -> bool:
        """Stop waiting for a request of a client with the token; False if too many are served."""
        if len(self._served) >= MOST_SERVED:
            return False
        self.leave(connection)
        connection.is_known = True
        self._served.add(connection)
        return True

    def leave(self, connection: ClientConnection) -> None:
        """Forget a connection."""
        if timer := self._waiting.pop(connection, None):
            timer.cancel()
        self._served.discard(connection)
