"""The attacks, each as a function that attacks a hub."""

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import cv2
import msgpack
import numpy as np
import zmq

from affectline.common.runtime.endpoints import reach
from affectline.common.runtime.keys import Credentials
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.control import Control, Quit
from affectline.common.wire.health import Health
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import (
    Emotion,
    Faces,
    Frame,
    Marker,
    Resend,
    Scores,
    StreamDone,
    StreamEnd,
    StreamStart,
)
from affectline.common.wire.watermark import Watermark
from affectline.services.hub.connections import PATIENCE_S
from tests.attacks.raw_peer import RawPeer, head

TIMES: Final = 20
"""How many times a forgery is sent."""
FLOOD_S: Final = 2.0
MADE_UP: Final = 20_000
HUGE: Final = 400_000_000
CONNECTIONS: Final = 400
MUTE: Final = 30
SLOW: Final = 6
CONNECT_MS: Final = 10_000


@dataclass
class Attacker:
    """An attacker on the same machine.

    Args:
        hub: The addresses of the hub.
        newest: The newest result that the attacker has received, so that forgeries fit.
        credentials: The attacker's key; None: it has none.
        hub_key: The hub's public key, which is not secret; empty: the hub requires no keys.
    """

    hub: HubSettings
    newest: Emotion
    credentials: Credentials | None = None
    hub_key: str = ""
    sent: int = 0
    """How many messages, connections or the like it has sent."""
    closed: int = 0
    """Connections that the hub has refused or closed."""
    stolen: int = 0
    """Messages received that the attacker must not get."""
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._stack.callback(self._context.destroy, linger=0)

    def connect(self, kind: int, address: str, **options: Any) -> "zmq.Socket[bytes]":
        """Return a socket that is connected to one of the hub's addresses."""
        made = self._context.socket(kind)
        self._stack.callback(made.close, linger=0)
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(zmq.SNDTIMEO, 200)
        made.setsockopt(zmq.SNDHWM, 1000)
        for name, value in options.items():
            made.setsockopt(getattr(zmq, name), value)
        if self.credentials and address.startswith("tcp://"):
            made.curve_serverkey = self.credentials.hub_key.encode()
            made.curve_publickey = self.credentials.pair.public_key.encode()
            made.curve_secretkey = self.credentials.pair.secret_key.encode()
        made.connect(address)
        return made

    def publisher(self) -> "zmq.Socket[bytes]":
        """Return a socket connected to the ingress that the hub has subscribed to."""
        made = self.connect(zmq.XPUB, self.hub.ingress, XPUB_NODROP=1)
        assert made.poll(CONNECT_MS), "the hub does not subscribe"
        return made

    def part(self) -> "zmq.Socket[bytes]":
        """Return the same for the Unix socket of the hub's own user."""
        made = self.connect(zmq.XPUB, reach(self.hub).ingress.address, XPUB_NODROP=1)
        assert made.poll(CONNECT_MS), "the hub does not subscribe"
        return made

    def forge(
        self,
        kind: type[Message],
        topic: str | None = None,
        *,
        is_pipeline: bool = False,
        **fields: Any,
    ) -> None:
        """Publish a message many times, valid or not."""
        header, parts = self.header(kind, **fields), list(kind.example_parts)
        name = topic or _topic(kind, header)
        publisher = self.part() if is_pipeline else self.publisher()
        for _ in range(TIMES):
            publisher.send_multipart([name.encode(), msgpack.packb(header), *parts])
            self.sent += 1
            time.sleep(0.01)  # so that it arrives between the pipeline's own messages

    def header(self, kind: type[Message], **fields: Any) -> dict[str, Any]:
        """Return the fields of a message that fits the newest result."""
        known = self.newest.model_dump()
        made = kind.example().model_dump()
        same = made.keys() & known.keys() - {"message", "version", "faces"}
        return made | {name: known[name] for name in same} | fields

    def flood(
        self,
        make: Callable[[int], list[bytes]],
        *,
        is_pipeline: bool = False,
        seconds: float = FLOOD_S,
    ) -> None:
        """Publish as fast as the hub accepts it."""
        publisher = self.part() if is_pipeline else self.publisher()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(zmq.Again):
                publisher.send_multipart(make(self.sent))
                self.sent += 1

    def hold(self, port: int, count: int = CONNECTIONS, said: bytes = b"") -> None:
        """Open connections, and keep them open until the end of the attack."""
        for _ in range(count):
            try:
                made = socket.create_connection(("127.0.0.1", port), 2)
                self._stack.callback(made.close)
                made.sendall(said)
                self.sent += 1
            except OSError:
                self.closed += 1

    def raw(self, where: int | str, kind: str, buffer: int | None = None) -> RawPeer:
        """Return a connection that does what no library does."""
        return self._stack.enter_context(RawPeer(where, kind, buffer))

    def bare(self, port: int, said: bytes) -> socket.socket:
        """Return a connection that has sent some bytes and does nothing more."""
        made = socket.create_connection(("127.0.0.1", port), 2)
        self._stack.callback(made.close)
        made.sendall(said)
        return made

    def close(self) -> None:
        """Close all connections."""
        self._stack.close()


