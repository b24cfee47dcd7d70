"""Detects blinks and longer closures of the eyes, in event time."""

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Final

from affectline.common.wire.face_signs import LONGEST_BLINK_STEP_S, Blink

LONGEST_BLINK_S: Final = 0.5
"""A longer closure is not a blink (Caffier et al. 2003) but a long closure, and must be deeper:
slow movements of the lids follow the gaze."""

_LONGEST_GAP_S: Final = 0.5
"""Nothing is known of the lids between frames further apart, as for PERCLOS: what was begun before
does not count."""
_LEVEL_S: Final = 0.7
"""A fall is measured from the level of this many seconds before: people who laugh narrow their
eyes."""
_LEAST_LEVEL: Final = 0.45
"""At openings below this level the eyes do not count as open, so they cannot shut."""
_FALL: Final = 0.8
"""A fall begins below this share of the level ..."""
_RISE: Final = 0.6
"""... and ends when the lids are up again by this share of its depth."""
_LEAST_DEPTH: Final = 0.25
"""Least depth of a blink as a share of the level. Films of 24 frames a second often miss the lids
at their lowest: the shallowest of the labelled blinks was 0.3 deep (docs/signs.md)."""
_BEFORE: Final = 4
"""Frames before a fall in which the lids may already have begun to fall."""
_SHUT: Final = 0.35
"""In a long closure the opening is below this most of the time."""
_LEAST_BLINK_S: Final = 0.03
"""Anything shorter is an error in a single frame."""
_LONGEST_S: Final = 60.0


@dataclass
class _Fall:
    """Lids that are on their way down, or down."""

    level: float
    """Opening before the fall."""
    before: list[tuple[int, float]]
    """Time and opening of the frames just before it."""
    samples: list[tuple[int, float]]
    """The same from its first frame on."""
    is_known: bool = True
    """Whether the eyes were known to be shut throughout, not lowered with the head."""

    @property
    def lowest(self) -> float:
        return min(opening for _, opening in self.samples)

    @property
    def is_shut(self) -> bool:
        """Whether the eyes were shut most of the time."""
        return median(opening for _, opening in self.samples[:-1]) <= _SHUT

    @property
    def seconds(self) -> float:
        return (self.samples[-1][0] - self.before[-1][0]) / 1e9


@dataclass
class BlinkDetector:
    """Finds blinks in the opening of the eyes, frame by frame.

    A blink is a fall below 0.8 of the opening of the last 0.7 s, by at least 0.25 of it, which
    recovers within half a second. It lasts from when the lids are half-way down, by its own depth,
    until they are half-way up again, interpolated linearly between frames. It is left out if one of
    these frames is missing: in a blink any, in a longer closure one while the lids move.
    """

    _open: deque[tuple[int, float]] = field(default_factory=deque)
    """Time and opening of the last seconds without a fall."""
    _fall: _Fall | None = None
    _risen_at: int = 0
    """When the last fall ended."""
    _steps: deque[float] = field(default_factory=lambda: deque(maxlen=9))
    """Seconds between the last frames."""
    _last: int | None = None

    def add(self, at: int, opening: float | None, *, is_known: bool = True) -> Blink | None:
        """Add a frame.

        Args:
            at: Nanoseconds on the session's time line.
            opening: Opening of the eyes, 1 as usual, not limited to 0 to 1; None: not seen.
            is_known: Whether low lids mean shut eyes rather than a lowered gaze.

        Returns:
            A blink that this frame shows to have ended.
        """
        step_s = 0.0 if self._last is None else (at - self._last) / 1e9
        is_gap = not 0 <= step_s <= _LONGEST_GAP_S
        if self._last is not None:
            self._steps.append(step_s)
        self._last = at
        is_unseen = opening is None or not self.is_fast_enough
        if is_gap or is_unseen:
            self._open.clear()
            self._fall = None
        if opening is None or is_unseen:
            return None
        if self._fall is None:
            self._watch(at, opening)
            return None
        return self._follow(self._fall, at, opening, is_known=is_known)

    @property
    def is_fast_enough(self) -> bool:
        """Whether frames come often enough to detect blinks."""
        return not self._steps or 0 < median(self._steps) <= LONGEST_BLINK_STEP_S

    def _watch(self, at: int, opening: float) -> None:
        """Wait for a fall."""
        while self._open and at - self._open[0][0] > _LEVEL_S * 1e9:
            self._open.popleft()
        level = median(value for _, value in self._open) if len(self._open) >= 2 else 0.0
        before = [one for one in self._open if one[0] >= self._risen_at][-_BEFORE:]
        # Lids rise slowly at the end of a blink: that is not another one
        has_risen = any(value >= _FALL * level for _, value in before)
        if has_risen and level >= _LEAST_LEVEL and opening < _FALL * level:
            self._fall = _Fall(level, before, [(at, opening)])
        else:
            self._open.append((at, opening))

    def _follow(self, fall: _Fall, at: int, opening: float, *, is_known: bool) -> Blink | None:
        """Follow a fall to its end."""
        fall.samples.append((at, opening))
        lowest = fall.lowest
        is_long = fall.seconds > LONGEST_BLINK_S
        if is_long:
            fall.is_known &= is_known
        if opening < lowest + _RISE * (fall.level - lowest):
            if (is_long and lowest > _SHUT) or fall.seconds > _LONGEST_S:
                # The lids follow the gaze, or narrow in a smile: a new level
                self._fall, self._open = None, deque(fall.samples)
            return None
        self._fall, self._risen_at = None, at
        self._open.append((at, opening))
        depth = (fall.level - lowest) / fall.level
        if depth < _LEAST_DEPTH:
            return None
        blink = _time(fall, (fall.level + lowest) / 2)
        if blink.duration_ms > LONGEST_BLINK_S * 1e3 and not (fall.is_known and fall.is_shut):
            return None
        is_long_enough = blink.duration_ms >= _LEAST_BLINK_S * 1e3
        return blink if is_long_enough and _is_followed(fall, blink) else None


def _is_followed(fall: _Fall, blink: Blink) -> bool:
    """Whether frames came often enough: while the lids moved, and in a blink also in between."""
    begin, end = blink.at, blink.at + round(blink.duration_ms * 1e6)
    frames = pairwise(at for at, _ in fall.before + fall.samples)
    steps = [later - earlier for earlier, later in frames if later > begin and earlier < end]
    if blink.duration_ms > LONGEST_BLINK_S * 1e3:
        steps = [steps[0], steps[-1]]
    return max(steps) <= LONGEST_BLINK_STEP_S * 1e9


def _time(fall: _Fall, half: float) -> Blink:
    """A blink from the last half-way crossing before the lowest point to the last one after it."""
    origin = fall.before[0][0]  # a float of nanoseconds since 1970 would be off by 256
    frames = [(at - origin, opening) for at, opening in fall.before + fall.samples]
    lowest = min(frames, key=lambda frame: frame[1])[0]
    down, up = float(frames[0][0]), float(frames[-1][0])
    for (earlier, first), (later, second) in pairwise(frames):
        if not min(first, second) < half <= max(first, second):
            continue
        passed = earlier + (later - earlier) * (half - first) / (second - first)
        if first > second and later <= lowest:
            down = passed
        elif first < second and earlier >= lowest:
            up = passed
    duration_ms = min(max(up - down, 1.0) / 1e6, _LONGEST_S * 1e3)
    return Blink(at=origin + round(down), duration_ms=duration_ms)
