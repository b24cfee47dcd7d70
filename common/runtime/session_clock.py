"""What time it is on the session's time line: for markers, and whatever else happens "now"."""

import time
from collections.abc import Callable

from affectline.common.clock import now_ns
from affectline.common.wire.messages import FrameMessage, StreamStart


class SessionClock:
    """The session's present moment, as a person at the page or the window sees it.

    Beside a camera that is the clock. While films are analysed or a recording is replayed it is the
    newest frame's time: a marker that is set now is about that frame, at whatever pace it is
    played.

    Args:
        clock: Nanoseconds since the Unix epoch.
    """

    def __init__(self, clock: Callable[[], int] = now_ns) -> None:
        self._clock = clock
        self._newest: dict[str, FrameMessage] = {}
        """By stream."""
        self.is_replay = False
        """A recording is replayed: cameras' frames have their times of then as well."""
        self.session_start: int | None = None
        """Zero of the time line in ns since the Unix epoch, as the newest stream has said."""

    def observe(self, message: object) -> None:
        """Take note of any message; frames and their results tell the time."""
        if isinstance(message, FrameMessage):
            self._newest[message.stream] = message
        elif isinstance(message, StreamStart):
            self.is_replay |= message.replay
            self.session_start = message.session_start

    @property
    def is_known(self) -> bool:
        """Whether some stream has told whether it is a film."""
        return bool(self._newest)

    @property
    def newest(self) -> FrameMessage | None:
        """The frame whose time is now; None where the clock tells it."""
        recorded = [m for m in self._newest.values() if self.is_replay or _is_recorded(m)]
        return max(recorded, key=lambda message: message.captured_at, default=None)

    def now(self) -> int:
        """Nanoseconds since the Unix epoch."""
        newest = self.newest
        return self._clock() if newest is None else newest.captured_at

    def describe(self, at: int) -> str:
        """A moment in words: its second and its date, as far as the second is known.

        Args:
            at: Nanoseconds since the Unix epoch.
        """
        date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at / 1e9))
        date = f"{date}.{at // 1_000_000 % 1000:03d}"
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
