"""Attacks on a hub that requires keys, without a key and with a key that allows little."""

import contextlib
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

import msgpack
import zmq

from affectline.common.runtime.keys import CurvePair
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.control import PIPELINE, Calibrate, Control, Pause, Quit
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Marker
from affectline.services.hub.connections import PATIENCE_S
from tests.attacks.attacks import (
    FLOOD_S,
    GROUPS,
    HUGE,
    MUTE,
    TIMES,
    Attack,
    Attacker,
    forgeries,
    sizes,
)
from tests.attacks.raw_peer import COMMAND, CURVE_GREETING, HELLO, LONG, head

PORTS: Final = {
    0: ("the ingress", "PUB"), 1: ("the outlet", "SUB"), 2: ("the bus", "SUB"),
    3: ("the work queue's input", "PUSH"), 4: ("the work queue's output", "PULL"),
    6: ("the clock", "DEALER"),
}  # fmt: skip
"""The hub's ports, by their distance from the first, with the socket type that connects there."""
WAITING: Final = 150
"""Connections per port that never finish their handshake."""
PIECE: Final = bytes(1 << 20)
SLOW: Final = 10
FLOODED: Final = ("refused_rate", "in")
"""Includes the messages that the hub passed on: a slow machine never reaches the limit."""
OWN: Final = "bo"
"""The person that the sensor's key is for."""


class KeyedGroup(NamedTuple):
    """Attacks on a run with a hub that requires keys."""

    key: str
    """The name of the attacker's key; empty: it has none."""
    attacks: tuple[Attack, ...]


def by_strangers() -> Iterator[Attack]:
    """Attack without a known key."""
    yield Attack("no key", "peers without encryption, on every port", _no_key)
    yield Attack(
        "unknown key", "peers with an invented key, on every port, subscribed to everything",
        _unknown_key, ("refused_handshakes",),
    )  # fmt: skip
    yield Attack("handshakes", "first messages of handshakes, as fast as possible", _handshakes)
    for offset, (name, _) in PORTS.items():
        yield Attack(
            f"half handshakes at {name}", f"{WAITING} connections that never finish it",
            partial(_half_handshakes, offset=offset), ("connections_refused",),
        )  # fmt: skip
    yield Attack(
        "huge handshake", "200 MB to every port, in place of the rest of the handshake",
        _huge_handshakes, ("connections_cut",),
    )  # fmt: skip
    yield Attack(
        "endless handshake", "parts of 100 kB, each announcing another one, in its place",
        _endless_handshakes,
    )  # fmt: skip


def _no_key(attacker: Attacker) -> None:
    for offset, (_, kind) in PORTS.items():
        for _ in range(5):
            try:
                attacker.raw(attacker.hub.port + offset, kind)
                attacker.stolen += 1  # it was accepted
            except OSError:
                attacker.closed += 1
                attacker.sent += 1


def _unknown_key(attacker: Attacker) -> None:
    pair = CurvePair.new()
    kinds = (zmq.XPUB, zmq.SUB, zmq.SUB, zmq.PUSH, zmq.PULL, zmq.DEALER)
    poller = zmq.Poller()
    hub_key = attacker.hub_key.encode()
    for offset, kind in zip(PORTS, kinds, strict=True):
        made = attacker.connect(
            kind, f"tcp://127.0.0.1:{attacker.hub.port + offset}", CURVE_SERVERKEY=hub_key,
            CURVE_PUBLICKEY=pair.public_key.encode(), CURVE_SECRETKEY=pair.secret_key.encode(),
        )  # fmt: skip
        if kind == zmq.SUB:
            made.subscribe("")
        if kind != zmq.PUSH:
            poller.register(made, zmq.POLLIN)
        attacker.sent += 1
    until = time.monotonic() + FLOOD_S
    while (left_s := until - time.monotonic()) > 0:
        for made, _ in poller.poll(round(left_s * 1000)):
            made.recv_multipart()
            attacker.stolen += 1


