"""The last minute as labelled stretches of time."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

WINDOW_S: Final = 60.0
"""PERCLOS is defined over a minute (Wierwille et al. 1994); looks away use the same window."""
HOLD_S: Final = 1.0
"""A frame's label holds until the next frame, but no longer than this: films of one frame a second
are still covered, and without frames nothing counts as known."""


@dataclass
class Stretch:
    """A stretch of time in which one label held."""

    label: str
    start_s: float
    end_s: float
    weighted_s: float = 0.0
    """Sum of its seconds, each multiplied by the weight given with the label."""

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s

    def within(self, start_s: float) -> float:
        """Seconds of the stretch after this time."""
        return self.end_s - max(self.start_s, start_s)

    def weighted_within(self, start_s: float) -> float:
        """Share of `weighted_s` after this time, as if spread evenly."""
        return self.weighted_s * self.within(start_s) / self.seconds if self.seconds else 0.0


class RecentStretches:
    """The stretches of the last `WINDOW_S`, uncut: the first may have begun earlier.

    Args:
        otherwise: Label of the time after a frame's label no longer holds.
    """

    def __init__(self, otherwise: str) -> None:
        self._otherwise = otherwise
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._stretches: deque[Stretch] = deque()
        self._held: tuple[str, float, float, float] | None = None
        """Label, time and weight of the newest frame, and the time until which it holds."""

    def set(self, label: str, at_s: float, weight: float = 0.0, hold_s: float = HOLD_S) -> None:
        """Set the label from this time on; times that do not increase are ignored.

        Args:
            label: The label that holds.
            at_s: Time of the frame.
            weight: From 0 to 1: share of the time to count in `Stretch.weighted_s`.
            hold_s: Longest time for which the label holds without another frame.
        """
        if self._held is not None and at_s <= self._held[1]:
            return
        for stretch in self._until(at_s):
            _append(self._stretches, stretch)
        self._held = label, at_s, weight, at_s + hold_s
        while self._stretches and self._stretches[0].end_s <= at_s - WINDOW_S:
            self._stretches.popleft()

    def stretches(self, now_s: float) -> list[Stretch]:
        """The stretches up to this time, oldest first; none before the first label."""
        if self._held is None:
            return []
        now_s = max(now_s, self._held[1])
        stretches = deque(self._stretches)
        if stretches:
            stretches[-1] = replace(stretches[-1])  # it may be extended below
        for stretch in self._until(now_s):
            _append(stretches, stretch)
        return [stretch for stretch in stretches if stretch.end_s > now_s - WINDOW_S]

    def _until(self, now_s: float) -> Iterator[Stretch]:
        """The time since the newest frame."""
        if self._held is None:
            return
        label, at_s, weight, until_s = self._held
        end_s = min(now_s, until_s)
        yield Stretch(label, at_s, end_s, weight * (end_s - at_s))
        if now_s > end_s:
            yield Stretch(self._otherwise, end_s, now_s)


def _append(stretches: deque[Stretch], stretch: Stretch) -> None:
    """Append a stretch, or extend the last one if the label is the same."""
    if stretches and stretches[-1].label == stretch.label:
        stretches[-1].end_s = stretch.end_s
        stretches[-1].weighted_s += stretch.weighted_s
    else:
        stretches.append(stretch)


def seconds_by_label(stretches: list[Stretch], now_s: float) -> dict[str, float]:
    """Seconds of each label within the last `WINDOW_S`."""
    seconds: dict[str, float] = {}
    for stretch in stretches:
        seconds[stretch.label] = seconds.get(stretch.label, 0.0) + stretch.within(now_s - WINDOW_S)
    return seconds
