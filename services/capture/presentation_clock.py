"""The times of a film's frames, as a player shows them."""

from typing import Final

from affectline.services.capture.frame_source import Notes

JUMP_NS: Final = 60_000_000_000
"""A longer gap between two frames is a jump, unless it lies within the length that the container
declares: screen recordings may show a frame for long, and a time lapse has few."""
STREAM_JUMP_NS: Final = 10_000_000_000
"""The same for containers that allow jumps, such as transport streams."""
JITTER_NS: Final = 1_000_000_000
"""Time stamps that go back by less are jitter; by more, the beginning of another film."""
TOLERANCE_NS: Final = 1_000_000_000
"""A container's length may end with the beginning of its last frame, and is rounded."""
LEAST_STEP_NS: Final = 1_000_000


class PresentationClock:
    """Turns a container's time stamps into increasing times without jumps.

    Args:
        step_ns: Time between two frames, until two have been seen.
        jump_ns: Longer steps are closed up.
        jumps: Collects the jumps.
        length_ns: The length that the container declares: no step ahead up to there is a jump.
    """

    def __init__(self, step_ns: int, jump_ns: int, jumps: Notes, length_ns: int = 0) -> None:
        self._step_ns, self._jump_ns, self._jumps = step_ns, jump_ns, jumps
        self._length_ns = length_ns
        self._shift_ns = 0
        self._last: int | None = None

    def place(self, stamp: int | None) -> int:
        """The time of the next frame in ns.

        Args:
            stamp: Its presentation time in ns since the beginning of the container, if it has one.
        """
        time = self._place(stamp)
        if self._last is not None and time > self._last:
            self._step_ns = time - self._last
        self._last = time
        return time

    def _place(self, stamp: int | None) -> int:
        last = self._last
        if stamp is None:
            return 0 if last is None else last + self._step_ns
        time = stamp + self._shift_ns
        expected = 0 if last is None else last + self._step_ns
        leaps = time - expected > self._jump_ns and stamp > self._length_ns + TOLERANCE_NS
        if leaps or time < (last or 0) - JITTER_NS:
            self._jumps.add(f"a jump by {(time - expected) / 1e9:+.3f} s at {expected / 1e9:.3f} s")
            self._shift_ns += expected - time
            return expected
        return max(0, time) if last is None else max(time, last + LEAST_STEP_NS)
