"""What a peer without a key says of itself in its handshake: nothing that the hub believes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import zmq

from affectline.common.clock import now_ns
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.wire import codec
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Packet
from affectline.services.hub.peer_properties import (
    address_of,
    connection_name_of,
    connection_of,
    user_of,
)
from tests.attacks.raw_peer import RawPeer
from tests.integration.test_network_access import Own, counters, hub, own

__all__ = ["hub", "own"]  # fixtures

SUBJECTS = 16
PEERS = 8
GARBAGE = b"\xff\xfe"


@pytest.fixture
def received() -> Iterator[Callable[..., zmq.Frame]]:
    """Returns what a hub's socket without keys receives from a peer that claims something."""
    with ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        socket = stack.enter_context(context.socket(zmq.PULL))
        port = socket.bind_to_random_port("tcp://127.0.0.1")

        def receive(**claims: bytes) -> zmq.Frame:
            names = {name.replace("_", "-"): value for name, value in claims.items()}
            peer = stack.enter_context(RawPeer(port, "PUSH", claims=names))
            peer.send(b"x")
            assert socket.poll(5000)
            return socket.recv(copy=False)

        yield receive


@pytest.mark.parametrize("value", [b"part", GARBAGE])
def test_nobody_vouches_for_what_a_peer_without_a_key_claims(
    received: Callable[..., zmq.Frame], value: bytes
) -> None:
    frame = received(User_Id=value, Connection=value)
    assert user_of(frame, has_keys=False) == ""
    assert connection_name_of(frame, has_keys=False) == ""
    number = connection_of(frame)
    assert number is not None
    assert number > 0
    assert address_of(frame) == "127.0.0.1"


def test_a_property_that_is_no_text_counts_as_none(received: Callable[..., zmq.Frame]) -> None:
    frame = received(User_Id=GARBAGE, Connection=GARBAGE)
    assert user_of(frame, has_keys=True) == ""
    assert connection_name_of(frame, has_keys=True) == ""


@pytest.mark.parametrize(
    ("offset", "kind", "said"),
    [(0, "PUB", b"frame/x"), (1, "SUB", b"\x01health/"), (6, "DEALER", b"12345678")],
)
def test_a_hub_outlives_a_claim_that_is_no_text(
    hub: HubSettings, own: Own, offset: int, kind: str, said: bytes
) -> None:
    ear = own(hub, "health/hub")
    claims = {"User-Id": GARBAGE, "Connection": GARBAGE}
    with RawPeer(hub.port + offset, kind, claims=claims) as peer:
        peer.send(said)
        before = counters(ear, "in", 0)
        assert before, "the hub has ended"
        assert counters(ear, "in", 0), "the hub has ended"
        assert not peer.is_cut_off(0.1)


def test_claimed_names_do_not_add_to_what_peers_without_a_key_may_send(
    hub: HubSettings, own: Own
) -> None:
    """Each name had an allowance of its own, and filled the tables of every consumer."""
    ear, health = own(hub, "bio/", "health/"), own(hub, "health/hub")
    assert ear.wait(timeout_s=20), "it hears nothing"
    with ExitStack() as stack:
        for number in range(PEERS):
            claims = {"User-Id": b"u%d" % number}
            peer = stack.enter_context(RawPeer(hub.port, "PUB", claims=claims))
            for subject in range(SUBJECTS):
                parts = samples(f"s{number}-{subject}")
                peer.send(parts[0], more=True)
                peer.send(parts[1])
        told = counters(health, "refused_names", PEERS * SUBJECTS - 32)
    heard = {m.subject for m in received_by(ear) if isinstance(m, Samples)}
    assert told["refused_names"] == PEERS * SUBJECTS - 32
    assert len(heard) == 32, "as many subjects as peers without a key may name together"


def samples(subject: str) -> list[bytes]:
    fields: dict[str, Any] = {"subject": subject, "at": now_ns(), "values": (60.0,), "seq": 0}
    message = Samples.example().model_copy(update=fields | {"rate": 1.0, "offsets": ()})
    return [bytes(part) for part in codec.encode(Packet(message))]


def received_by(ear: OutletSubscriber) -> list[Message]:
    """What has come by the time that nothing more comes."""
    found: list[Message] = []
    while ear.wait(timeout_s=0.5):
        found += [packet.message for packet in ear.receive()]
    return found
