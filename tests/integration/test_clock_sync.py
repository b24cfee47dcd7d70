"""Clocks that are wrong, on this host and on another one."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import zmq

from affectline.common.clock import SKEW_VARIABLE
from affectline.common.runtime.clock_sync import ClockSync, answer_probes
from affectline.common.runtime.sockets import bind, new_socket
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.biometrics import Samples
from tests.pipelines import AFFECTLINE, free_port, listening, process

SECOND = 1_000_000_000
HOSTS = ("affectline-a", "affectline-b")
HUB = "10.213.77.1"


@contextmanager
def asking(hub: HubSettings, **clock: Callable[[], int]) -> Iterator[ClockSync]:
    """A process' idea of the hub's time."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    clock_sync = ClockSync(context, hub, **clock)
    yield clock_sync
    context.destroy(linger=0)


@contextmanager
def answering(hub: HubSettings) -> Iterator[None]:
    """A hub's clock, in a thread."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = new_socket(context, zmq.ROUTER)
    bind(socket, hub.clock)

    def answer() -> None:
        try:
            while True:
                socket.poll()
                answer_probes(socket)
        except zmq.ContextTerminated:
            socket.close(linger=0)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        context.term()
        thread.join()


@pytest.fixture
def hub() -> HubSettings:
    # Every address of this machine, which does not look like this machine
    return HubSettings(host="0.0.0.0", port=free_port())


@pytest.mark.parametrize("wrong_s", [-3600, 5])
def test_a_wrong_clock_is_put_right(hub: HubSettings, wrong_s: int) -> None:
    def wrong() -> int:
        return time.time_ns() + wrong_s * SECOND

    with answering(hub), asking(hub, now=wrong) as clock_sync:
        clock_sync.synchronize(30)
        before, there, after = time.time_ns(), clock_sync.now(), time.time_ns()
        told = clock_sync.offset
    assert told
    assert told.offset_ms == pytest.approx(-1000 * wrong_s, abs=told.uncertainty_ms + 1e-3)
    slack = told.uncertainty_ms * 1e6 + 1000
    assert before - slack <= there <= after + slack


@pytest.mark.parametrize("jump_s", [-3600, -2, 2])
def test_a_clock_that_is_set_is_right_again_with_the_next_probe(
    hub: HubSettings, jump_s: int
) -> None:
    wrong_ns = 0

    def clock() -> int:
        return time.time_ns() + wrong_ns

    with answering(hub), asking(hub, now=clock) as clock_sync:
        clock_sync.synchronize(30)
        wrong_ns = jump_s * SECOND
        deadline = time.monotonic() + 30
        while abs(clock_sync.now() - time.time_ns()) > SECOND and time.monotonic() < deadline:
            assert clock_sync.socket
            clock_sync.socket.poll(100)
            clock_sync.probe()
        told = clock_sync.offset
        assert abs(clock_sync.now() - time.time_ns()) < SECOND / 10
    assert told
    assert told.offset_ms == pytest.approx(-1000 * jump_s, abs=told.uncertainty_ms + 1e-3)


def test_a_clock_set_while_a_probe_is_under_way_spoils_nothing(hub: HubSettings) -> None:
    looks = iter(range(1000))

    def restless() -> int:
        return time.time_ns() - next(looks) * 7 * SECOND  # set back at every look

    with answering(hub), asking(hub, now=restless) as clock_sync:
        clock_sync.synchronize(3)  # it never is
        told, there = clock_sync.offset, clock_sync.now()
    assert told
    assert told.uncertainty_ms >= 0
    assert abs(there - time.time_ns() + 7 * SECOND) < 2 * SECOND


def test_clocks_in_step_are_left_alone(hub: HubSettings) -> None:
    with answering(hub), asking(hub) as clock_sync:
        clock_sync.synchronize(30)
        told = clock_sync.offset
    assert told
    assert told.corrected_ms == 0.0


def test_without_a_hub_it_goes_on_by_its_own_clock(hub: HubSettings) -> None:
    with asking(hub, now=lambda: 42) as clock_sync:
        clock_sync.synchronize(0.2)
        assert clock_sync.offset is None
        assert clock_sync.now() == 42


def test_rubbish_on_the_clock_s_port_is_not_answered(hub: HubSettings) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with answering(hub), asking(hub) as clock_sync:
        tool = new_socket(context, zmq.DEALER)
        tool.connect(hub.clock)
        for parts in ([b""], [b"1234567"], [b"12345678", b"more"], [b"x" * 100_000]):
            tool.send_multipart(parts)
        clock_sync.synchronize(30)
        assert clock_sync.offset
        assert not tool.poll(0)
        context.destroy(linger=0)


@pytest.mark.parametrize("driver", ["synthetic", "brainflow"])
def test_a_sensor_on_a_host_with_a_wrong_clock_stamps_in_hub_time(
    hub: HubSettings, driver: str
) -> None:
    # Every address of this machine, which does not look like this machine
    address = f"0.0.0.0:{hub.port}"
    wrong = os.environ | {SKEW_VARIABLE: "3600000"}
    heard: list[Samples] = []
    with (
        listening(HubSettings(port=hub.port)) as listener,
        process("hub", "--hub", address),
        process("biometrics", "--driver", driver, "--hub", address, env=wrong),
    ):
        deadline = time.monotonic() + 90
        while not heard and time.monotonic() < deadline:
            listener.wait(timeout_s=0.1)
            found = [packet.message for packet in listener.receive()]
            heard += [message for message in found if isinstance(message, Samples)]
    assert abs(heard[0].at - time.time_ns()) < 60 * SECOND


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def two_hosts(as_root: None) -> Iterator[None]:
    """Two network namespaces with a cable between them."""
    if not shutil.which("ip"):
        pytest.skip("two hosts: there is no ip command (iproute2)")
    first, second = HOSTS
    with ExitStack() as stack:
        for host in HOSTS:
            try:
                ip("netns", "add", host)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"two hosts: {error.stderr.decode().strip()}")
            stack.callback(ip, "netns", "delete", host)
        ip("link", "add", "affect-a", "netns", first, "type", "veth",
           "peer", "affect-b", "netns", second)  # fmt: skip
        for host, end, address in ((first, "affect-a", HUB), (second, "affect-b", "10.213.77.2")):
            ip("-n", host, "address", "add", f"{address}/24", "dev", end)
            ip("-n", host, "link", "set", end, "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield


@contextmanager
def on(host: str, *command: str, skew_ms: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A command of ours on one of the hosts."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", host, *AFFECTLINE, *command],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {SKEW_VARIABLE: str(skew_ms)},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_camera_on_a_host_with_a_wrong_clock_stamps_in_hub_time(two_hosts: None) -> None:
    here, there = HOSTS
    late_by: Counter[str] = Counter()
    healths: list[dict[str, Any]] = []
    with (
        on(here, "hub", "--hub", f"{HUB}:5555", "--delivery", "live"),
        on(here, "subscribe", "--address", f"tcp://{HUB}:5556", "--format", "json") as listening,
        on(there, "capture", "sample", "--loop", "--hub", f"{HUB}:5555", "--delivery", "live",
           skew_ms=37_000),
    ):  # fmt: skip
        assert listening.stdout
        for line in listening.stdout:
            told = json.loads(line)
            if told["message"] == "Frame":
                late_by["frames"] += 1
                late_by["ns"] = max(late_by["ns"], abs(time.time_ns() - told["captured_at"]))
            elif told.get("service", "").startswith("capture"):
                healths.append(told)
            if len(healths) >= 3 and late_by["frames"] >= 20:
                break
    # A slow machine hears frames late, but not by the 37 s that the clock is wrong.
    assert late_by["ns"] < 10 * SECOND
    clock = healths[-1]["clock"]
    assert clock["offset_ms"] == pytest.approx(-37_000, abs=clock["uncertainty_ms"] + 1)
    assert clock["uncertainty_ms"] < 1000
    assert clock["corrected_ms"] == clock["offset_ms"]