def _topic(kind: type[Message], header: dict[str, Any]) -> str:
    return "/".join([kind.topic_prefix, *(str(header[level]) for level in kind.topic_levels)])


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        name: A short name.
        summary: What it does, for the page.
        run: Performs the attack.
        counters: Counters of the hub, or of another service that they name: at least one must
            count the attack. Empty: nothing arrives that could be counted.
    """

    name: str
    summary: str
    run: Callable[[Attacker], None]
    counters: tuple[str, ...] = ()


def forgeries() -> Iterator[Attack]:
    """Forge messages that only the pipeline may publish."""

    def forged(name: str, summary: str, kind: type[Message], make: Any = lambda _: {}) -> Attack:
        return Attack(
            name, summary, lambda attacker: attacker.forge(kind, **make(attacker)),
            (f"refused_{kind.topic_prefix}",),
        )  # fmt: skip

    yield forged(
        "huge epoch", "`Emotion` with an epoch so large that real ones would be ignored", Emotion,
        lambda _: {"epoch": 2**62},
    )  # fmt: skip
    yield forged(
        "Emotion", "results of the next frames, before the detector has them", Emotion,
        lambda a: {"seq": a.newest.seq + 1 + a.sent, "faces": []},
    )  # fmt: skip
    yield forged("Frame", "the next frame", Frame, lambda a: {"seq": a.newest.seq + 1})
    yield forged("Faces", "faces of the next frame", Faces, lambda a: {"seq": a.newest.seq + 1})
    yield forged(
        "Scores", "a classifier's scores for the next frames", Scores,
        lambda a: {"seq": a.newest.seq + 1 + a.sent},
    )  # fmt: skip
    yield forged("StreamStart", "the start of another film", StreamStart)
    yield forged(
        "StreamEnd", "the end of the film", StreamEnd, lambda a: {"last_seq": a.newest.seq}
    )
    yield forged(
        "StreamDone", "a report that the sink has everything", StreamDone,
        lambda _: {"last_seq": 2**40},
    )  # fmt: skip
    yield forged(
        "Health", "a report that a process is degraded", Health, lambda _: {"service": "sink"}
    )
    yield forged("State", "a state that says somebody is nervous", State)
    yield forged(
        "Watermark", "a report that the film's source has ended", Watermark,
        lambda a: {"source": f"capture/{a.newest.stream}", "ended": True},
    )  # fmt: skip
    yield forged(
        "Kept", "a report that the sink has ended and keeps nothing", Kept,
        lambda _: {"by": "sink", "keys": {}, "ended": True},
    )  # fmt: skip
    yield forged(
        "Resend", "many requests for all results", Resend,
        lambda a: {"first_seq": 0, "last_seq": a.newest.seq},
    )  # fmt: skip
    yield forged("Control", "the command to quit", Control, lambda _: {
        "target": "pipeline", "action": Quit().model_dump(),
    })  # fmt: skip
    yield Attack(
        "to one consumer", "a result addressed only to the sink", _to_the_sink, ("refused_other",)
    )


def _to_the_sink(attacker: Attacker) -> None:
    header = attacker.header(Emotion, seq=attacker.newest.seq + 1)
    publisher = attacker.publisher()
    for _ in range(TIMES):
        parts = [b"~to/sink:", _topic(Emotion, header).encode(), msgpack.packb(header)]
        publisher.send_multipart(parts)
        attacker.sent += 1


def thefts() -> Iterator[Attack]:
    """Steal or insert what the pipeline's processes exchange."""
    yield Attack("stolen crops", "takes work from the queue", _steal_crops)
    yield Attack("forged crops", "puts work into the queue", _push_crops)
    yield Attack("extra consumer", "a mute subscriber on the consumers' port", _mute_consumer)
    yield Attack("hub's time", "answers and requests to the clock", _clock, ("probes_refused",))


