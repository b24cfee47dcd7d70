"""What keys cost: the same frames through Unix sockets, TCP, and TCP with keys, in one run.

``python -m tests.benchmarks.key_cost`` measures, and writes it to ``docs/reliability.md``.
"""

import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psutil
import zmq
from pydantic import BaseModel

from affectline.common.runtime.endpoints import HubEndpoints, reach
from affectline.common.runtime.keys import VARIABLE, KeyHolder, KeyStore
from affectline.common.runtime.sockets import Publisher, Receiver
from affectline.common.settings.hub import HubSettings, Security
from affectline.common.wire.messages import Frame, Packet
from tests.benchmarks.environment import describe_machine
from tests.markdown import format_table
from tests.pipelines import AFFECTLINE, free_port

RESULTS: Final = Path(__file__).parents[2] / "docs" / "key-cost.json"
PICTURE_BYTES: Final = 40_000
"""A frame of 640x360."""
PERIOD_S: Final = 0.01
ROUND: Final = 150
"""Frames of a round; the ways take turns."""
ROUNDS: Final = 6
PATIENCE_S: Final = 30.0
WAYS: Final[tuple[tuple[str, Security, str], ...]] = (
    ("Unix sockets", "auto", "127.0.0.1"), ("TCP", "off", "0.0.0.0"),
    ("TCP with keys", "required", "127.0.0.1"),
)  # fmt: skip


class WayCost(BaseModel):
    """What one way to the hub costs."""

    name: str
    p50_us: float
    """From sending to having decoded it, through the hub, in µs."""
    p95_us: float
    hub_us: float
    """CPU time of the hub for a frame, in µs."""
    peers_us: float
    """The same of publisher and subscriber together."""


class KeyCost(BaseModel):
    """What all of them cost."""

    date: str
    machine: str
    frames: int
    ways: list[WayCost]


class Way:
    """A hub that is reached in one way, a publisher, and a subscriber of the outlet.

    Args:
        name: Which way.
        process: The hub's.
        endpoints: How it is reached.
        context: For the sockets.
    """

    def __init__(
        self,
        name: str,
        process: int,
        endpoints: HubEndpoints,
        context: "zmq.Context[zmq.Socket[bytes]]",
    ) -> None:
        self.name = name
        self._hub, self._own = psutil.Process(process), psutil.Process()
        self._publisher = Publisher(context, endpoints.ingress)
        self._receiver = Receiver(context, endpoints.outlet, Counter(), prefixes=("frame/",))
        self.durations_us: list[float] = []
        self.hub_s = self.peers_s = 0.0
        self._picture = os.urandom(PICTURE_BYTES)
        self._seq = 0

    def connect(self) -> None:
        """Wait until a frame goes all the way."""
        deadline = time.monotonic() + PATIENCE_S
        while self._pass(0.2) is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: nothing comes through")

    def measure(self) -> None:
        """Pass a round of frames through the hub."""
        before = sum(self._hub.cpu_times()[:2]), sum(self._own.cpu_times()[:2])
        for _ in range(ROUND):
            began = time.monotonic()
            passed_s = self._pass(5.0)
            if passed_s is None:
                raise RuntimeError(f"{self.name}: a frame was lost")
            self.durations_us.append(passed_s * 1e6)
            time.sleep(max(0.0, PERIOD_S - (time.monotonic() - began)))  # as a camera does
        self.hub_s += sum(self._hub.cpu_times()[:2]) - before[0]
        self.peers_s += sum(self._own.cpu_times()[:2]) - before[1]

    def _pass(self, patience_s: float) -> float | None:
        """Send a frame and receive it; seconds that this took."""
        self._publisher.update_consumers()
        now = time.time_ns()
        frame = Frame(
            stream="s", epoch=1, seq=self._seq, captured_at=now, received_at=now, width=640,
            height=360,
        )  # fmt: skip
        began = time.perf_counter()
        if not self._publisher.send(Packet(frame, (self._picture,)), wait=True):
            return None
        self._seq += 1
        deadline = time.monotonic() + patience_s
        while (left_s := deadline - time.monotonic()) > 0:
            self._receiver.socket.poll(int(left_s * 1000) + 1)
            for packet in self._receiver.receive():
                if isinstance(packet.message, Frame) and packet.message.seq == frame.seq:
                    return time.perf_counter() - began
        return None

    def cost(self) -> WayCost:
        """What it has cost so far."""
        ordered = sorted(self.durations_us)
        count = len(ordered)
        return WayCost(
            name=self.name,
            p50_us=round(statistics.median(ordered), 1),
            p95_us=round(ordered[int(count * 0.95)], 1),
            hub_us=round(self.hub_s / count * 1e6, 1),
            peers_us=round(self.peers_s / count * 1e6, 1),
        )


