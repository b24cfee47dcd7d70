"""What time it is on the session's time line: for markers, and whatever else happens "now"."""

from collections.abc import Callable

from affectline.common.clock import now_ns
from affectline.common.wire.messages import FrameMessage


class SessionClock:
    """The session's present moment, as a person at the page or the window sees it.

    Beside a camera that is the clock. While films are analysed it is the newest frame's time: what
    is said now is about that frame, at whatever pace it is played.

    Args:
        clock: Nanoseconds since the Unix epoch.
    """

    def __init__(self, clock: Callable[[], int] = now_ns) -> None:
        self._clock = clock
        self._newest: dict[str, FrameMessage] = {}
        """By stream."""

    def observe(self, message: object) -> None:
        """Take note of any message; frames and their results tell the time."""
        if isinstance(message, FrameMessage):
            self._newest[message.stream] = message

    @property
    def is_known(self) -> bool:
        """Whether some stream has told whether it is a film."""
        return bool(self._newest)

    def now(self) -> int:
        """Nanoseconds since the Unix epoch."""
        recorded = [m.captured_at for m in self._newest.values() if _is_recorded(m)]
        return max(recorded) if recorded else self._clock()


def _is_recorded(message: FrameMessage) -> bool:
    return message.media_time is not None or message.file is not None