def _steal_crops(attacker: Attacker) -> None:
    pull = attacker.connect(zmq.PULL, attacker.hub.work_out)
    until = time.monotonic() + FLOOD_S
    attacker.sent += 1
    while (left_s := until - time.monotonic()) > 0:
        if pull.poll(round(left_s * 1000)):
            pull.recv_multipart()
            attacker.stolen += 1


def _push_crops(attacker: Attacker) -> None:
    push = attacker.connect(zmq.PUSH, attacker.hub.work_in, IMMEDIATE=1)
    header = attacker.header(Faces, seq=attacker.newest.seq + 1)
    parts = [_topic(Faces, header).encode(), msgpack.packb(header), *Faces.example_parts]
    for _ in range(TIMES // 2):
        try:
            push.send_multipart(parts)
            attacker.sent += 1
        except zmq.Again:
            attacker.closed += 1


def _mute_consumer(attacker: Attacker) -> None:
    for _ in range(3):
        try:
            mute = attacker.raw(attacker.hub.port + 2, "SUB", 4096)
        except OSError:
            attacker.closed += 1
            continue
        attacker.sent += 1
        mute.send(b"\x01")


def _clock(attacker: Attacker) -> None:
    dealer = attacker.connect(zmq.DEALER, attacker.hub.clock)
    until = time.monotonic() + FLOOD_S
    while time.monotonic() < until:
        with contextlib.suppress(zmq.Again):
            dealer.send(struct.pack("<q", attacker.sent), zmq.DONTWAIT)
            dealer.send(struct.pack("<qqq", 1, 2**62, 2**62), zmq.DONTWAIT)
            attacker.sent += 2
        if dealer.poll(0):
            dealer.recv_multipart()


def floods() -> Iterator[Attack]:
    """Send too much of what is allowed."""
    yield Attack("messages", "markers as fast as possible", _flood_markers, ("refused_rate",))
    yield Attack(
        "services", f"health of {MADE_UP} invented services", _flood_services, ("refused_health",)
    )
    yield Attack(
        "subjects", "samples of a new invented person in each message", _flood_subjects,
        ("refused_names",),
    )  # fmt: skip
    yield Attack("subscriptions", f"{MADE_UP} invented topics", _flood_subscriptions, ("refused",))
    for offset, name in ((0, "ingress"), (1, "outlet"), (6, "clock")):
        yield Attack(
            f"connections to the {name}", f"{CONNECTIONS} connections that send nothing",
            partial(_hold, offset=offset), ("connections_refused",),
        )  # fmt: skip
    yield Attack(
        "connections to the metrics", f"{CONNECTIONS} requests that never end",
        lambda a: a.hold(a.hub.metrics_port, said=b"GET /metrics HTTP/1.1\r\nX: "),
        ("metrics_refused",),
    )  # fmt: skip


def _hold(attacker: Attacker, offset: int) -> None:
    attacker.hold(attacker.hub.port + offset)


def _flood_markers(attacker: Attacker) -> None:
    parts = [b"marker/flood", msgpack.packb(attacker.header(Marker, session="flood"))]
    attacker.flood(lambda _: parts)


def _flood_services(attacker: Attacker, *, is_pipeline: bool = False) -> None:
    counters = {f"c{number}": number for number in range(60)}
    fields = attacker.header(Health, counters=counters)

    def make(number: int) -> list[bytes]:
        name = f"flood/n{number % MADE_UP}"
        return [f"health/{name}".encode(), msgpack.packb(fields | {"service": name})]

    attacker.flood(make, is_pipeline=is_pipeline)


def _flood_subjects(attacker: Attacker) -> None:
    fields = attacker.header(Samples)
    publisher = attacker.publisher()
    for number in range(1000):
        header = msgpack.packb(fields | {"subject": f"n{number}"})
        publisher.send_multipart([f"bio/n{number}/rr_interval".encode(), header])
        attacker.sent += 1
        time.sleep(0.002)  # too slow to count as a flood of messages


def _flood_subscriptions(attacker: Attacker) -> None:
    greedy = attacker.connect(zmq.XSUB, attacker.hub.outlet)
    for number in range(MADE_UP):
        with contextlib.suppress(zmq.Again):
            greedy.send(b"\x01" + f"emotion/{number}".encode())
            attacker.sent += 1


def sizes() -> Iterator[Attack]:
    """Send messages that are too long or too deep, or claim to be."""
    for offset, name, kind in ((0, "ingress", "PUB"), (1, "outlet", "SUB"), (6, "clock", "DEALER")):
        yield Attack(
            f"400 MB to the {name}", "four messages of 400 MB",
            partial(_oversized, offset=offset, kind=kind),
        )  # fmt: skip
    yield Attack(
        "endless message", "parts of 100 kB, each announcing another one",
        _endless, ("connections_cut",),
    )  # fmt: skip
    yield Attack(
        "nested msgpack",
        "lists nested in lists, and a million of them",
        _nested,
        ("refused_invalid",),
    )
    yield Attack(
        "jumps", "markers two days ahead, and samples with numbers that jump", _impossible,
        ("refused_time", "refused_jump"),
    )  # fmt: skip
    yield Attack("JPEG bomb", "frames of 300 bytes that claim 4 gigapixels", _bomb, (
        "refused_frame",
    ))  # fmt: skip


def _oversized(attacker: Attacker, offset: int, kind: str) -> None:
    piece = bytes(1 << 20)
    for _ in range(4):
        peer = attacker.raw(attacker.hub.port + offset, kind)
        attacker.sent += 1
        try:
            peer.socket.sendall(head(HUGE))
            for _ in range(HUGE // len(piece)):
                peer.socket.sendall(piece)
        except OSError:
            attacker.closed += 1


def _endless(attacker: Attacker) -> None:
    part = bytes(100_000)
    for _ in range(4):
        peer = attacker.raw(attacker.hub.port, "PUB")
        attacker.sent += 1
        try:
            peer.send(b"marker/s1", more=True)
            for _ in range(5000):
                peer.send(part, more=True)
        except OSError:
            attacker.closed += 1


def _nested(attacker: Attacker) -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    publisher = attacker.publisher()
    headers = [
        msgpack.packb(attacker.header(Marker, extra={"deep": deep})),
        b"\x81\xa5extra" + b"\x91" * 60_000 + b"\x01",
        b"\xdc\xff\xff" + b"\x90" * 0xFFFF,
        b"\xdf\xff\xff\xff\xff",
    ]
    for _ in range(TIMES):
        for header in headers:
            publisher.send_multipart([b"marker/s1", header])
            attacker.sent += 1
        time.sleep(0.01)


def _impossible(attacker: Attacker) -> None:
    publisher = attacker.publisher()
    in_two_days = time.time_ns() + 2 * 86_400 * 10**9
    marker, samples = attacker.header(Marker, at=in_two_days), attacker.header(Samples)
    for number in range(TIMES):
        publisher.send_multipart([b"marker/s1", msgpack.packb(marker)])
        jumped = samples | {"subject": "jump", "seq": number * 10**9}
        publisher.send_multipart([b"bio/jump/rr_interval", msgpack.packb(jumped)])
        attacker.sent += 2
        time.sleep(0.01)


def _bomb(attacker: Attacker) -> None:
    picture = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    at = picture.index(b"\xff\xc0")
    bomb = picture[: at + 5] + struct.pack(">HH", 65500, 65500) + picture[at + 9 :]
    header = attacker.header(Frame, seq=attacker.newest.seq + 1, width=65500, height=65500)
    publisher = attacker.publisher()
    for _ in range(TIMES):
        parts = [_topic(Frame, header).encode(), msgpack.packb(header), bomb]
        publisher.send_multipart(parts)
        attacker.sent += 1


def mutes() -> Iterator[Attack]:
    """Subscribe, and never read."""
    yield Attack(
        "mute subscribers", f"{MUTE} subscribers to everything that never read", _mute,
        ("mute_peers_cut",),
    )  # fmt: skip


def _mute(attacker: Attacker) -> None:
    peers = []
    for _ in range(MUTE):
        peers.append(attacker.raw(attacker.hub.port + 1, "SUB", 4096))
        peers[-1].send(b"\x01")
        attacker.sent += 1
    time.sleep(PATIENCE_S + 2)  # checking whether a peer is cut off would read
    attacker.closed = sum(peer.is_cut_off(0.5) for peer in peers)


def slows() -> Iterator[Attack]:
    """Subscribe, and read a little now and then, so as not to count as mute."""
    yield Attack(
        "slow subscribers", f"{SLOW} subscribers to everything that read 1 kB a second",
        _read_slowly, ("slow_subscribers",),
    )  # fmt: skip
    yield Attack(
        "slow consumer",
        "a consumer of the hub's user that the settings do not name and that reads one message a "
        "second",
        _hold_up, ("slow_peers_cut",),
    )  # fmt: skip


def _read_slowly(attacker: Attacker) -> None:
    path = reach(attacker.hub).outlet.address.removeprefix("ipc://")
    places: list[int | str] = [attacker.hub.port + 1, path]
    peers = [attacker.raw(places[number % 2], "SUB", 4096) for number in range(SLOW)]
    for peer in peers:
        peer.send(b"\x01")
        attacker.sent += 1
    for _ in range(round(PATIENCE_S) + 3):
        time.sleep(1)
        for peer in peers:
            peer.socket.recv(1000)


def _hold_up(attacker: Attacker) -> None:
    path = reach(attacker.hub).bus.address.removeprefix("ipc://")
    slow = attacker.raw(path, "SUB")
    slow.send(b"\x01")
    attacker.sent += 1
    for _ in range(round(2 * PATIENCE_S)):
        time.sleep(1)
        if not slow.socket.recv(10_000):
            attacker.closed += 1
            return


def misfits() -> Iterator[Attack]:
    """Do what a faulty process of the pipeline itself might do."""
    yield Attack(
        "huge epoch", "`Emotion` with an epoch two days ahead",
        partial(_misfit, epoch=(time.time_ns() + 2 * 86_400 * 10**9) // 10**6),
        ("sink: invalid_time",),
    )  # fmt: skip
    yield Attack(
        "jump", "`Emotion` with a sequence number far ahead",
        partial(_misfit, seq=2**47, faces=[]), ("sink: invalid_jump",),
    )  # fmt: skip
    yield Attack(
        "services", f"health of {MADE_UP} invented services with 60 counters each",
        partial(_flood_services, is_pipeline=True), ("services_refused",),
    )  # fmt: skip
    yield Attack(
        "streams", "`StreamStart` of 2000 invented streams", _misfit_streams,
        ("sink: invalid_names",),
    )  # fmt: skip
    for kind, summary, make in (
        (StreamStart, "another start of the film's stream", lambda _: {}),
        (Frame, "the stream's next frame", lambda a: {"seq": a.newest.seq + 1}),
        (StreamEnd, "the stream's end", lambda a: {"last_seq": a.newest.seq}),
    ):
        yield Attack(
            kind.__name__, summary, partial(_misfit_forgery, kind, make),
            ("refused_owner",),
        )  # fmt: skip
    yield Attack(
        "mute consumer", "a consumer that the settings do not name and that never reads",
        _misfit_consumer, ("mute_peers_cut",),
    )  # fmt: skip


def _misfit_forgery(
    kind: type[Message], make: Callable[[Attacker], dict[str, Any]], attacker: Attacker
) -> None:
    attacker.forge(kind, is_pipeline=True, **make(attacker))


def _misfit_consumer(attacker: Attacker) -> None:
    path = reach(attacker.hub).bus.address.removeprefix("ipc://")
    with RawPeer(path, "SUB", 4096) as mute:
        mute.send(b"\x01")
        attacker.sent += 1
        time.sleep(PATIENCE_S + 3)  # its queue fills up, and everything waits for it
        attacker.closed += mute.is_cut_off(0.5)


def _misfit(attacker: Attacker, **fields: Any) -> None:
    header = attacker.header(Emotion, **fields)
    publisher = attacker.part()
    for _ in range(TIMES):
        publisher.send_multipart([_topic(Emotion, header).encode(), msgpack.packb(header)])
        attacker.sent += 1


def _misfit_streams(attacker: Attacker) -> None:
    fields = attacker.header(StreamStart)
    publisher = attacker.part()
    for number in range(2000):
        header = msgpack.packb(fields | {"stream": f"n{number}"})
        publisher.send_multipart([f"stream/n{number}".encode(), header])
        attacker.sent += 1


GROUPS: Final[dict[str, tuple[Attack, ...]]] = {
    "forgeries": tuple(forgeries()),
    "thefts": tuple(thefts()),
    "floods": tuple(floods()),
    "sizes": tuple(sizes()),
    "mute peers": tuple(mutes()),
    "slow peers": tuple(slows()),
    "parts gone wrong": tuple(misfits()),
}
