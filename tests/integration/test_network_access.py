"""What a stranger can do who reaches the hub's TCP ports, where no keys are asked for."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import msgpack
import pytest
import zmq

from affectline.common.runtime.endpoints import reach
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.wire import codec
from affectline.common.wire.health import Health
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import Packet
from tests.pipelines import Pipeline, free_port, process

Connect = Callable[[int, str], "zmq.Socket[bytes]"]
Own = Callable[..., OutletSubscriber]
OPEN = {"Marker", "Samples"}
CLOSED = sorted(message_kinds().keys() - OPEN)


@pytest.fixture
def hub() -> Iterator[HubSettings]:
    settings = HubSettings(port=free_port())
    with process("hub", "--bind", f"127.0.0.1:{settings.port}") as started:
        deadline = time.monotonic() + 30
        while not reach(settings).is_local or not _accepts(settings.metrics_port):
            assert time.monotonic() < deadline, "no hub"
            assert started.poll() is None
        yield settings


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes sockets that are connected to an address."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made: list[zmq.Socket[bytes]] = []

    def socket_to(kind: int, address: str) -> zmq.Socket[bytes]:
        made.append(context.socket(kind))
        made[-1].connect(address)
        if kind == zmq.XPUB:
            assert made[-1].poll(20_000), f"nobody listens on {address}"
        return made[-1]

    yield socket_to
    context.destroy(linger=0)


@pytest.fixture
def own() -> Iterator[Own]:
    """Makes listeners of the hub's own user."""
    with ExitStack() as stack:

        def listener(hub: HubSettings, *prefixes: str) -> OutletSubscriber:
            made = OutletSubscriber(hub, prefixes)
            stack.callback(made.close)
            return made

        yield listener


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def parts_of(kind: str) -> list[bytes]:
    model = message_kinds()[kind]
    packet = Packet(model.example(), model.example_parts)
    return [bytes(part) for part in codec.encode(packet)]


def listen(
    listener: OutletSubscriber, seconds: float, enough: "type[object] | None" = None
) -> list[Packet]:
    found: list[Packet] = []
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        listener.wait(timeout_s=left)
        found += listener.receive()
        if enough and any(isinstance(packet.message, enough) for packet in found):
            break
    return found


def counters(listener: OutletSubscriber, name: str, at_least: int) -> dict[str, int]:
    """The hub's counters, when one of them has got so far."""
    deadline = time.monotonic() + 10
    seen: dict[str, int] = {}
    while time.monotonic() < deadline:
        for packet in listen(listener, 1.5, Health):
            if isinstance(packet.message, Health) and packet.message.service == "hub":
                seen = packet.message.counters
        if seen.get(name, 0) >= at_least:
            break
    return seen


def test_a_stranger_publishes_what_tools_publish_and_nothing_else(
    hub: HubSettings, own: Own, connect: Connect
) -> None:
    listener = own(hub, "")
    stranger = connect(zmq.XPUB, hub.ingress)
    for kind in CLOSED:
        stranger.send_multipart(parts_of(kind))
    stranger.send_multipart([b"~to/sink:", *parts_of("Emotion")])
    for kind in OPEN:
        stranger.send_multipart(parts_of(kind))
    told = counters(listener, "refused_other", 1)
    assert all(isinstance(packet.message, Health) for packet in listen(listener, 0.3))
    prefixes = [message_kinds()[kind].topic_prefix for kind in CLOSED]
    for prefix in set(prefixes):
        assert told[f"refused_{prefix}"] == prefixes.count(prefix)
    assert told["in"] == len(OPEN)


def test_the_user_s_own_processes_publish_everything(
    hub: HubSettings, own: Own, connect: Connect
) -> None:
    part = connect(zmq.XPUB, reach(hub).ingress.address)
    with_own = own(hub, "emotion/")
    stranger = connect(zmq.SUB, hub.outlet)
    stranger.subscribe("emotion/")
    deadline = time.monotonic() + 10
    while not stranger.poll(100):  # until its subscription has arrived
        assert time.monotonic() < deadline
        part.send_multipart(parts_of("Emotion"))
    assert stranger.recv_multipart() == parts_of("Emotion")
    assert listen(with_own, 5, message_kinds()["Emotion"])


