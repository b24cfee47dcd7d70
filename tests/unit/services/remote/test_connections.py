"""Whoever connects and says nothing takes no place from an experiment, and does not stay."""

import asyncio
from typing import Any, cast

import pytest

from affectline.services.remote.connections import (
    MOST_SERVED,
    MOST_WAITING,
    ClientConnection,
    ClientConnections,
)


class Transport:
    """A client's connection, and whether it was cut."""

    def __init__(self) -> None:
        self.cut = asyncio.Event()

    def abort(self) -> None:
        self.cut.set()

    def is_closing(self) -> bool:
        return self.cut.is_set()


def connect(among: ClientConnections) -> tuple[ClientConnection, Transport]:
    connection, transport = ClientConnection(among), Transport()
    connection.on_open(cast("Any", transport))
    return connection, transport


def test_a_silent_connection_is_closed() -> None:
    async def experiment() -> None:
        among = ClientConnections(patience_s=0.01)
        _, silent = connect(among)
        async with asyncio.timeout(10):
            await silent.cut.wait()

    asyncio.run(experiment())


def test_a_request_takes_as_long_as_it_takes_and_the_next_one_must_come() -> None:
    async def experiment() -> None:
        among = ClientConnections(patience_s=0.01)
        known, transport = connect(among)
        assert known.on_known()
        _, later = connect(among)
        async with asyncio.timeout(10):
            await later.cut.wait()
            assert not transport.cut.is_set(), "it was opened before, but is being served"
            known.on_answered()
            await transport.cut.wait()

    asyncio.run(experiment())


def test_a_new_one_replaces_the_oldest_stranger() -> None:
    async def experiment() -> None:
        among = ClientConnections()
        known, kept = connect(among)
        assert known.on_known()
        known.on_answered()
        strangers = [connect(among)[1] for _ in range(MOST_WAITING - 1)]
        _, newest = connect(among)
        assert [one.cut.is_set() for one in strangers] == [True] + [False] * (MOST_WAITING - 2)
        assert not kept.cut.is_set()
        assert not newest.cut.is_set()

    asyncio.run(experiment())


@pytest.mark.parametrize("ends", ["on_lost", "on_answered"])
def test_only_so_many_are_served_at_a_time(ends: str) -> None:
    async def experiment() -> None:
        among = ClientConnections()
        clients = [connect(among)[0] for _ in range(MOST_SERVED)]
        assert all(client.on_known() for client in clients)
        late, transport = connect(among)
        assert not late.on_known()
        assert not transport.cut.is_set(), "it is told why"
        getattr(clients[0], ends)()
        assert late.on_known()

    asyncio.run(experiment())
