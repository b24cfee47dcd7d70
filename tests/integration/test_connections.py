"""Connections to the hub are few, and none of them takes its memory."""

import contextlib
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import zmq

from affectline.common.clock import monotonic
from affectline.common.runtime.endpoints import Endpoint, HubEndpoints
from affectline.common.runtime.keys import Credentials, CurvePair
from affectline.common.runtime.sockets import connect, new_socket
from affectline.services.hub import connections
from affectline.services.hub.access import AccessControl
from affectline.services.hub.bus import Bus
from affectline.services.hub.connections import (
    MOST_CONNECTIONS,
    MOST_UNREAD_BYTES,
    MOST_WAITING,
    Connections,
    ConnectionWatch,
    cut_excessive,
)
from affectline.services.hub.outlet import (
    SUBSCRIPTIONS,
    SubscriptionEvent,
    UntrustedSubscribers,
)
from affectline.services.hub.refusals import Refusals
from tests.attacks.raw_peer import RawPeer


class Served:
    """A socket as the hub has it, and its loop."""

    def __init__(self, kind: int, pair: CurvePair | None = None) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.counters: Counter[str] = Counter()
        self.socket = new_socket(self._context, kind)
        self.connections = Connections(
            self.socket, "ingress", self.counters, has_keys=pair is not None
        )
        if pair:
            self.socket.curve_server = True
            self.socket.curve_secretkey = pair.secret_key.encode()
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")

    def serve_until(self, reached: Callable[[], bool], timeout_s: float = 20) -> None:
        poller = zmq.Poller()
        poller.register(self.connections.descriptor, zmq.POLLIN)
        deadline = monotonic() + timeout_s
        while not reached():
            assert monotonic() < deadline, self.counters
            poller.poll(20)
            self.connections.update()
            cut_excessive([self.connections])
            self.connections.cut_mute()

    def close(self) -> None:
        self.connections.close()
        self._context.destroy(linger=0)


def test_a_connection_that_another_thread_has_closed_has_no_traffic() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.send(b"x")
        assert connections._unsent(ours) > 0
        ours.close()
        assert connections._unsent(ours) == 0
        assert connections._received(ours) == 0
        assert connections._traffic(ours) == connections.Traffic(0, 0, 0)


def test_who_connects_again_does_not_inherit_subscriptions() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    counters: Counter[str] = Counter()
    outlet = UntrustedSubscribers(context, 16, Refusals(counters), lambda _user, topic: (topic,))
    watched = Connections(outlet.socket, "the outlet", counters)
    outlet.connections = watched
    port = outlet.socket.bind_to_random_port("tcp://127.0.0.1")
    topics = [b"bio/%d/" % number for number in range(SUBSCRIPTIONS)]

    def read(count: int) -> list[SubscriptionEvent]:
        events: list[SubscriptionEvent] = []
        until = monotonic() + 5
        while len(events) < count and not counters and monotonic() < until:
            outlet.socket.poll(100)
            events += outlet.read_events()
        return events

    try:
        for _ in range(3):
            with RawPeer(port, "SUB") as peer:
                for topic in topics:
                    peer.send(b"\x01" + topic)
                assert len(read(len(topics))) == len(topics)
            ended = read(len(topics))
            assert not any(event.joined for event in ended)
        assert not counters
    finally:
        watched.close()
        context.destroy(linger=0)


@pytest.fixture
def ingress() -> Iterator[Served]:
    served = Served(zmq.XSUB)
    yield served
    served.close()


