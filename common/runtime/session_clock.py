"""The current time on the session's time line: for markers, and everything else that is "now"."""

import time
from collections.abc import Callable

from affectline.common.clock import now_ns
from affectline.common.wire.messages import FrameMessage, StreamEnd, StreamStart


class SessionClock:
    """The session's present moment, as a person at the page or the window sees it.

    With a camera, this is the clock's time. While films are analysed or a recording is replayed,
    it is the time of the newest frame: a marker set now belongs to that frame, at any speed. A
    stream that has ended counts only while no other goes on: right after a film, the present is its
    last frame, but beside a camera that goes on, it is the clock's time.

    Args:
        clock: Nanoseconds since the Unix epoch.
    """

    def __init__(self, clock: Callable[[], int] = now_ns) -> None:
        self._clock = clock
        self._newest: dict[str, FrameMessage] = {}
        """By stream."""
        self._active: set[str] = set()
        self._ended: dict[str, int] = {}
        """Streams that have ended, and their last epochs: results still follow their ends."""
        self.is_replay = False
        """Whether a recording is replayed: frames of cameras have their recorded times, too."""
        self.session_start: int | None = None
        """Zero of the time line in ns since the Unix epoch, by the newest stream; None: unknown."""

    def observe(self, message: object) -> None:
        """Process any message: frames and their results set the time, until their stream ends."""
        match message:
            case StreamStart():
                if not self._active - {message.stream}:
                    self.clear()
                self._active.add(message.stream)
                self._ended.pop(message.stream, None)
                self.is_replay |= message.replay
                self.session_start = message.session_start
            case StreamEnd():
                self._active.discard(message.stream)
                self._ended[message.stream] = message.epoch
                if self._active:
                    self._newest.pop(message.stream, None)
            case FrameMessage():
                if message.epoch > self._ended.get(message.stream, -1):
                    self._active.add(message.stream)
                elif self._active:
                    return
                self._newest[message.stream] = message

    def clear(self) -> None:
        """Forget all streams: another time line begins."""
        self._newest.clear()
        self._active.clear()
        self._ended.clear()
        self.is_replay, self.session_start = False, None

    @property
    def is_known(self) -> bool:
        """Whether a frame or result has shown whether its stream is a film."""
        return bool(self._newest)

    @property
    def newest(self) -> FrameMessage | None:
        """The frame that sets the present moment; None: the clock does."""
        recorded = [m for m in self._newest.values() if self.is_replay or _is_recorded(m)]
        return max(recorded, key=lambda message: message.captured_at, default=None)

    def now(self) -> int:
        """Nanoseconds since the Unix epoch."""
        newest = self.newest
        return self._clock() if newest is None else newest.captured_at

    def describe(self, at: int) -> str:
        """A moment in words: its date by this computer's clock, and its second if that is known.

        Args:
            at: Nanoseconds since the Unix epoch.
        """
        local = time.localtime(at / 1e9)
        date = time.strftime("%Y-%m-%d %H:%M:%S", local)
        date = f"{date}.{at // 1_000_000 % 1000:03d} {time.strftime('%z', local)}"
        newest = self.newest
        if newest is None:
            return date
        if self.session_start is not None:
            return f"{(at - self.session_start) / 1e9:.3f} s of the session ({date})"
        if newest.media_time is not None:
            second = (newest.media_time + at - newest.captured_at) / 1e9
            return f"{second:.3f} s of {newest.stream} ({date})"
        return date


def _is_recorded(message: FrameMessage) -> bool:
    return message.media_time is not None or message.file is not None
