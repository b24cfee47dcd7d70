"""Whatever bytes arrive: a decoder answers, or says in one line what is wrong and the way out."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing.decoder import Decoder, check
from tests.fuzzing.decoders import DECODERS

EXAMPLES = 60


@st.composite
def damaged(draw: st.DrawFn, decoder: Decoder) -> bytes:
    """Something that can be read, with pieces cut out, put in, repeated and exchanged."""
    data = bytearray(draw(st.sampled_from(decoder.seeds())))
    pieces = st.binary(max_size=12)
    if decoder.words:
        pieces |= st.sampled_from(decoder.words)
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(data)))
        end = draw(st.sampled_from((begin, begin + 1, begin + 8, len(data))))
        repeated = data[begin : begin + 200] if draw(st.booleans()) else b""
        data[begin:end] = draw(pieces) + bytes(repeated)
    return bytes(data)


@pytest.mark.parametrize("name", DECODERS)
def test_any_bytes(name: str) -> None:
    decoder = DECODERS[name]

    @given(damaged(decoder) | st.binary(max_size=300))
    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    def try_bytes(data: bytes) -> None:
        check(decoder, data)

    try_bytes()


@pytest.mark.parametrize("name", DECODERS)
def test_what_it_can_read_it_reads(name: str) -> None:
    for seed in DECODERS[name].seeds():
        check(DECODERS[name], seed)