def test_more_connections_than_there_may_be_are_closed(ingress: Served) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(2 * MOST_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", ingress.port)))
        ingress.serve_until(lambda: ingress.counters["connections_refused"] == MOST_CONNECTIONS)
        assert len(ingress.connections) == MOST_CONNECTIONS
    ingress.serve_until(lambda: len(ingress.connections) == 0)
    with RawPeer(ingress.port, "PUB"):
        ingress.serve_until(lambda: len(ingress.connections) == 1)


def test_who_says_nothing_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HANDSHAKE_MS", 300)
    served = Served(zmq.XSUB)
    try:
        with socket.create_connection(("127.0.0.1", served.port)):
            served.serve_until(lambda: len(served.connections) == 1)
            served.serve_until(lambda: len(served.connections) == 0, 5)
    finally:
        served.close()


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells how much has come")
def test_a_message_without_an_end_is_cut_off(ingress: Served) -> None:
    process, part = psutil.Process(), bytes(100_000)
    with RawPeer(ingress.port, "PUB") as peer:
        ingress.serve_until(lambda: len(ingress.connections) == 1)
        before = process.memory_info().rss

        def send() -> bool:
            with contextlib.suppress(OSError):
                peer.send(part, more=True)
            return ingress.counters["connections_cut"] > 0

        ingress.serve_until(send)
    assert process.memory_info().rss - before < 2 * MOST_UNREAD_BYTES


@pytest.fixture
def keyed() -> Iterator[tuple[Served, "zmq.Socket[bytes]"]]:
    """An ingress that asks for keys, and who publishes there."""
    hub, ours = CurvePair.new(), CurvePair.new()
    served = Served(zmq.XSUB, hub)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    speaker = context.socket(zmq.XPUB)
    credentials = Credentials(hub_key=hub.public_key, pair=ours, address="hub:5555")
    connect(speaker, Endpoint(f"tcp://127.0.0.1:{served.port}", credentials))
    served.socket.send(b"\x01")
    while not speaker.poll(10):
        served.socket.poll(10)  # a new peer hears of it when the socket is used
    assert speaker.recv() == b"\x01"
    yield served, speaker
    context.destroy(linger=0)
    served.close()


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells how much has come")
def test_what_is_read_with_keys_is_counted_to_the_byte(
    keyed: tuple[Served, "zmq.Socket[bytes]"],
) -> None:
    served, speaker = keyed
    served.serve_until(lambda: len(served.connections) == 1)
    (before,) = served.connections.unread().values()
    assert 0 < before < 1000, "the handshake alone"
    for number in range(2000):
        sizes = [number % 230, number, 10]
        speaker.send_multipart([bytes(size) for size in sizes])
        frames = served.socket.recv_multipart(copy=False)
        served.connections.on_message(int(frames[0].get("__fd")), sizes, "strap")
    assert list(served.connections.unread().values()) == [before]


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells how much has come")
@pytest.mark.parametrize("parts", [[bytes(100_000)] * 4000, [bytes(200 << 20)]])
def test_who_sends_too_much_with_a_key_is_cut_off(
    parts: list[bytes], keyed: tuple[Served, "zmq.Socket[bytes]"]
) -> None:
    served, speaker = keyed
    watch = ConnectionWatch([served.connections])
    watch.start()
    monitor = speaker.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    speaker.send_multipart(parts, copy=False)
    assert monitor.poll(20_000)
    assert served.counters["connections_cut"] >= 1
    speaker.disable_monitor()
    monitor.close()
    watch.close()


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells how much has come")
def test_the_watch_wakes_up_though_the_hub_has_noted_the_connection_first(
    ingress: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE_MS", 600_000)
    nothing, end = socket.socketpair()  # what the hub's own thread has read wakes nobody
    monkeypatch.setattr(ingress.connections, "descriptor", nothing.fileno())
    watch = ConnectionWatch([ingress.connections])
    watch.start()
    with nothing, end, RawPeer(ingress.port, "PUB") as peer:
        deadline = monotonic() + 20
        while not len(ingress.connections):
            assert monotonic() < deadline
            ingress.connections.update()
        with contextlib.suppress(OSError):
            while monotonic() < deadline:
                peer.send(bytes(1 << 20), more=True)
        assert monotonic() < deadline, "it was cut off"
        end.send(b"the end")
        watch.close()
    assert ingress.counters["connections_cut"] == 1


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells how much has come")
def test_all_together_may_not_fill_the_memory_either(ingress: Served) -> None:
    part = bytes(1 << 20)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(RawPeer(ingress.port, "PUB")) for _ in range(6)]
        ingress.serve_until(lambda: len(ingress.connections) == 6)
        for peer in peers[:3]:
            for _ in range(8):
                peer.send(part, more=True)
        ingress.serve_until(lambda: sum(ingress.connections.unread().values()) > 23 << 20)
        assert not ingress.counters["connections_cut"]
        for _ in range(10):
            with contextlib.suppress(OSError):
                peers[3].send(part, more=True)
        ingress.serve_until(lambda: ingress.counters["connections_cut"] == 1)
        assert len(ingress.connections) == 5


def test_who_says_nothing_makes_room_where_keys_are_asked_for(
    keyed: tuple[Served, "zmq.Socket[bytes]"],
) -> None:
    served, speaker = keyed
    speaker.send(b"x")
    frame = served.socket.recv(copy=False)
    served.serve_until(lambda: len(served.connections) == 1)
    served.connections.on_message(int(frame.get("__fd")), [1], "strap")
    with contextlib.ExitStack() as stack:
        for _ in range(MOST_WAITING + 20):
            stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
        served.serve_until(lambda: served.counters["connections_refused"] == 20)
        assert len(served.connections) == MOST_WAITING + 1
        speaker.send(b"y")
        assert served.socket.recv() == b"y", "who has spoken stays"


def test_who_speaks_much_and_is_heard_stays(ingress: Served) -> None:
    part = bytes(1 << 20)
    heard = 0
    with RawPeer(ingress.port, "PUB") as peer:
        ingress.socket.send(b"\x01")
        for _ in range(2 * MOST_UNREAD_BYTES // len(part)):
            peer.send(part)
            first = ingress.socket.recv(copy=False)
            ingress.connections.update()
            ingress.connections.on_message(int(first.get("__fd")), [len(first)])
            cut_excessive([ingress.connections])
            heard += 1
        assert len(ingress.connections) == 1
    assert ingress.counters == {}


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells who it was")
def test_who_takes_nothing_is_named_and_disconnected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 1.5)
    served = Served(zmq.XPUB)
    try:
        with RawPeer(served.port, "SUB", 4096) as mute:
            mute.send(b"\x01")
            assert served.socket.recv() == b"\x01"
            served.serve_until(lambda: len(served.connections) == 1)

            def publish() -> bool:
                with contextlib.suppress(zmq.Again):
                    served.socket.send(bytes(10_000), zmq.DONTWAIT)
                return len(served.connections) == 0

            with RawPeer(served.port, "SUB") as slow:  # who takes a little stays
                slow.send(b"\x01")
                slow.socket.settimeout(0.01)

                def publish_and_read() -> bool:
                    with contextlib.suppress(TimeoutError):
                        slow.socket.recv(1 << 20)
                    publish()
                    return served.counters["mute_peers_cut"] > 0

                served.serve_until(publish_and_read, 15)
                assert len(served.connections) == 1
            assert "has read nothing for" in caplog.text
            host, port = mute.socket.getsockname()
            assert f"{host}:{port} at ingress" in caplog.text
    finally:
        served.close()


@dataclass
class BusRun:
    """What became of a lossless bus."""

    delivered: int
    counters: Counter[str]
    heard: dict[str, int]
    """Bytes by reader."""


def run_bus(
    folder: Path,
    readers: Mapping[str, Callable[[RawPeer], int]],
    seconds: float,
    named: str,
    last: str = "",
) -> BusRun:
    """Deliver messages for so long, while others read in their own ways.

    After this counter has risen it goes on for a second.
    """
    counters, stopping = Counter[str](), threading.Event()
    heard = dict.fromkeys(readers, 0)
    with ExitStack() as stack:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.destroy, linger=0)
        local = HubEndpoints(
            ingress=Endpoint(f"ipc://{folder}/ingress"),
            outlet=Endpoint(f"ipc://{folder}/outlet"),
            bus=Endpoint(f"ipc://{folder}/bus"),
            work_in=Endpoint(f"ipc://{folder}/work-in"),
            work_out=Endpoint(f"ipc://{folder}/work-out"),
            clock=Endpoint(f"ipc://{folder}/clock"),
            is_local=True,
        )
        bus = Bus(
            context, local, None, AccessControl("guests"), Refusals(counters), "lossless",
            named=[named],
        )  # fmt: skip
        stack.callback(bus.close)
        everything = {*bus.sockets, *(one.descriptor for one in bus.connections)}

        def read(name: str, peer: RawPeer) -> None:
            with contextlib.suppress(OSError):
                while not stopping.is_set() and (size := readers[name](peer)):
                    heard[name] += size

        threads = []
        for name in readers:
            peer = stack.enter_context(RawPeer(f"{folder}/bus", "SUB"))
            for topic in (b"x", b"~ready/" + name.encode()):
                peer.send(b"\x01" + topic)
            threads.append(threading.Thread(target=read, args=(name, peer)))
            while name not in bus.ready:
                bus.watch_connections(everything)
                bus.forward_subscriptions(everything)
        for thread in threads:
            thread.start()
        until, delivered = monotonic() + seconds, 0
        while monotonic() < until:
            bus.watch_connections(everything)
            delivered += bus.deliver([b"x", bytes(20_000)])
            stopping.wait(0 if counters["slow_peers_cut"] else 0.002)
            if counters[last]:
                until = min(until, monotonic() + 1.0)
        stopping.set()
        for thread in threads:
            thread.join()
    return BusRun(delivered, counters, heard)


