"""Moments of the session's time line on the clock of the Lab Streaming Layer."""

from collections.abc import Callable

from affectline.common.lsl_time import measure_lsl_offset
from affectline.common.wire.messages import FrameMessage, StreamStart


class LslClock:
    """Tells LSL times of events.

    Beside cameras events have clock times, and LSL's is the same moment by its own clock.

    Films have times of their own. The moment at which the pipeline got the beginning of the first
    film is where it begins on LSL's clock, and from there on distances are those of event times: at
    the pace of real time a frame's LSL time is that of its reading, at others it is where it would
    have been. A replay is laid on LSL's clock by its first message, and again where it jumps.

    Args:
        now: Nanoseconds since the Unix epoch.
        local_clock: ``mne_lsl.lsl.local_clock``: seconds.
    """

    def __init__(self, now: Callable[[], int], local_clock: Callable[[], float]) -> None:
        self._now, self._local_clock = now, local_clock
        self._offset: int | None = None
        """Event time less LSL's time in ns; None: that of the two clocks, measured each time."""
        self._is_replay = False
        self._epochs: dict[str, int] = {}
        """By stream of a replay: its newest epoch."""

    def observe(self, message: FrameMessage | StreamStart) -> None:
        """Take note of a stream or a frame: they tell whether times are those of a recording."""
        if isinstance(message, StreamStart):
            self._observe_start(message)
        elif message.media_time is not None or message.file is not None:
            self._fix(message.captured_at, message.received_at)

    def _observe_start(self, start: StreamStart) -> None:
        if start.replay:
            if self._epochs.get(start.stream, start.epoch) < start.epoch:
                self._offset = None  # it has jumped, or begun again
            self._epochs[start.stream] = start.epoch
            self._is_replay = True
        elif start.kind in ("film", "pictures"):
            self._fix(start.started_at, start.received_at)

    def _fix(self, at: int, clock: int) -> None:
        """Lay an event on LSL's clock, unless one lies there already.

        Args:
            at: Its time on the session's time line.
            clock: When that was in this run, by the clock.
        """
        if self._offset is None:
            clock = self._now() if self._is_replay else clock
            self._offset = measure_lsl_offset(self._now, self._local_clock) + at - clock

    def time_of(self, at: int) -> float:
        """An event's time in seconds of LSL's clock.

        Args:
            at: On the session's time line, in ns since the Unix epoch.
        """
        if self._is_replay:
            self._fix(at, at)
        if self._offset is not None:
            return (at - self._offset) / 1e9
        return (at - measure_lsl_offset(self._now, self._local_clock)) / 1e9
