import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.runtime.clock_sync import ClockProbe, contradicts, estimate_offset, is_here
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
        ("127.0.0.1", True), ("127.3.2.1", True), ("localhost", True), ("::1", True),
        ("192.168.1.20", False), ("hub", False),
    ],
)  # fmt: skip
def test_only_another_machine_s_clock_is_asked(host: str, here: bool) -> None:
    assert is_here(HubSettings(host=host)) is here
