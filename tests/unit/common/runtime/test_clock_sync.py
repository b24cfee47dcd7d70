from collections import Counter

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.runtime.clock_sync import (
    ANSWERED_AT_ONCE,
    FIRST,
    MOST_PEERS,
    PROBE,
    PROBES_AT_ONCE,
    PROBES_PER_S,
    ClockProbe,
    ClockServer,
    contradicts,
    estimate_offset,
)
from affectline.common.settings.hub import HubSettings

LONG = st.integers(0, 10**9)


@given(st.integers(-(10**15), 10**15), LONG, LONG, LONG)
def test_the_offset_is_never_further_off_than_it_says(
    ahead: int, there: int, inside: int, back: int
) -> None:
    left = 10**18
    got = left + there + ahead
    answered = got + inside
    found = estimate_offset(left, got, answered, answered - ahead + back)
    assert abs(found.offset_ns - ahead) <= found.uncertainty_ns + 1
    assert found.uncertainty_ns == (there + back) // 2


@given(st.integers(-(10**15), 10**15), st.lists(st.tuples(LONG, LONG), min_size=2, max_size=2))
def test_probes_of_clocks_that_nobody_sets_never_contradict(
    ahead: int, ways: list[tuple[int, int]]
) -> None:
    one, other = (estimate_offset(0, out + ahead, out + ahead, out + back) for out, back in ways)
    assert not contradicts(one, other)


def test_a_clock_that_was_set_contradicts_what_was_known() -> None:
    before = ClockProbe(offset_ns=0, uncertainty_ns=1000)
    assert contradicts(before, ClockProbe(offset_ns=3000, uncertainty_ns=1000))
    assert not contradicts(before, ClockProbe(offset_ns=2000, uncertainty_ns=1000))


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.3.2.1", True), ("localhost", True),
        ("192.168.1.20", False), ("hub", False),
    ],
)  # fmt: skip
def test_only_another_machine_s_clock_is_asked(host: str, here: bool) -> None:
    assert HubSettings(host=host).is_loopback is here


class Router:
    """What the hub's socket is to the clock's server."""

    def __init__(self) -> None:
        self.waiting: list[list[bytes]] = []
        self.answers: list[list[bytes]] = []

    def recv_multipart(self, _flags: int, *, copy: bool) -> list[zmq.Frame]:
        assert not copy
        if not self.waiting:
            raise zmq.Again
        return [zmq.Frame(part) for part in self.waiting.pop(0)]

    def send_multipart(self, parts: list[bytes], _flags: int) -> None:
        self.answers.append(parts)


def test_the_hub_answers_each_peer_as_often_as_it_has_to_ask() -> None:
    router, counters, seconds = Router(), Counter[str](), 0.0
    server = ClockServer(router, lambda: seconds)  # type: ignore[arg-type]
    for _ in range(10_000):
        seconds += 1e-3
        router.waiting += [[b"flood", PROBE.pack(1)]]
        server.answer(counters)
    assert len(router.answers) == pytest.approx(PROBES_AT_ONCE + 10 * PROBES_PER_S, abs=2)
    assert counters["probes_refused"] == 10_000 - len(router.answers)
    router.answers.clear()
    router.waiting = [[b"process", PROBE.pack(1)]] * FIRST  # others are answered all the same
    server.answer(counters)
    assert len(router.answers) == FIRST


def test_what_waits_is_not_answered_all_at_once_nor_remembered_for_ever() -> None:
    router, counters = Router(), Counter[str]()
    server = ClockServer(router, lambda: 0.0)  # type: ignore[arg-type]
    router.waiting = [[b"%d" % number, PROBE.pack(1)] for number in range(5 * MOST_PEERS)]
    server.answer(counters)
    assert len(router.answers) == ANSWERED_AT_ONCE
    while router.waiting:
        server.answer(counters)
    assert len(server._asked) == MOST_PEERS
    router.waiting = [[b"a"], [b"a", b"1234567"], [b"a", PROBE.pack(1), b""]]
    server.answer(counters)
    assert counters["probes_refused"] == 3
