"""Handshakes with a hub behind a port forwarder, which accepts connections when no hub is there."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.runtime import handshakes
from affectline.common.runtime.endpoints import Endpoint
from affectline.common.runtime.keys import Credentials, CurvePair
from affectline.common.runtime.sockets import Publisher, new_socket


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    monkeypatch.setenv("AFFECTLINE_KEYS", str(tmp_path / "keys"))


@contextlib.contextmanager
def forwarder(behind: int) -> Iterator[int]:
    """Accept connections, pass them on to this port, and close them if nobody is there."""
    ports: queue.SimpleQueue[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]]
    ports = queue.SimpleQueue()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                sink.write(data)
        sink.close()
        with contextlib.suppress(OSError):
            await sink.wait_closed()

    async def forward(source: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        try:
            back, sink = await asyncio.open_connection("127.0.0.1", behind)
        except OSError:
            answers.close()
            await answers.wait_closed()
            return
        await asyncio.gather(copy(source, sink), copy(back, answers))

    async def serve() -> None:
        is_over = asyncio.Event()
        async with await asyncio.start_server(forward, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            ports.put((port, asyncio.get_running_loop(), is_over))
            await is_over.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    port, loop, is_over = ports.get(timeout=10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()


def hub_socket(context: zmq.Context[zmq.Socket[bytes]], pair: CurvePair) -> zmq.Socket[bytes]:
    """A socket that sources connect to, as a hub with this key has it."""
    made = new_socket(context, zmq.XSUB)
    made.curve_server, made.curve_secretkey = True, pair.secret_key.encode()
    return made


def fail(publisher: Publisher, times: int) -> None:
    """Wait until so many handshakes have failed."""
    deadline = monotonic() + 20
    monitor = publisher._handshakes
    assert monitor is not None
    while monitor._failures < times:
        assert monotonic() < deadline
        publisher.socket.poll(20)
        publisher.update_consumers()


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "never seen"])
def test_a_hub_that_is_away_behind_a_forwarder_is_waited_for(
    is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_known:
        monkeypatch.setattr(handshakes, "FAILING_S", 0.0)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    hub, own = CurvePair.new(), CurvePair.new()
    ingress = hub_socket(context, hub)
    port = ingress.bind_to_random_port("tcp://127.0.0.1")
    if not is_known:
        ingress.close(linger=0)
    with forwarder(port) as front:
        address = f"127.0.0.1:{front}"
        credentials = Credentials(hub_key=hub.public_key, pair=own, address=address)
        publisher = Publisher(context, Endpoint(f"tcp://{address}", credentials))

        def connect() -> None:
            deadline = monotonic() + 20
            ingress.send(b"\x01")
            while not publisher.connected:
                assert monotonic() < deadline
                ingress.poll(0)  # ZeroMQ sends its subscription on a call
                publisher.socket.poll(20)
                publisher.update_consumers()

        try:
            if is_known:
                connect()
                ingress.close(linger=0)
            fail(publisher, handshakes.FAILURES + 2)
            ingress = hub_socket(context, hub)
            ingress.bind(f"tcp://127.0.0.1:{port}")
            publisher.connected = False
            connect()
        finally:
            context.destroy(linger=0)


def test_a_hub_with_another_key_is_named_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "FAILING_S", 0.5)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    ingress = hub_socket(context, CurvePair.new())
    address = f"127.0.0.1:{ingress.bind_to_random_port('tcp://127.0.0.1')}"
    expected = Credentials(
        hub_key=CurvePair.new().public_key, pair=CurvePair.new(), address=address
    )
    publisher = Publisher(context, Endpoint(f"tcp://{address}", expected))
    try:
        with pytest.raises(AffectlineError, match="is not the one with the key"):
            fail(publisher, 1000)
    finally:
        context.destroy(linger=0)
