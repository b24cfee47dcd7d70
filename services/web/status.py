"""How everything is, in the few words that stand on the page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from affectline.common.clock import monotonic
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion, Frame, StreamEnd, StreamStart

SILENT_S: Final = 3.0
"""Every process speaks once a second; whoever has not done so for this long is away."""
GONE_S: Final = 60.0
"""Then it is left out of the list."""
NO_PICTURE_S: Final = 2.0
NO_SAMPLE_S: Final = 5.0
TRUSTED: Final = 0.05
"""Samples of less quality than this tell nothing."""


@dataclass
class StreamStatus:
    """What is known of a video stream."""

    start: StreamStart | None = None
    end: StreamEnd | None = None
    pictured: float | None = None
    answered: float | None = None
    last_seq: int = -1


@dataclass
class ServiceStatus:
    """The last word of a process, and the one before it."""

    health: Health
    heard: float
    before: Health | None = None

    def rate(self) -> float:
        """Messages a second that came in, or went out where none come in."""
        if self.before is None or self.health.at <= self.before.at:
            return 0.0
        seconds = (self.health.at - self.before.at) / 1e9
        grown = (
            self.health.counters.get(name, 0) - self.before.counters.get(name, 0)
            for name in ("in", "out")
        )
        return max(0.0, *grown) / seconds


@dataclass
class SensorStatus:
    """The last samples of one signal of one person."""

    samples: Samples
    heard: float


class StatusTracker:
    """Follows what is said, and what is not.

    Args:
        clock: Seconds.
        is_replay: What is heard is a recording: it may be paused or slow, and silence says nothing.
    """

    def __init__(self, clock: Callable[[], float] = monotonic, *, is_replay: bool = False) -> None:
        self._clock, self._is_replay = clock, is_replay
        self._heard: float | None = None
        self.streams: dict[str, StreamStatus] = {}
        self._services: dict[str, ServiceStatus] = {}
        self._sensors: dict[tuple[str, str], SensorStatus] = {}

    def take(self, message: Message) -> None:
        """Take in any message."""
        now = self._clock()
        self._heard = now
        if isinstance(message, Frame):
            self._stream(message.stream).pictured = now
        elif isinstance(message, Emotion):
            stream = self._stream(message.stream)
            stream.answered, stream.last_seq = now, message.seq
        elif isinstance(message, StreamStart):
            self.streams[message.stream] = StreamStatus(start=message)
            self._is_replay = self._is_replay or message.replay
        elif isinstance(message, StreamEnd):
            self._stream(message.stream).end = message
        elif isinstance(message, Samples):
            self._sensors[message.subject, message.signal] = SensorStatus(message, now)
        elif isinstance(message, Health):
            known = self._services.get(message.service)
            before = known.health if known and known.health.pid == message.pid else None
            self._services[message.service] = ServiceStatus(message, now, before)
            kind, _, stream_name = message.service.partition("/")
            if kind == "capture":
                self._stream(stream_name)

    def clear(self) -> None:
        """Forget the streams and sensors: what follows is another time."""
        self.streams.clear()
        self._sensors.clear()

    def tell(self) -> dict[str, Any]:
        """Everything, as the page shows it."""
        now = self._clock()
        for name in [n for n, s in self._services.items() if now - s.heard > GONE_S]:
            del self._services[name]
        silent = self._heard is None or now - self._heard > SILENT_S
        return {
            "kind": "standing",
            "running": not silent,
            "streams": {name: self._tell_stream(name, s, now) for name, s in self.streams.items()},
            "sensors": [self._tell_sensor(s, now) for s in self._sensors.values()],
            "lost_sensors": list(self._lost_sensors(now)),
            "services": [_tell_service(s, now) for _, s in sorted(self._services.items())],
        }

    def _stream(self, name: str) -> StreamStatus:
        return self.streams.setdefault(name, StreamStatus())

    def _tell_stream(self, name: str, stream: StreamStatus, now: float) -> dict[str, Any]:
        word, detail = self._word(name, stream, now)
        start = stream.start
        return {
            "word": word, "detail": detail, "source": start.source if start else "",
            "live": bool(start and start.live), "replay": bool(start and start.replay),
        }  # fmt: skip

    def _word(self, name: str, stream: StreamStatus, now: float) -> tuple[str, str]:
        """What keeps a stream's picture from being a live one."""
        if stream.end:
            why = {"end": "", "truncated": "its file is cut off", "stopped": "stopped"}
            return "ended", stream.end.detail or why[stream.end.reason]
        capture = self._services.get(f"capture/{name}")
        if capture and capture.health.state == "degraded":
            return "no camera", capture.health.detail
        if self._is_replay:
            return "", ""
        if capture and now - capture.heard > SILENT_S:
            return "no camera", "its process does not answer"
        if stream.pictured is None:
            return "waiting", "for the first picture"
        if now - stream.pictured > NO_PICTURE_S:
            return "no camera", f"no picture for {now - stream.pictured:.0f} s"
        if stream.answered is None or now - stream.answered > NO_PICTURE_S:
            return "waiting", "for the first answer"
        return "", ""

    def _tell_sensor(self, sensor: SensorStatus, now: float) -> dict[str, Any]:
        samples = sensor.samples
        word, detail = "", ""
        if now - sensor.heard > NO_SAMPLE_S and not self._is_replay:
            word, detail = "sensor lost", f"nothing for {now - sensor.heard:.0f} s"
        elif samples.quality < TRUSTED:
            word, detail = "sensor lost", samples.reason or "its values cannot be trusted"
        return {
            "subject": samples.subject, "signal": samples.signal, "unit": samples.unit,
            "value": round(samples.values[-1], 2), "quality": round(samples.quality, 2),
            "synthetic": samples.synthetic, "word": word, "detail": detail,
        }  # fmt: skip

    def _lost_sensors(self, now: float) -> Any:
        """Sensors whose own process says so, or does not say anything any more."""
        for name, service in sorted(self._services.items()):
            if not name.startswith("biometrics/"):
                continue
            if service.health.state == "degraded":
                yield {"name": name, "detail": service.health.detail}
            elif now - service.heard > SILENT_S and not self._is_replay:
                yield {"name": name, "detail": "its process does not answer"}


def _tell_service(service: ServiceStatus, now: float) -> dict[str, Any]:
    health = service.health
    away = now - service.heard > SILENT_S
    latency = health.latency
    return {
        "name": health.service,
        "state": "away" if away else health.state,
        "detail": f"silent for {now - service.heard:.0f} s" if away else health.detail,
        "rate": 0.0 if away else round(service.rate(), 1),
        "p50": round(latency.p50_ms, 1) if latency else None,
        "p95": round(latency.p95_ms, 1) if latency else None,
        "skipped": health.counters.get("skipped", 0),
        "invalid": health.counters.get("invalid", 0),
    }
