"""The numbers of a sequence that were seen, in little memory."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Edge(NamedTuple):
    """Where a number was seen."""

    at: int
    """Its time on the session's time line, in ns since the Unix epoch."""
    part: int
    """Number of the part of the file, from 0: each break begins another part."""


@dataclass
class SeenRange:
    """A range of numbers that were all seen."""

    first: int
    last: int
    begins: Edge
    ends: Edge


class Gap(NamedTuple):
    """A range of numbers that were not seen, and its neighbours."""

    first: int
    last: int
    before: Edge | None
    after: Edge | None

    @property
    def size(self) -> int:
        """Number of missing numbers."""
        return self.last - self.first + 1


class SeqRanges:
    """The seen numbers of one sequence."""

    def __init__(self) -> None:
        self.ranges: list[SeenRange] = []
        """In order, with at least one missing number between each two."""
        self.count = 0

    def add(self, seq: int, edge: Edge) -> None:
        """Add a seen number; no effect if it was seen before."""
        ranges = self.ranges
        if ranges and ranges[-1].last + 1 == seq:  # nearly always
            ranges[-1].last, ranges[-1].ends = seq, edge
            self.count += 1
        elif not ranges or seq > ranges[-1].last:
            ranges.append(SeenRange(seq, seq, edge, edge))
            self.count += 1
        else:
            self._insert(seq, edge)

    def _insert(self, seq: int, edge: Edge) -> None:
        ranges = self.ranges
        index = bisect_right(ranges, seq, key=lambda one: one.first)
        before = ranges[index - 1] if index else None
        after = ranges[index] if index < len(ranges) else None
        if before and seq <= before.last:
            return
        self.count += 1
        if before and before.last + 1 == seq:
            before.last, before.ends = seq, edge
            if after and after.first == seq + 1:
                before.last, before.ends = after.last, after.ends
                del ranges[index]
        elif after and after.first == seq + 1:
            after.first, after.begins = seq, edge
        else:
            ranges.insert(index, SeenRange(seq, seq, edge, edge))

    @property
    def first(self) -> int:
        """The lowest number; there must be one."""
        return self.ranges[0].first

    @property
    def last(self) -> int:
        """The highest number; there must be one."""
        return self.ranges[-1].last

    def __contains__(self, seq: int) -> bool:
        index = bisect_right(self.ranges, seq, key=lambda one: one.first)
        return index > 0 and seq <= self.ranges[index - 1].last

    def gaps(self, first: int, last: int) -> Iterator[Gap]:
        """Yield the gaps from one number to another, both included, in order."""
        at, before = first, None
        for one in self.ranges:
            if one.last < first:
                before = one.ends
                continue
            if one.first > last:
                if at <= last:
                    yield Gap(at, last, before, one.begins)
                return
            if one.first > at:
                yield Gap(at, one.first - 1, before, one.begins)
            at, before = max(at, one.last + 1), one.ends
        if at <= last:
            yield Gap(at, last, before, None)


def subtract(first: int, last: int, others: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the remaining parts of a range of numbers after removing others, in order.

    Args:
        first: First number of the range.
        last: Last number of the range, included.
        others: First and last number of each range to remove, in order, without overlaps.
    """
    for begin, end in others:
        if end < first:
            continue
        if begin > last:
            break
        if begin > first:
            yield first, begin - 1
        first = max(first, end + 1)
    if first <= last:
        yield first, last
