"""The markers that the settings plan, each at its moment of the session's time line."""

from collections.abc import Iterable, Iterator
from typing import Final

from affectline.common.runtime.event_time import SourceAlignment
from affectline.common.runtime.spec import RunTimeLine
from affectline.common.settings.pipeline import TimedMarker
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.common.wire.watermark import Watermark

PLAN: Final = "plan"
"""Source of these markers, and the name by which others wait for them."""
SECOND: Final = 1_000_000_000


class MarkerSchedule:
    """Publishes planned markers when their moment has come.

    Beside cameras that is a moment of the clock. Where films or tables are analysed, it is one of
    theirs: the schedule then promises by a `Watermark` that no earlier marker follows, so that
    whoever combines sources waits for it, and markers stand in their places at every pace.

    Args:
        markers: What is planned.
        time_line: That of the run.
    """

    def __init__(self, markers: Iterable[TimedMarker], time_line: RunTimeLine) -> None:
        self._start = time_line.session_start
        self._pending = sorted(markers, key=lambda marker: marker.at_s)
        self._sources = {name for name in time_line.recorded_sources if name != PLAN}
        self._running = set(self._sources)
        self._is_waited_for = PLAN in time_line.recorded_sources
        self.is_recorded = bool(self._sources)
        """Whether the session's time is that of films and tables."""
        self._reached: dict[str, int] = {}
        """By recorded source: how far it has come."""
        self._alignment = SourceAlignment(PLAN, ())

    def observe(self, message: Emotion | Watermark) -> None:
        """Take note of how far a source has come."""
        if isinstance(message, Emotion):
            source, at = f"capture/{message.stream}", message.captured_at
        else:
            source, at = message.source, message.at
            if message.ended:
                self._running.discard(source)
        if source in self._sources:
            self._reached[source] = max(at, self._reached.get(source, 0))

    def due(self, clock: int) -> Iterator[Packet]:
        """The markers whose moment has come.

        Args:
            clock: Nanoseconds since the Unix epoch.
        """
        now = self._now(clock)
        while self._pending and self._time_of(self._pending[0]) <= now:
            planned = self._pending.pop(0)
            yield Packet(
                Marker(
                    session="session",
                    at=self._time_of(planned),
                    label=planned.label,
                    source=PLAN,
                    extra={**planned.extra},
                )
            )

    def promise(self, now_s: float) -> Iterator[Packet]:
        """The watermark, where it is due: call it after `due`, all the time.

        Args:
            now_s: Seconds of the monotonic clock.
        """
        if self._is_waited_for:
            has_ended = not (self._pending and self._running)
            following = 0 if has_ended else self._time_of(self._pending[0])
            self._alignment.reach(following, ended=has_ended)
            yield from self._alignment.announcements(now_s)

    def _time_of(self, marker: TimedMarker) -> int:
        return self._start + round(marker.at_s * SECOND)

    def _now(self, clock: int) -> int:
        if not self.is_recorded:
            return clock
        return max(self._reached.values(), default=0)
