"""The times of a film's frames, as a player shows them."""

from typing import Final

from affectline.services.capture.frame_source import Notes

JUMP_NS: Final = 60_000_000_000
"""A frame that stands longer than this has no neighbour: the film jumps. Screen recordings, whose
pictures may stand long, seldom let one stand for a minute."""
STREAM_JUMP_NS: Final = 10_000_000_000
"""The same where a container allows jumps, as transport streams do."""
JITTER_NS: Final = 1_000_000_000
"""Stamps that fall by less are jitter; by more, another film begins."""
LEAST_STEP_NS: Final = 1_000_000


class PresentationClock:
    """Turns a container's time stamps into times that rise, without its jumps.

    Args:
        step_ns: Between two frames, until there have been two.
        jump_ns: Steps longer than this are closed up.
        jumps: Where to say so.
    """

    def __init__(self, step_ns: int, jump_ns: int, jumps: Notes) -> None:
        self._step_ns, self._jump_ns, self._jumps = step_ns, jump_ns, jumps
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
        if time - expected > self._jump_ns or time < (last or 0) - JITTER_NS:
            self._jumps.add(f"a jump by {(time - expected) / 1e9:+.3f} s at {expected / 1e9:.3f} s")
            self._shift_ns += expected - time
            return expected
        return max(0, time) if last is None else max(time, last + LEAST_STEP_NS)
