"""Tells one run of a pipeline from the next, for pages and tools that outlive runs."""

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.runtime.marking import no_hub
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.messages import (
    FrameMessage,
    Marker,
    StreamDone,
    StreamEnd,
    StreamMessage,
    StreamStart,
)

SILENT_S: Final = 3.0
"""Every process publishes its health once a second; without it for this long, it counts as away."""
HUNG_S: Final = 10.0
"""A hub that is connected may be silent for this long: one that hangs is replaced meanwhile."""


@dataclass
class WatchedStream:
    """A stream of the run."""

    epoch: int
    has_ended: bool = False
    is_written: bool = False
    """The sink has written all of it."""


class RunWatch:
    """Follows the streams of a hub, and notices when another run begins. Thread-safe.

    A hub that was restarted goes on with the streams of before. Another run starts its own, after
    all others have ended, or after the hub was away.

    Args:
        hub: The hub.
        clock: Returns the time in seconds.
    """

    def __init__(self, hub: HubSettings, clock: Callable[[], float] = monotonic) -> None:
        self._hub, self._clock = hub, clock
        self._lock = threading.RLock()
        self._streams: dict[str, WatchedStream] = {}
        self._session_start: int | None = None
        self._heard_at = -math.inf
        self._is_connected = False
        self._is_sure = True
        self.runs = 0
        """How many runs have followed another one."""

    def observe(self, message: Message) -> bool:
        """Process any message; return whether it is the first one of another run."""
        with self._lock:
            self._heard_at = self._clock()
            if not isinstance(message, StreamMessage):
                return False
            is_first = self._begins_run(message)
            if is_first:
                self._begin()
            self._record(message)
            return is_first

    def lose_hub(self) -> None:
        """The connection to the hub has ended: another run may be there when it is back."""
        with self._lock:
            self._is_connected = False
            self._is_sure = not self._streams

    def find_hub(self) -> bool:
        """The hub is connected; return whether this alone shows that another run begins."""
        with self._lock:
            self._is_connected, self._heard_at = True, self._clock()
            is_another = not self._is_sure and self._has_ended
            if is_another:
                self._begin()
            return is_another

    @property
    def is_sure(self) -> bool:
        """Whether the run is known to be that of before; after the hub was away, it is not."""
        return self._is_sure

    @property
    def has_finished(self) -> bool:
        """Whether all streams have ended and are completely written."""
        with self._lock:
            return self._has_ended and all(one.is_written for one in self._streams.values())

    def require(self) -> None:
        """Check that there is a pipeline that can take markers and be recorded.

        Raises:
            AffectlineError: There is none, or its run has finished.
        """
        with self._lock:
            silent_s = self._clock() - self._heard_at
            is_there = silent_s <= (HUNG_S if self._is_connected else SILENT_S)
        if not is_there:
            raise no_hub(self._hub)
        if self.has_finished:
            raise AffectlineError(
                f"the run on {self._hub.ingress} has finished",
                "start the next one with affectline up",
            )

    @property
    def _has_ended(self) -> bool:
        return bool(self._streams) and all(one.has_ended for one in self._streams.values())

    def _begins_run(self, message: StreamMessage) -> bool:
        if not self._streams:
            return False
        if isinstance(message, StreamStart):
            is_other = message.session_start != self._session_start
            if self._is_sure:
                return is_other and self._has_ended
            return is_other or self._has_ended
        # The start of a stream may have been missed while the hub was away
        is_frame = isinstance(message, FrameMessage)
        return is_frame and not self._is_sure and not self._is_known(message)

    def _is_known(self, message: StreamMessage) -> bool:
        known = self._streams.get(message.stream)
        return known is not None and message.epoch <= known.epoch

    def _begin(self) -> None:
        self._streams.clear()
        self._session_start = None
        self._is_sure = True
        self.runs += 1

    def _record(self, message: StreamMessage) -> None:
        if self._is_connected and (self._is_known(message) or isinstance(message, StreamStart)):
            self._is_sure = True
        if isinstance(message, StreamStart):
            self._session_start = message.session_start
            self._streams[message.stream] = WatchedStream(message.epoch)
            return
        if not self._is_known(message):
            self._streams[message.stream] = WatchedStream(message.epoch)
        stream = self._streams[message.stream]
        if message.epoch == stream.epoch:
            stream.has_ended |= isinstance(message, StreamEnd)
            stream.is_written |= isinstance(message, StreamDone) and message.by == "sink"


def describe_lost(messages: Iterable[Message]) -> str:
    """A sentence about markers of the last run that this one must not get."""
    labels = [f"{m.label[:40]!r}" for m in messages if isinstance(m, Marker)]
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return f"not stored: {', '.join(labels[:3])}{more}, set when the last run had gone"
