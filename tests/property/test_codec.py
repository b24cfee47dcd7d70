"""Whatever arrives, it is a message or it is invalid: nothing else can come of it."""

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from affectline.common.errors import InvalidMessage
from affectline.common.wire import codec
from tests.samples import PACKETS

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
    | st.text(max_size=20) | st.binary(max_size=20),
    lambda children: st.lists(children, max_size=5)
    | st.dictionaries(st.text(max_size=12), children, max_size=5),
    max_leaves=10,
)  # fmt: skip
names = st.sampled_from(sorted(PACKETS))


def check(parts: list[bytes]) -> None:
    try:
        packet = codec.decode(parts)
    except InvalidMessage:
        return
    assert codec.encode(packet)[0] == parts[0]


@given(st.lists(st.binary(max_size=200), max_size=6))
@settings(max_examples=500, deadline=None)
def test_random_bytes(parts: list[bytes]) -> None:
    check(parts)


@given(names, st.data())
@settings(max_examples=1000, deadline=None)
def test_a_message_with_one_field_exchanged(name: str, data: st.DataObject) -> None:
    topic, header, *parts = (bytes(part) for part in codec.encode(PACKETS[name]))
    fields = msgpack.unpackb(header)
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(plain)
    check([topic, msgpack.packb(fields), *parts])


@given(names, st.data())
@settings(max_examples=1000, deadline=None)
def test_a_message_cut_short_or_with_a_byte_exchanged(name: str, data: st.DataObject) -> None:
    parts = [bytes(part) for part in codec.encode(PACKETS[name])]
    which = data.draw(st.integers(0, len(parts) - 1))
    at = data.draw(st.integers(0, len(parts[which])))
    flipped = data.draw(st.binary(max_size=3))
    parts[which] = parts[which][:at] + flipped
    check(parts)


@given(st.binary(max_size=100))
@settings(deadline=None)
def test_deep_nesting_is_no_way_in(tail: bytes) -> None:
    check([b"frame/a", b"\x91" * 100_000 + tail])
