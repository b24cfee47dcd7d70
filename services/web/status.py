"""The status of streams, sensors and processes, as shown on the pages."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any, Final

from affectline.common.clock import monotonic
from affectline.common.identifiers import sensor_service
from affectline.common.runtime.run_watch import SILENT_S
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import USABLE_QUALITY, Samples
from affectline.common.wire.health import Health
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import Emotion, Frame, StreamDone, StreamEnd, StreamStart
from affectline.common.wire.watermark import Watermark

END_REASONS: Final = {
    "end": "", "damaged": "parts of it could not be read", "truncated": "its file is cut off",
    "stopped": "stopped",
}  # fmt: skip
"""Texts for why a stream has ended."""
LATE_S: Final = 1.5
"""A process whose health has not come for this long may have ended with its run."""
GONE_S: Final = 60.0
"""After this long it is removed from the list."""
NO_FRAME_S: Final = 2.0
NO_SAMPLE_S: Final = 5.0
UPDATE_PERIOD_S: Final = 1.0
"""How often pages are sent the status."""


@dataclass
class StreamStatus:
    """A video stream, and when (monotonic clock, seconds) its last messages arrived."""

    start: StreamStart | None = None
    end: StreamEnd | None = None
    frame_at: float | None = None
    result_at: float | None = None
    is_done: bool = False
    """The sink has written the whole stream."""


@dataclass
class ServiceStatus:
    """The last health message of a process, and the one before it."""

    health: Health
    received_at: float
    previous: Health | None = None
    has_ended: bool = False
    """It has announced that nothing follows, so its silence is expected."""

    def rate(self) -> float:
        """Messages a second: the higher of received and sent ones."""
        if self.previous is None or self.health.at <= self.previous.at:
            return 0.0
        seconds = (self.health.at - self.previous.at) / 1e9
        increases = (
            self.health.counters.get(name, 0) - self.previous.counters.get(name, 0)
            for name in ("in", "out")
        )
        return max(0.0, *increases) / seconds


@dataclass
class SensorStatus:
    """The last samples of one signal of one person."""

    samples: Samples
    received_at: float


class StatusTracker:
    """Derives the status from a hub's messages and from their absence.

    An `Aggregator` of the hub's client.

    Args:
        clock: Returns the time in seconds.
        is_replay: A recording is replayed on the hub; it may be paused, so silence means nothing.
    """

    def __init__(self, clock: Callable[[], float] = monotonic, *, is_replay: bool = False) -> None:
        self._clock, self._is_always_replay = clock, is_replay
        self._is_replay = is_replay
        self._received_at: float | None = None
        self._updated_at = clock()
        self.streams: dict[str, StreamStatus] = {}
        self._services: dict[str, ServiceStatus] = {}
        self._sensors: dict[tuple[str, str], SensorStatus] = {}

    def add(self, message: Message) -> None:
        now = self._clock()
        self._received_at = now
        self._add(message, now)

    @singledispatchmethod
    def _add(self, message: Message, now: float) -> None:
        """Other kinds only show that the hub is alive."""

    @_add.register
    def _(self, frame: Frame, now: float) -> None:
        self._stream(frame.stream).frame_at = now

    @_add.register
    def _(self, emotion: Emotion, now: float) -> None:
        self._stream(emotion.stream).result_at = now

    @_add.register
    def _(self, start: StreamStart, now: float) -> None:
        self.streams[start.stream] = StreamStatus(start=start)
        self._is_replay = self._is_replay or start.replay

    @_add.register
    def _(self, end: StreamEnd, now: float) -> None:
        self._stream(end.stream).end = end
        self._end(f"capture/{end.stream}", f"detector/{end.stream}")

    @_add.register
    def _(self, done: StreamDone, now: float) -> None:
        if done.by == "sink":
            self._stream(done.stream).is_done = True

    @_add.register
    def _(self, watermark: Watermark, now: float) -> None:
        if watermark.ended:
            self._end(watermark.source)

    @_add.register
    def _(self, receipt: Kept, now: float) -> None:
        if receipt.ended:
            self._end(receipt.by)

    def _end(self, *services: str) -> None:
        """Mark processes as having ended."""
        for name in services:
            if name in self._services:
                self._services[name].has_ended = True

    @_add.register
    def _(self, samples: Samples, now: float) -> None:
        self._sensors[samples.subject, samples.signal] = SensorStatus(samples, now)

    @_add.register
    def _(self, health: Health, now: float) -> None:
        known = self._services.get(health.service)
        is_same = known is not None and known.health.pid == health.pid
        self._services[health.service] = ServiceStatus(
            health,
            now,
            previous=known.health if known and is_same else None,
            has_ended=bool(known and is_same and known.has_ended),
        )
        kind, _, stream_name = health.service.partition("/")
        if kind == "capture":
            self._stream(stream_name)

    def clear(self) -> None:
        now = self._clock()
        self.streams.clear()
        self._sensors.clear()
        self._services = {
            name: service
            for name, service in self._services.items()
            if not service.has_ended and now - service.received_at <= LATE_S
        }
        self._is_replay = self._is_always_replay
        self._updated_at = -math.inf  # pages are told at once

    def update(self) -> dict[str, Any] | None:
        now = self._clock()
        if now - self._updated_at < UPDATE_PERIOD_S:
            return None
        self._updated_at = now
        return self.to_dict()

    def history(self) -> dict[str, Any]:
        return self.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """The status of everything, for the pages' scripts."""
        now = self._clock()
        for name in [n for n, s in self._services.items() if now - s.received_at > GONE_S]:
            del self._services[name]
        return {
            "kind": "status",
            "running": self.is_running,
            "finished": self.has_finished,
            "streams": {
                name: self._stream_to_dict(name, s, now) for name, s in self.streams.items()
            },
            "sensors": [self._sensor_to_dict(s, now) for s in self._sensors.values()],
            "lost_sensors": list(self._lost_sensors(now)),
            "services": [
                _service_to_dict(s, now, is_over=s.has_ended or self.has_finished)
                for _, s in sorted(self._services.items())
            ],
        }

    @property
    def is_running(self) -> bool:
        """Whether anything arrives from the hub."""
        return self._received_at is not None and self._clock() - self._received_at <= SILENT_S

    @property
    def epochs(self) -> dict[str, int]:
        """Epochs of the streams that have ended, by stream."""
        return {name: one.end.epoch for name, one in self.streams.items() if one.end}

    @property
    def has_finished(self) -> bool:
        """Whether all streams have ended and are completely written."""
        return bool(self.streams) and all(s.end and s.is_done for s in self.streams.values())

    def _stream(self, name: str) -> StreamStatus:
        return self.streams.setdefault(name, StreamStatus())

    def _stream_to_dict(self, name: str, stream: StreamStatus, now: float) -> dict[str, Any]:
        status, detail = self._stream_status(name, stream, now)
        start = stream.start
        return {
            "status": status, "detail": detail, "source": start.source if start else "",
            "live": bool(start and start.live), "replay": bool(start and start.replay),
        }  # fmt: skip

    def _stream_status(self, name: str, stream: StreamStatus, now: float) -> tuple[str, str]:
        """Why a stream shows no live video, and details; both empty if it does."""
        if stream.end:
            return "ended", stream.end.detail or END_REASONS[stream.end.reason]
        capture = self._services.get(f"capture/{name}")
        if capture and capture.health.state == "degraded":
            return "no camera", capture.health.detail
        if self._is_replay:
            return "", ""
        if capture and now - capture.received_at > SILENT_S:
            return "no camera", "its process does not respond"
        if stream.frame_at is None:
            return "waiting", "for the first frame"
        if now - stream.frame_at > NO_FRAME_S:
            return "no camera", f"no frame for {now - stream.frame_at:.0f} s"
        if stream.result_at is None or now - stream.result_at > NO_FRAME_S:
            return "waiting", "for the first result"
        return "", ""

    def _sensor_to_dict(self, sensor: SensorStatus, now: float) -> dict[str, Any]:
        samples = sensor.samples
        status, detail = "", ""
        is_over = self.has_finished or self._has_sensor_ended(samples.subject)
        if now - sensor.received_at > NO_SAMPLE_S and not (self._is_replay or is_over):
            status, detail = "sensor lost", f"no samples for {now - sensor.received_at:.0f} s"
        elif samples.quality < USABLE_QUALITY:
            status, detail = "sensor lost", samples.reason or "its values are not plausible"
        return {
            "subject": samples.subject, "signal": samples.signal, "unit": samples.unit,
            "value": round(samples.values[-1], 2), "quality": round(samples.quality, 2),
            "synthetic": samples.synthetic, "status": status, "detail": detail,
        }  # fmt: skip

    def _has_sensor_ended(self, subject: str) -> bool:
        """Whether a person's sensors have announced that nothing follows."""
        beginning = sensor_service(subject)
        own = [one for name, one in self._services.items() if name.startswith(beginning)]
        return bool(own) and all(one.has_ended for one in own)

    def _lost_sensors(self, now: float) -> Iterator[dict[str, str]]:
        """Sensors whose own process reports a problem or does not respond."""
        for name, service in sorted(self._services.items()):
            if not name.startswith("biometrics/") or self.has_finished:
                continue
            if service.health.state == "degraded":
                yield {"name": name, "detail": service.health.detail}
            elif now - service.received_at > SILENT_S and not (
                self._is_replay or service.has_ended
            ):
                yield {"name": name, "detail": "its process does not respond"}


def _service_to_dict(service: ServiceStatus, now: float, *, is_over: bool) -> dict[str, Any]:
    health = service.health
    is_silent = now - service.received_at > SILENT_S
    state: str = "away" if is_silent else health.state
    detail = health.detail
    if is_silent:
        detail = f"no health message for {now - service.received_at:.0f} s"
    if is_silent and is_over:
        state, detail = "ended", ""
    latency = health.latency
    return {
        "name": health.service,
        "state": state,
        "detail": detail,
        "rate": 0.0 if is_silent else round(service.rate(), 1),
        "p50": round(latency.p50_ms, 1) if latency else None,
        "p95": round(latency.p95_ms, 1) if latency else None,
        "skipped": health.counters.get("skipped", 0),
        "invalid": health.counters.get("invalid", 0),
    }
