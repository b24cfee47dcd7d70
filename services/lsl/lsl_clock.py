"""Converts times of the session's time line to the clock of the Lab Streaming Layer."""

from collections.abc import Callable

from affectline.common.lsl_time import measure_lsl_offset
from affectline.common.wire.messages import FrameMessage, StreamStart


class LslClock:
    """Converts event times to LSL times.

    With cameras, events have clock times, and the LSL time is the same moment on LSL's clock.

    Films have their own times. The first film begins, on LSL's clock, when the pipeline received
    its beginning; from there on, the distances are those of event times. At pace ``realtime`` a
    frame's LSL time is when it was read; at other paces it is when it would have been read. The
    first message of a replay places it on LSL's clock, and so does the first one after a jump.
    Each run is placed by itself.

    Args:
        now: Nanoseconds since the Unix epoch.
        local_clock: ``mne_lsl.lsl.local_clock``: seconds.
    """

    def __init__(self, now: Callable[[], int], local_clock: Callable[[], float]) -> None:
        self._now, self._local_clock = now, local_clock
        self._offset: int | None = None
        """Event time minus LSL time in ns; None: that of the two clocks, measured each time."""
        self._is_replay = False
        self._starts: dict[str, tuple[int, int]] = {}
        """Epoch and beginning of the newest start of each stream of the run."""
        self._run: tuple[int, bool] | None = None
        """Which run the offset belongs to: its session's start, and whether it is a replay."""

    def observe(self, message: FrameMessage | StreamStart) -> None:
        """Observe a stream or a frame, which shows whether times come from a recording."""
        if isinstance(message, StreamStart):
            self._observe_start(message)
        elif message.media_time is not None or message.file is not None:
            self._fix(message.captured_at, message.received_at)

    def _observe_start(self, start: StreamStart) -> None:
        run = start.session_start, start.replay
        epoch, started_at = self._starts.get(start.stream, (start.epoch, 0))
        from_beginning = start.first_seq == 0 and start.started_at == started_at
        if run != self._run:
            self._run, self._offset, self._is_replay = run, None, start.replay
            self._starts.clear()
        elif start.epoch > epoch and (start.replay or from_beginning):
            self._offset = None  # a replay has jumped, or a film with a date is read again
        self._starts[start.stream] = start.epoch, start.started_at
        if not start.replay and start.kind in ("film", "pictures"):
            self._fix(start.started_at, start.received_at)

    def _fix(self, at: int, clock: int) -> None:
        """Fix the offset to LSL's clock by an event, unless it is fixed already.

        Args:
            at: The event's time on the session's time line.
            clock: When that was in this run, by the clock.
        """
        if self._offset is None:
            clock = self._now() if self._is_replay else clock
            self._offset = measure_lsl_offset(self._now, self._local_clock) + at - clock

    def time_of(self, at: int) -> float:
        """An event's time in seconds of LSL's clock.

        Args:
            at: Time on the session's time line, in ns since the Unix epoch.
        """
        if self._is_replay:
            self._fix(at, at)
        if self._offset is not None:
            return (at - self._offset) / 1e9
        return (at - measure_lsl_offset(self._now, self._local_clock)) / 1e9
