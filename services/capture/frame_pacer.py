"""The pace of a film: thins frames out to a rate, and schedules them by their media time."""

from affectline.common.clock import monotonic
from affectline.common.settings.sources import Pace


class FramePacer:
    """Decides which frames of a film are kept, and when each is due.

    Args:
        rate: Frames a second to thin out to; None keeps all.
        pace: Whether to wait until each frame is due.
        speed: Multiple of the film's own speed.
    """

    def __init__(self, rate: float | None, pace: Pace, speed: float = 1.0) -> None:
        self._rate, self._pace, self._speed = rate, pace, speed
        self._next_s = 0.0
        self._start: tuple[float, int] | None = None

    def is_wanted(self, media_time: int) -> bool:
        """Whether a frame is kept: False if it comes too soon after the last one kept."""
        seconds = media_time / 1e9
        if self._rate is None:
            return True
        if seconds + 1e-6 < self._next_s:
            return False
        step = 1 / self._rate
        following = self._next_s + step
        self._next_s = following if following > seconds else seconds + step
        return True

    def delay_s(self, media_time: int) -> float:
        """Time to wait until a frame is due, in s; the first one is due at once."""
        if self._pace == "fast":
            return 0.0
        if self._start is None:
            self._start = (monotonic(), media_time)
        due_s = (media_time - self._start[1]) / 1e9 / self._speed
        return due_s - (monotonic() - self._start[0])
