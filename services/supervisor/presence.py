"""Checks whether the streams that a recording requires are present."""

from collections.abc import Iterable
from typing import Final

from affectline.common.identifiers import shorten, to_name
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion, Packet

FRESH_S: Final = 5.0
"""A stream counts as missing after this time without a message; slow sensors send one a second."""


class StreamPresence:
    """Watches for the streams of the setting ``require``.

    Args:
        required: Names of video streams (``front``), signals (``anna/heart_rate``) and marker
            streams of the Lab Streaming Layer (``PsychoPyMarkers``).
    """

    def __init__(self, required: Iterable[str]) -> None:
        self._required = tuple(required)
        self._seen: dict[str, float] = {}

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Topic prefixes to observe."""
        return ("bio/", "health/biometrics") if self._required else ()

    def observe(self, packet: Packet, now_s: float) -> None:
        """Observe a message of any kind.

        Args:
            packet: The message.
            now_s: Seconds of the monotonic clock.
        """
        match packet.message:
            case Emotion() as emotion if emotion.missing is None:
                self._seen[emotion.stream] = now_s
            case Samples() as samples:
                self._seen[f"{samples.subject}/{samples.signal}"] = now_s
            case Health() as health if health.state == "ready" and not health.detail:
                _, _, stream = health.service.partition("/lsl-")
                # The service's name has what is left of a stream's
                same = [n for n in self._required if shorten(to_name(n), len(stream)) == stream]
                self._seen |= dict.fromkeys(same if stream else (), now_s)

    def missing(self, now_s: float) -> list[str]:
        """Names of required streams that are missing."""
        return [
            name for name in self._required if now_s - self._seen.get(name, -FRESH_S) >= FRESH_S
        ]
