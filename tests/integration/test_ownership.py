"""A stream is that of the process which began it, among processes of one user as well."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psutil
import pytest

from affectline.common.runtime.endpoints import reach
from affectline.common.wire import codec
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import Packet
from tests.integration.buses import Bus

SPEAKER = """
import sys, zmq
socket = zmq.Context().socket(zmq.XPUB)
socket.connect(sys.argv[1])
socket.recv()
print("connected", flush=True)
for line in sys.stdin:
    socket.send_multipart([bytes.fromhex(part) for part in line.split(",")])
"""


class Speaker:
    """A process that publishes what it is told to."""

    def __init__(self, address: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SPEAKER, address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "connected\n"

    def say(self, kind: str, to: str = "", **fields: object) -> None:
        model = message_kinds()[kind]
        message = model.example().model_copy(update=fields)
        parts = [bytes(part) for part in codec.encode(Packet(message, model.example_parts))]
        if to:
            parts.insert(0, f"~to/{to}:".encode())
        assert self.process.stdin is not None
        self.process.stdin.write(",".join(part.hex() for part in parts) + "\n")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    made = Bus(tmp_path, "live", ("",))
    made.wait_for(lambda heard: bool(made.health("hub")))
    yield made
    made.close()


def are_heard(bus: Bus, expected: list[str], _: object) -> bool:
    return heard(bus) == expected


def heard(bus: Bus) -> list[str]:
    return [one.__class__.__name__ for one in bus.heard if one.topic.endswith("/drive")]


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells which process it is")
def test_nobody_else_goes_on_with_a_stream_or_ends_it(bus: Bus) -> None:
    with ExitStack() as stack:
        owner, other = (Speaker(reach(bus.hub).ingress.address) for _ in range(2))
        for one in (owner, other):
            stack.callback(one.kill)
        owner.say("StreamStart")
        bus.wait_for(lambda _: heard(bus) == ["StreamStart"])
        for kind in ("StreamStart", "Frame", "StreamEnd"):
            other.say(kind)
            other.say(kind, to="sink")
        other.say("StreamDone")  # consumers say that
        other.say("Frame", stream="other")
        other.say("Scores")
        bus.wait_for(lambda _: "Scores" in heard(bus))
        assert heard(bus) == ["StreamStart", "StreamDone", "Scores"]
        bus.wait_for(lambda _: bus.health("hub")[-1].counters.get("refused_owner") == 6)
        line = (
            f"stream drive of process {other.process.pid} (process {owner.process.pid} publishes "
            "it: stop one of them, or name them differently)"
        )
        assert bus.log().count(line) == 1, "it is said once"
        owner.say("Frame")
        bus.wait_for(lambda _: heard(bus)[-1] == "Frame")

        owner.kill()
        deadline = time.monotonic() + 20
        while "StreamEnd" not in heard(bus):  # at once, as soon as its end is known
            assert time.monotonic() < deadline
            other.say("StreamEnd")
            bus.listener.wait(timeout_s=0.1)
            bus.heard += [packet.message for packet in bus.listener.receive()]


@pytest.mark.skipif(not psutil.LINUX, reason="Linux alone tells which process it is")
def test_a_process_that_is_started_again_goes_on_with_its_stream(bus: Bus) -> None:
    for number in range(10):  # their connections have the same few numbers
        speaker = Speaker(reach(bus.hub).ingress.address)
        speaker.say("StreamStart", epoch=1000 + number)
        speaker.say("Frame", epoch=1000 + number)
        expected = ["StreamStart", "Frame"] * (number + 1)
        bus.wait_for(partial(are_heard, bus, expected))
        speaker.kill()
    assert "refused_owner" not in bus.health("hub")[-1].counters