def _handshakes(attacker: Attacker) -> None:
    until = time.monotonic() + FLOOD_S
    while time.monotonic() < until:
        try:
            attacker.bare(attacker.hub.port, CURVE_GREETING + HELLO)
            attacker.sent += 1
        except OSError:
            attacker.closed += 1


def _half_handshakes(attacker: Attacker, offset: int) -> None:
    attacker.hold(attacker.hub.port + offset, WAITING, CURVE_GREETING)


def _huge_handshakes(attacker: Attacker) -> None:
    for offset in PORTS:
        _pour(attacker, offset, bytes([COMMAND | LONG]) + struct.pack(">Q", HUGE // 2))


def _endless_handshakes(attacker: Attacker) -> None:
    part = bytes(100_000)
    for offset in PORTS:
        _pour(attacker, offset, head(len(part), more=True) + part)


def _pour(attacker: Attacker, offset: int, beginning: bytes) -> None:
    attacker.sent += 1
    try:
        peer = attacker.bare(attacker.hub.port + offset, CURVE_GREETING + beginning)
        for _ in range(HUGE // 2 // len(PIECE)):
            peer.sendall(PIECE)
    except OSError:
        attacker.closed += 1


def by_listeners() -> Iterator[Attack]:
    """Attack with the key of a listener, which may subscribe to all but images."""
    yield Attack("Samples", "a sensor's samples", partial(
        Attacker.forge, kind=Samples), ("refused_bio",))  # fmt: skip
    yield Attack("Marker", "a marker", partial(
        Attacker.forge, kind=Marker), ("refused_marker",))  # fmt: skip
    yield _named(GROUPS["floods"], "subscriptions")
    yield Attack(
        "images", "subscriptions to frames and faces, and to everything",
        _steal_pictures, ("refused",),
    )  # fmt: skip
    yield Attack(
        "crops", "takes work from the queue, and puts work into it", _steal_crops,
        ("refused_handshakes",),
    )  # fmt: skip
    yield Attack(
        "forged hub time", "answers to other peers' requests, and to no request",
        _answer_for_the_hub, ("probes_refused",),
    )  # fmt: skip


def mute_listeners() -> Iterator[Attack]:
    """Subscribe with a listener's key, and read slowly or not at all."""
    yield Attack(
        "mute", f"{MUTE} subscribers to everything that never read", _mute,
        ("mute_peers_cut",),
    )  # fmt: skip
    yield Attack("slow", f"{SLOW} subscribers that read one message a second", _slow)


def _named(attacks: tuple[Attack, ...], name: str) -> Attack:
    return next(one for one in attacks if one.name == name)


def _steal_pictures(attacker: Attacker) -> None:
    ears = []
    for topic in ("frame/", "faces/", "f", "", "~to/", "~ready/"):
        ears.append(attacker.connect(zmq.SUB, attacker.hub.outlet))
        ears[-1].subscribe(topic)
        attacker.sent += 1
    until = time.monotonic() + FLOOD_S
    while time.monotonic() < until:
        for ear in ears:
            while ear.poll(10):
                is_picture = ear.recv_multipart()[0].startswith((b"frame/", b"faces/", b"~"))
                attacker.stolen += is_picture


def _steal_crops(attacker: Attacker) -> None:
    pull = attacker.connect(zmq.PULL, attacker.hub.work_out)
    push = attacker.connect(zmq.PUSH, attacker.hub.work_in, IMMEDIATE=1)
    consumer = attacker.connect(zmq.SUB, attacker.hub.bus)
    consumer.subscribe("")
    until = time.monotonic() + FLOOD_S
    while time.monotonic() < until:
        with contextlib.suppress(zmq.Again):
            push.send_multipart([b"faces/film", b""])
            attacker.stolen += 1  # it was accepted
        attacker.sent += 1
        attacker.stolen += sum(bool(ear.poll(10)) for ear in (pull, consumer))


def _answer_for_the_hub(attacker: Attacker) -> None:
    """Send answers without a request, and answers that the hub should pass on to other peers."""
    forged = struct.pack("<qqq", 1, 2**62, 2**62)
    names = [b"", b"\x00" + bytes(3) + b"\x01", *(b"process %d" % number for number in range(8))]
    dealers = [attacker.connect(zmq.DEALER, attacker.hub.clock, ROUTING_ID=b"hub")]
    dealers += [attacker.connect(zmq.DEALER, attacker.hub.clock) for _ in range(4)]
    until = time.monotonic() + FLOOD_S
    while time.monotonic() < until:
        for dealer in dealers:
            for parts in ([forged], *([name, forged] for name in names)):
                with contextlib.suppress(zmq.Again):
                    dealer.send_multipart(parts, zmq.DONTWAIT)
                    attacker.sent += 1
            while dealer.poll(0):
                dealer.recv_multipart()
                attacker.stolen += 1  # an answer although nothing was asked
        time.sleep(0.01)


def _mute(attacker: Attacker) -> None:
    ears = []
    for _ in range(MUTE):
        ears.append(
            attacker.connect(zmq.SUB, attacker.hub.outlet, RCVBUF=4096, RCVHWM=1, RECONNECT_IVL=-1)
        )
        ears[-1].subscribe("")
        attacker.sent += 1
    time.sleep(PATIENCE_S + 3)


def _slow(attacker: Attacker) -> None:
    ears = []
    for _ in range(SLOW):
        ears.append(attacker.connect(zmq.SUB, attacker.hub.outlet, RCVBUF=4096, RCVHWM=1))
        ears[-1].subscribe("")
        attacker.sent += 1
    for _ in range(5):
        time.sleep(1)
        for ear in ears:
            if ear.poll(0):
                ear.recv_multipart()


def by_sensors() -> Iterator[Attack]:
    """Attack with the key of a sensor, which may publish one person's samples, and markers."""
    yield Attack("others' samples", "samples of a person that the key is not for", partial(
        Attacker.forge, kind=Samples, subject="anna"), ("refused_bio",))  # fmt: skip
    yield Attack(
        "to one consumer", "samples of another person, addressed only to the sink",
        _others_to_the_sink, ("refused_other",),
    )  # fmt: skip
    yield Attack(
        "epochs and jumps", "samples with an epoch two days ahead, and numbers that jump",
        partial(_many, make=_impossible), ("refused_time", "refused_jump"),
    )  # fmt: skip
    yield Attack(
        "signals", "a new signal in each message",
        partial(_many, make=lambda a, n: _samples(a, signal=f"n{n}")), ("refused_names",),
    )  # fmt: skip
    yield Attack(
        "services", "health of a new process in each message",
        partial(_many, make=_service), ("refused_names",),
    )  # fmt: skip
    yield _named(tuple(sizes()), "nested msgpack")
    yield _named(tuple(sizes()), "JPEG bomb")
    yield Attack(
        "400 MB", "a message of 4000 parts of 100 kB, and one of two parts of 200 MB",
        _oversized, ("connections_cut",),
    )  # fmt: skip


def floods_by_sensors() -> Iterator[Attack]:
    """Flood with messages that a sensor's key may publish."""
    yield Attack("samples", "samples as fast as possible", _flood_samples, FLOODED)
    yield Attack("large samples", "samples of 40 kB, as fast as possible", partial(
        _flood_samples, values=4000, seconds=FLOOD_S / 2), FLOODED)  # fmt: skip
    yield Attack("markers", "markers as fast as possible", _flood_markers, FLOODED)


def _parts(topic: str, header: dict[str, Any]) -> list[bytes]:
    return [topic.encode(), msgpack.packb(header)]


def _samples(attacker: Attacker, **fields: Any) -> list[bytes]:
    header = attacker.header(Samples, subject=OWN, **fields)
    return _parts(f"bio/{OWN}/{header['signal']}", header)


def _others_to_the_sink(attacker: Attacker) -> None:
    header = attacker.header(Samples, subject="anna")
    publisher = attacker.publisher()
    for _ in range(TIMES):
        publisher.send_multipart([b"~to/sink:", *_parts(f"bio/anna/{header['signal']}", header)])
        attacker.sent += 1


def _flood_samples(attacker: Attacker, values: int = 1, seconds: float = 3 * FLOOD_S) -> None:
    parts = _samples(attacker, values=[0.5] * values, offsets=[], rate=1000.0, signal="flood")
    attacker.flood(lambda _: parts, seconds=seconds)


def _flood_markers(attacker: Attacker) -> None:
    parts = _parts("marker/flood", attacker.header(Marker, session="flood"))
    attacker.flood(lambda _: parts, seconds=3 * FLOOD_S)


def _many(attacker: Attacker, make: Callable[[Attacker, int], list[bytes]]) -> None:
    publisher = attacker.publisher()
    for number in range(500):
        publisher.send_multipart(make(attacker, number))
        attacker.sent += 1
        time.sleep(0.002)  # too slow to count as a flood of messages


def _service(attacker: Attacker, number: int) -> list[bytes]:
    name = f"biometrics/{OWN}/{number}"
    return _parts(f"health/{name}", attacker.header(Health, service=name))


def _impossible(attacker: Attacker, number: int) -> list[bytes]:
    if number % 2:
        in_two_days = time.time_ns() + 2 * 86_400 * 10**9
        return _samples(attacker, epoch=in_two_days // 10**6, signal="huge")
    return _samples(attacker, seq=number * 10**9, signal="jump")


def _oversized(attacker: Attacker) -> None:
    piece = bytes(100_000)
    for parts in ([piece] * 4000, [bytes(HUGE // 2)] * 2):
        publisher = attacker.publisher()
        monitor = publisher.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        frames = [zmq.Frame(part, copy=False) for part in parts]
        publisher.send_multipart([zmq.Frame(f"bio/{OWN}/x".encode()), *frames], copy=False)
        attacker.sent += 1
        attacker.closed += bool(monitor.poll(5000))
        publisher.disable_monitor()
        monitor.close(linger=0)
        publisher.close(linger=0)


def by_operators() -> Iterator[Attack]:
    """Attack with the key of an operator, which may set markers and control recordings."""
    for action in (Quit(), Pause(), Calibrate(subject=None, seconds=1)):
        yield Attack(
            f"{action.command}", "a command that is not about recordings",
            partial(Attacker.forge, kind=Control, target=PIPELINE, action=action.model_dump()),
            ("refused_control",),
        )  # fmt: skip
    yield Attack("Samples", "a sensor's samples", partial(
        Attacker.forge, kind=Samples), ("refused_bio",))  # fmt: skip
    yield Attack("markers", "markers as fast as possible", _flood_markers, ("refused_rate",))


FORGERIES: Final = tuple(forgeries())
KEYED_GROUPS: Final[dict[str, KeyedGroup]] = {
    "keys, nobody's": KeyedGroup("", tuple(by_strangers())),
    "keys, a listener's, forgeries": KeyedGroup("wall", FORGERIES),
    "keys, a listener's": KeyedGroup("wall", tuple(by_listeners())),
    "keys, mute listeners'": KeyedGroup("wall", tuple(mute_listeners())),
    "keys, a sensor's, forgeries": KeyedGroup("strap", FORGERIES),
    "keys, a sensor's, floods": KeyedGroup("strap", tuple(floods_by_sensors())),
    "keys, a sensor's": KeyedGroup("strap", tuple(by_sensors())),
    "keys, an operator's, forgeries": KeyedGroup("desk", FORGERIES),
    "keys, an operator's": KeyedGroup("desk", tuple(by_operators())),
}
"""Each group finishes while the film plays."""