def read_quickly(peer: RawPeer) -> int:
    return len(peer.socket.recv(1 << 20))


def read_slowly(peer: RawPeer) -> int:
    """A message or two, forty times a second: it is never mute."""
    threading.Event().wait(0.025)
    return len(peer.socket.recv(30_000))


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells who it was")
@pytest.mark.parametrize("is_refilled", [False, True], ids=["", "refilled"])
def test_a_slow_guest_is_cut_off_when_it_has_held_up_the_run_for_long(
    is_refilled: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if is_refilled:  # what it reads is replaced before anybody looks
        real = connections._traffic
        full = connections.Traffic(0, -50_000, 50_000)
        monkeypatch.setattr(connections, "_traffic", lambda s: full if real(s).waiting else real(s))
    monkeypatch.setattr(connections, "PATIENCE_S", 3.0)
    readers = {"guest": read_slowly, "sink": read_quickly, "page": read_quickly}
    found = run_bus(tmp_path, readers, 60, "sink", last="slow_peers_cut")
    assert found.counters["slow_peers_cut"] == 1
    assert found.counters["mute_peers_cut"] == 0
    text = f"guest (process {os.getpid()}) at the bus reads slowly and has held up the run for "
    held_s = float(caplog.text.split(text)[1].split()[0])
    assert 3 < held_s < 13, "and what it was forgiven in the meantime"
    assert found.heard["guest"] < found.heard["sink"]
    for name in ("sink", "page"):
        assert found.heard[name] > 0.9 * 20_000 * found.delivered


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells who it was")
@pytest.mark.parametrize("way", ["tcp", "ipc"])
def test_a_subscriber_that_does_not_keep_up_is_named_once(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 1.0)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    counters, now = Counter[str](), [0.0]
    outlet = new_socket(context, zmq.XPUB)
    outlet.setsockopt(zmq.SNDHWM, 16)
    watched = Connections(outlet, "the outlet", counters, clock=lambda: now[0])
    place: int | str = str(tmp_path / "outlet")
    if way == "tcp":
        place = outlet.bind_to_random_port("tcp://127.0.0.1")
    else:
        outlet.bind(f"ipc://{place}")

    def publish_and_read(bytes_each: int) -> None:
        for _ in range(4):
            for _ in range(20):
                outlet.send(bytes(100_000), zmq.DONTWAIT)
                outlet.poll(1, zmq.POLLIN)
            now[0] += 0.5
            peer.socket.recv(bytes_each)
            watched.update()
            watched.name_late()

    def read_everything() -> None:
        peer.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:
                peer.socket.recv(1 << 20)

    try:
        with RawPeer(place, "SUB", 4096) as peer:
            peer.send(b"\x01")
            assert outlet.recv() == b"\x01"
            publish_and_read(5_000)
            publish_and_read(5_000)
            assert counters == {"slow_subscribers": 1}
            assert caplog.text.count("has not kept up for") == 1
            read_everything()
            watched.name_late()
            publish_and_read(5_000)
            assert counters == {"slow_subscribers": 2}
            assert len(watched) == 1, "it is not cut off"
    finally:
        watched.close()
        context.destroy(linger=0)


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells who it was")
def test_all_wait_for_a_slow_consumer_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 0.5)
    readers = {"sink": read_slowly, "page": read_quickly}
    found = run_bus(tmp_path, readers, 4, "sink")
    assert found.counters["slow_peers_cut"] == 0
    assert found.heard["sink"] > 0


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells who it was")
def test_who_connects_again_has_no_new_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 1.0)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    now, counters = [100.0], Counter[str]()
    bus = new_socket(context, zmq.XPUB)
    bus.setsockopt(zmq.XPUB_VERBOSE, 1)
    watched = Connections(bus, "the bus", counters, clock=lambda: now[0])
    bus.bind(f"ipc://{tmp_path / 'bus'}")

    def hold_up(seconds: float) -> int:
        """Connect, and hold up the run for so long."""
        with RawPeer(str(tmp_path / "bus"), "SUB") as peer:
            peer.send(b"\x01")
            while (frame := bus.recv(copy=False)).bytes != b"\x01":
                pass  # the one before has gone
            watched.update()
            watched.on_held_up([int(frame.get("__fd"))], seconds)
        return counters["slow_peers_cut"]

    try:
        assert hold_up(0.9) == 0
        assert hold_up(0.2) == 1
        now[0] += 1.2  # a sixth of the time is forgiven
        assert hold_up(0.25) == 1
        assert hold_up(0.1) == 2
        now[0] += 60
        assert hold_up(0.9) == 2
    finally:
        watched.close()
        context.destroy(linger=0)


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells who it was")
@pytest.mark.parametrize("named", [False, True])
def test_all_wait_for_who_is_named_and_for_nobody_else(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 1.0)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    counters = Counter[str]()
    bus = new_socket(context, zmq.XPUB)
    bus.setsockopt(zmq.XPUB_NODROP, 1)
    bus.setsockopt(zmq.SNDHWM, 8)
    watched = Connections(bus, "the bus", counters, may_wait=lambda _: named)
    bus.bind(f"ipc://{tmp_path / 'bus'}")
    try:
        with RawPeer(str(tmp_path / "bus"), "SUB") as mute:
            mute.send(b"\x01")
            frame = bus.recv(copy=False)
            watched.announce(int(frame.get("__fd")), "guest")
            until, sent = monotonic() + 5, 0
            while monotonic() < until and not counters["mute_peers_cut"]:
                watched.update()
                watched.cut_mute()
                bus.poll(20)
                with contextlib.suppress(zmq.Again):
                    bus.send(bytes(100_000), zmq.DONTWAIT)
                    sent += 1
            assert sent >= 8
            assert counters["mute_peers_cut"] == (0 if named else 1)
            assert (f"guest (process {os.getpid()}) at the bus" in caplog.text) == (not named)
    finally:
        watched.close()
        context.destroy(linger=0)
