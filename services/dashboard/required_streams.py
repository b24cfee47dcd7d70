"""Tracks which required streams are present."""

from typing import Any

from affectline.common.clock import monotonic
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Packet
from affectline.services.supervisor.presence import StreamPresence


class RequiredStreams:
    """Watches the live hub for the streams of the setting ``require``.

    Args:
        required: Names of the required streams.
    """

    def __init__(self, required: tuple[str, ...]) -> None:
        self._presence = StreamPresence(required)

    @property
    def missing(self) -> list[str]:
        """Names of missing streams."""
        return self._presence.missing(monotonic())

    def add(self, message: Message) -> None:
        self._presence.observe(Packet(message), monotonic())

    def clear(self) -> None:
        """Do nothing: presence does not depend on the time line."""

    def update(self) -> dict[str, Any] | None:
        return None

    def history(self) -> dict[str, Any]:
        return {"kind": "required", "missing": self.missing}
