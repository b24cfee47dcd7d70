"""Clocks that are wrong, on this host and on another one."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zmq

from affectline.common.clock import SKEW_VARIABLE
from affectline.common.runtime.clock_sync import ANSWER, PROBE, ClockServer, ClockSync
from affectline.common.runtime.endpoints import Endpoint
from affectline.common.runtime.keys import Credentials, CurvePair
from affectline.common.runtime.sockets import bind, connect, new_socket
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.biometrics import Samples
from tests.hosts import HOSTS, HUB, on
from tests.pipelines import free_port, listening, process

SECOND = 1_000_000_000


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
                ClockServer(socket).answer(Counter())
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
    return HubSettings(host="0.0.0.0", port=free_port(), security="off")


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
        return time.time_ns() - next(looks) // 5 * 7 * SECOND  # set back at every fifth look

    with answering(hub), asking(hub, now=restless) as clock_sync:
        clock_sync.synchronize(3)
        told, there = clock_sync.offset, clock_sync.now()
    assert told
    assert told.uncertainty_ms >= 0
    assert abs(there - time.time_ns()) < 16 * SECOND, "two settings behind at most"


def lies(asked: int, number: int) -> list[list[bytes]]:
    """What is no answer of a hub: years away, back in time, jumping, to no question, twice."""
    now = time.time_ns()
    years = number % 3 * 365 * 86_400 * SECOND
    return [
        [ANSWER.pack(asked - 12_345, now + years, now + years)],
        [ANSWER.pack(asked + 10 * SECOND, 2**62, 2**62)],
        [ANSWER.pack(asked, now + 10, now)],
        [ANSWER.pack(asked, now - years, now - years)],
        [ANSWER.pack(0, 0, 2**62)],
        [ANSWER.pack(asked, now, now), b"more"],
        [b"", ANSWER.pack(asked, now, now)],
        [b"12345678"],
    ]


@pytest.mark.parametrize("begins_with_a_lie", [False, True])
def test_nonsense_does_not_bend_the_hub_s_time(hub: HubSettings, begins_with_a_lie: bool) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = new_socket(context, zmq.ROUTER)
    bind(router, hub.clock)
    with asking(hub) as clock_sync:
        for number in range(40):
            clock_sync._next_probe = 0.0
            clock_sync.probe()
            while not router.poll(10):
                clock_sync._next_probe = 0.0  # it is not connected yet
                clock_sync.probe()
            peer, asked = router.recv_multipart()
            now = time.time_ns()
            is_lie = number == 0 if begins_with_a_lie else number % 5 == 4
            told = now + 400 * 86_400 * SECOND * (number + 1) if is_lie else now
            router.send_multipart([peer, ANSWER.pack(PROBE.unpack(asked)[0], told, told)])
            for lie in lies(PROBE.unpack(asked)[0], number):
                router.send_multipart([peer, *lie])
            assert clock_sync.socket
            clock_sync.socket.poll(1000)
            clock_sync._next_probe = time.monotonic() + 60
            clock_sync.probe()
            if number >= 4:
                assert abs(clock_sync.now() - time.time_ns()) < SECOND
        assert clock_sync.nonsense > 100
    context.destroy(linger=0)


def test_nobody_else_answers_for_the_hub(hub: HubSettings) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    forged = ANSWER.pack(1, 2**62, 2**62)
    names = [b"", b"\x00\x00\x00\x00\x01", b"peer"]
    with answering(hub), asking(hub) as clock_sync:
        liars = [new_socket(context, zmq.DEALER) for _ in range(3)]
        for liar, name in zip(liars, (b"hub", b"clock", b"peer"), strict=True):
            liar.setsockopt(zmq.ROUTING_ID, name)
            liar.connect(hub.clock)
        for _ in range(20):
            for liar in liars:
                for parts in ([forged], *([name, forged] for name in names)):
                    liar.send_multipart(parts)
            clock_sync.synchronize(0.1)
        clock_sync.synchronize(30)
        assert abs(clock_sync.now() - time.time_ns()) < SECOND
        assert clock_sync.nonsense == 0, "nothing of it arrives"
        assert not any(liar.poll(0) for liar in liars)
        context.destroy(linger=0)


def test_a_hub_with_another_key_tells_no_time(hub: HubSettings) -> None:
    right, wrong, ours = CurvePair.new(), CurvePair.new(), CurvePair.new()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    heard, routers, dealers = [], [], []
    for pair, patience_ms in ((right, 20_000), (wrong, 1000)):
        router = new_socket(context, zmq.ROUTER)
        routers.append(router)
        router.curve_server = True
        router.curve_secretkey = pair.secret_key.encode()
        port = router.bind_to_random_port("tcp://127.0.0.1")
        dealer = new_socket(context, zmq.DEALER)
        dealers.append(dealer)
        credentials = Credentials(hub_key=right.public_key, pair=ours, address="hub:5555")
        connect(dealer, Endpoint(f"tcp://127.0.0.1:{port}", credentials))
        dealer.send(PROBE.pack(1))
        heard.append(bool(router.poll(patience_ms)))
    context.destroy(linger=0)
    assert heard == [True, False]


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
        process("hub", "--bind", address, "--insecure"),
        process("biometrics", "--driver", driver, "--hub", address, "--insecure", env=wrong),
    ):
        deadline = time.monotonic() + 90
        while not heard and time.monotonic() < deadline:
            listener.wait(timeout_s=0.1)
            found = [packet.message for packet in listener.receive()]
            heard += [message for message in found if isinstance(message, Samples)]
    assert abs(heard[0].at - time.time_ns()) < 60 * SECOND


def test_a_camera_on_a_host_with_a_wrong_clock_stamps_in_hub_time(two_hosts: None) -> None:
    here, there = HOSTS
    late_by: Counter[str] = Counter()
    healths: list[dict[str, Any]] = []
    with (
        on(here, "hub", "--bind", f"{HUB}:5555", "--delivery", "live", "--insecure"),
        on(here, "subscribe", "--address", f"tcp://{HUB}:5556", "--format", "json",
           "--insecure") as listening,
        on(there, "capture", "sample", "--loop", "--hub", f"{HUB}:5555", "--delivery", "live",
           "--insecure", skew_ms=37_000),
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
