"""The markers that the settings plan, each at its time on the session's time line."""

from collections.abc import Iterable, Iterator
from typing import Final

from affectline.common.runtime.event_time import SourceAlignment
from affectline.common.runtime.spec import RunTimeLine
from affectline.common.settings.pipeline import TimedMarker
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.common.wire.watermark import Watermark

PLAN: Final = "plan"
"""Source of these markers, and the name under which others wait for them."""
SECOND: Final = 1_000_000_000


class MarkerSchedule:
    """Publishes planned markers when they are due.

    With cameras, the clock decides when. With films or tables, their time does: the schedule then
    promises by a `Watermark` that no earlier marker follows. Processes that combine sources wait
    for it, so that markers are in the right place at any pace.

    Args:
        markers: The planned markers.
        time_line: Time line of the run.
    """

    def __init__(self, markers: Iterable[TimedMarker], time_line: RunTimeLine) -> None:
        self._start = time_line.session_start
        self._pending = sorted(markers, key=lambda marker: marker.at_s)
        self._sources = {name for name in time_line.recorded_sources if name != PLAN}
        self._running = set(self._sources)
        self._is_waited_for = PLAN in time_line.recorded_sources
        self.is_recorded = bool(self._sources)
        """Whether the session's time comes from films and tables."""
        self._reached: dict[str, int] = {}
        """How far each recorded source has come."""
        self._alignment = SourceAlignment(PLAN, ())

    def observe(self, message: Emotion | Watermark) -> None:
        """Record how far a source has come."""
        if isinstance(message, Emotion):
            source, at = f"capture/{message.stream}", message.captured_at
        else:
            source, at = message.source, message.at
            if message.ended:
                self._running.discard(source)
        if source in self._sources:
            self._reached[source] = max(at, self._reached.get(source, 0))

    def due(self, clock: int) -> Iterator[Packet]:
        """The markers that are due.

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
        """The watermark if it is due; call it regularly, after `due`.

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
