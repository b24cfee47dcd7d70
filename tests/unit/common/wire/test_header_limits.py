"""Headers that are valid msgpack, and made to cost much."""

import tracemalloc
from typing import Any

import msgpack
import pytest

from affectline.common.errors import InvalidMessage
from affectline.common.wire import codec
from affectline.common.wire.health import MOST_COUNTERS, Health, make_health
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import MOST_NESTED, Marker, Packet


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def marker(**changes: Any) -> list[bytes]:
    fields = Marker.example().model_dump() | changes
    return [b"marker/s1", msgpack.packb(fields)]


def test_as_deep_as_anybody_needs() -> None:
    deep = codec.decode(marker(extra={"at": nested(MOST_NESTED - 2)}))
    assert isinstance(deep.message, Marker)


@pytest.mark.parametrize("levels", [MOST_NESTED, 100, 500])
def test_lists_in_lists_in_lists_are_refused(levels: int) -> None:
    with pytest.raises(InvalidMessage):
        codec.decode(marker(extra={"at": nested(levels)}))


@pytest.mark.parametrize("levels", [2000, 60_000])
def test_deeper_than_msgpack_itself_goes_is_refused(levels: int) -> None:
    header = b"\x81\xa5extra" + b"\x91" * levels + b"\x01"
    with pytest.raises(InvalidMessage):
        codec.decode([b"marker/s1", header])
    assert codec.read_header(header) == {}


@pytest.mark.parametrize(
    "header",
    [
        b"\xdd\x00\x0f\xff\x00" + b"\x90" * 0xFFF00,  # a million lists
        b"\xdf\x00\x00\xff\xff" + b"\x01\x80" * 0xFFFF,  # maps in a map
        b"\xdd\xff\xff\xff\xff",  # claims four thousand million
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
    ],
    ids=["lists", "maps", "list", "text", "extension"],
)
def test_a_header_costs_no_more_memory_than_a_few_of_ours(header: bytes) -> None:
    tracemalloc.start()
    try:
        for topic in (b"emotion/a", b"marker/s1"):
            with pytest.raises(InvalidMessage):
                codec.decode([topic, header])
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["Marker", "Health", "Control", "Frame", "Samples", "Emotion"])
def test_the_longest_header_depends_on_the_kind(name: str) -> None:
    kind = message_kinds()[name]
    topic = kind.example().topic.encode()
    with pytest.raises(InvalidMessage, match="a header of"):
        codec.decode([topic, bytes(kind.max_header_bytes + 1)])


def test_counters_are_limited_and_our_own_always_fit() -> None:
    counters = {f"counter_{number}": number for number in range(1000)}
    with pytest.raises(ValueError, match="at most"):
        Health.model_validate(Health.example().model_dump() | {"counters": counters})
    health = make_health("hub", "ready", "d" * 9000, counters, at=1)  # type: ignore[arg-type]
    assert len(health.counters) == MOST_COUNTERS
    assert health.counters["invalid"] == 0
    parts = [bytes(part) for part in codec.encode(Packet(health))]
    assert codec.decode(parts).message == health