@pytest.mark.parametrize("topic", ["", "frame/", "faces/"])
def test_a_stranger_gets_no_pictures(
    hub: HubSettings, own: Own, connect: Connect, topic: str
) -> None:
    part = connect(zmq.XPUB, reach(hub).ingress.address)
    with_own, by_address = own(hub, topic), OutletSubscriber(hub, (topic,), hub.outlet)
    stranger = connect(zmq.SUB, hub.outlet)
    stranger.subscribe(topic)
    stranger.subscribe("emotion/")
    pictures = message_kinds()["Faces" if topic == "faces/" else "Frame"]
    heard: set[str] = set()
    seen: set[OutletSubscriber] = set()
    deadline = time.monotonic() + 20
    with closing(by_address):
        while "Emotion" not in heard or len(seen) < 2:
            assert time.monotonic() < deadline, "the user's own tools see pictures"
            for kind in ("Frame", "Faces", "Emotion"):
                part.send_multipart(parts_of(kind))
            while stranger.poll(100):
                heard.add(msgpack.unpackb(stranger.recv_multipart()[1])["message"])
            for own_tool in (with_own, by_address):
                got = listen(own_tool, 0.1)
                seen |= {own_tool for packet in got if isinstance(packet.message, pictures)}
    assert not {"Frame", "Faces"} & heard


def test_a_hub_ends_soon_when_it_is_asked_to() -> None:
    port = free_port()
    with process("hub", "--bind", f"127.0.0.1:{port}") as started:
        deadline = time.monotonic() + 30
        while not _accepts(port + 5):
            assert time.monotonic() < deadline, "no hub"
        started.terminate()
        assert started.wait(timeout=5) == 0


def test_bus_and_work_queue_are_closed_to_strangers(hub: HubSettings) -> None:
    open_ports = [port - hub.port for port in hub.ports if _accepts(port)]
    assert open_ports == [0, 1, 5, 6], "ingress, outlet, metrics, clock"


def test_a_subscriber_with_too_many_subscriptions_is_disconnected(
    hub: HubSettings, own: Own, connect: Connect
) -> None:
    listener = own(hub, "health/hub")
    greedy, modest = connect(zmq.XSUB, hub.outlet), connect(zmq.SUB, hub.outlet)
    modest.subscribe("health/hub")
    for number in range(100):
        greedy.send(b"\x01" + str(number).encode())
    assert counters(listener, "refused", 1)["refused"] >= 1
    assert modest.poll(5000), "others are served as before"


def test_messages_to_the_outlet_give_nobody_the_subscriptions_of_another(
    hub: HubSettings, own: Own, connect: Connect
) -> None:
    """In manual mode libzmq takes a subscription for that of the peer that sent a message."""
    listener = own(hub, "health/hub")
    attacker = connect(zmq.XSUB, hub.outlet)
    attacker.send(b"\x01marker/")
    for _ in range(20):
        attacker.send(b"a message of its own")
        attacker.send(b"\x01nothing/")
    honest = connect(zmq.SUB, hub.outlet)
    honest.subscribe("health/hub")
    assert counters(listener, "refused", 1)["refused"] >= 1
    assert honest.poll(10_000), "it connects again, and is served"
    received: list[bytes] = []
    while attacker.poll(1500):
        received += attacker.recv_multipart()[:1]
    assert not [topic for topic in received if topic.startswith(b"health/")]


def test_a_consumer_that_does_not_read_is_named_and_dropped(tmp_path: Path) -> None:
    """It would hold up a lossless run for ever; the run's own consumers are waited for."""
    source = ("--source", "sample", "--delivery", "lossless")
    with Pipeline(tmp_path / "out", *source, prefixes=("health/hub", "stream/")) as pipeline:
        deadline = time.monotonic() + 30
        while not reach(pipeline.hub).is_local or not _accepts(pipeline.hub.port):
            assert time.monotonic() < deadline, "no hub"
        with zmq.Context() as context, context.socket(zmq.SUB) as mute:
            mute.setsockopt(zmq.RCVHWM, 1)
            mute.setsockopt(zmq.RCVBUF, 4096)
            mute.connect(reach(pipeline.hub).bus.address)
            mute.subscribe("")
            mute.subscribe("~ready/guest")
            summary = pipeline.finish(timeout_s=100)
        log = pipeline.log()
    assert summary["frames"] == 120
    assert summary["lost"] == 0
    assert "guest (process " in log
    assert "has read nothing for 1" in log