@contextmanager
def _hub(
    folder: Path, name: str, security: Security, host: str, keys: Path
) -> Iterator["BenchedHub"]:
    """A hub of which clients find the Unix sockets only where they look in its folder."""
    runtime = folder / name
    runtime.mkdir(mode=0o700)
    port = free_port()
    environment = os.environ | {
        "XDG_RUNTIME_DIR": str(runtime), "AFFECTLINE_SECURITY": security, VARIABLE: str(keys),
    }  # fmt: skip
    command = [*AFFECTLINE, "hub", "--bind", f"{host}:{port}"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield BenchedHub(process.pid, port, runtime)
    finally:
        process.terminate()
        process.wait(timeout=20)


class BenchedHub:
    """A hub that runs."""

    def __init__(self, pid: int, port: int, runtime: Path) -> None:
        self.pid, self.port, self.runtime = pid, port, runtime

    def wait(self) -> None:
        """Wait until it listens."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port + 5)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("no hub")


def measure() -> KeyCost:
    """Measure all ways, in turns."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kc-")))
        keys = KeyStore(folder / "keys")
        pair, client = keys.make_client("bench", "pipeline")
        keys.allow(KeyHolder(name="bench", public_key=pair.public_key, role="pipeline"))
        hubs = {}
        for name, mode, host in WAYS:
            hubs[name] = stack.enter_context(
                _hub(folder, name.replace(" ", "-"), mode, host, keys.folder)
            )
            hubs[name].wait()
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.destroy, linger=0)
        ways = []
        for name, hub in hubs.items():
            is_local = name == "Unix sockets"
            with _variables(
                {"XDG_RUNTIME_DIR": str(hub.runtime if is_local else folder), VARIABLE: str(client)}
            ):
                security: Security = "required" if name == "TCP with keys" else "auto"
                endpoints = reach(HubSettings(port=hub.port, security=security))
            if endpoints.is_local is not is_local:
                raise RuntimeError(f"{name}: reached by another way")
            ways.append(Way(name, hub.pid, endpoints, context))
        with _variables({VARIABLE: str(client)}):
            for way in ways:
                way.connect()
            for _ in range(ROUNDS):
                for way in ways:
                    way.measure()
        machine = describe_machine()
        return KeyCost(
            date=machine.date,
            machine=f"{machine.cores} cores ({machine.cpu or platform.machine()})",
            frames=ROUND * ROUNDS,
            ways=[way.cost() for way in ways],
        )


@contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def format_section(found: KeyCost) -> str:
    """The part of the page on reliability that is about keys."""
    rows = [
        (way.name, f"{way.p50_us:.0f}", f"{way.p95_us:.0f}", f"{way.hub_us:.0f}",
         f"{way.peers_us:.0f}")
        for way in found.ways
    ]  # fmt: skip
    head = (
        "way | latency p50, µs: | p95, µs: | CPU of the hub, µs a frame: | "
        "of publisher and subscriber, µs a frame:"
    )
    return (
        "## What keys cost\n\n"
        f"{found.frames} frames of {PICTURE_BYTES // 1000} kB each way, a hundred a second, the "
        "ways in turns in one run: from sending to having decoded it, through the hub's outlet. "
        "Keys encrypt every message twice and decrypt it twice. Written by "
        f"`python -m tests.benchmarks.key_cost`, {found.date}, on {found.machine}, which other "
        "programs used as well.\n\n" + format_table(head, rows)
    )


def read_section() -> str:
    """The section as it was last measured; empty where it never was."""
    if not RESULTS.exists():
        return ""
    return format_section(KeyCost.model_validate_json(RESULTS.read_text(encoding="utf-8")))


def write(found: KeyCost) -> None:
    """Keep what was found, and write the page."""
    from tests.chaos import page
    from tests.chaos.__main__ import PAGE
    from tests.chaos.__main__ import RESULTS as CHAOS
    from tests.chaos.results import Matrix

    RESULTS.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    matrix = Matrix.model_validate_json(CHAOS.read_text(encoding="utf-8"))
    PAGE.write_text(page.format_page(matrix), encoding="utf-8")


def main() -> None:
    """Measure, print what was found, and write it."""
    found = measure()
    sys.stdout.write(format_section(found) + "\n")
    write(found)


if __name__ == "__main__":
    main()
