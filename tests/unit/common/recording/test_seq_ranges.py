"""Which numbers were seen, whatever their order."""

from hypothesis import given
from hypothesis import strategies as st

from affectline.common.recording.seq_ranges import Edge, SeqRanges, subtract

NUMBERS = st.lists(st.integers(0, 40), max_size=60)


@given(NUMBERS, st.integers(0, 40), st.integers(0, 40))
def test_gaps_are_what_is_missing(numbers: list[int], first: int, last: int) -> None:
    seen = SeqRanges()
    for at, number in enumerate(numbers):
        seen.add(number, Edge(at, 0))
    assert seen.count == len(set(numbers))
    gaps = list(seen.gaps(first, last))
    missing = [number for gap in gaps for number in range(gap.first, gap.last + 1)]
    assert missing == [n for n in range(first, last + 1) if n not in set(numbers)]
    for gap in gaps:
        below = [n for n in set(numbers) if n < gap.first]
        above = [n for n in set(numbers) if n > gap.last]
        assert gap.before == (Edge(numbers.index(max(below)), 0) if below else None)
        assert gap.after == (Edge(numbers.index(min(above)), 0) if above else None)
    assert [n for n in range(41) if n in seen] == sorted(set(numbers))


@given(st.integers(0, 40), st.integers(0, 40), st.sets(st.integers(0, 40)))
def test_a_range_without_others(first: int, last: int, taken: set[int]) -> None:
    others = [(number, number) for number in sorted(taken)]
    left = [n for a, b in subtract(first, last, others) for n in range(a, b + 1)]
    assert left == [n for n in range(first, last + 1) if n not in taken]
