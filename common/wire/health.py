"""The message that every process publishes once a second: state, counters, latency, clock."""

import os
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, Field

from affectline.common.identifiers import ServiceName
from affectline.common.wire.base import EXAMPLE_AT, Count, Message, Nanoseconds

AT_END: Final = "at the end"
"""`Health.detail` of a replay that has published everything."""
ENDED: Final = "ended"
"""`Health.detail` of a process's last message, if it has ended because it was done, or was told to.
"""
GAUGES: Final = frozenset({"takes", "viewers"})
"""Those of `Health.counters` that say how many there are now (samples in a collection, open pages):
they may fall. All others only grow."""
MOST_COUNTERS: Final = 64
"""Maximum number of counters of one process."""
MOST_DETAIL: Final = 4000
"""Maximum length of `Health.detail` in characters."""


class Latency(BaseModel):
    """Quantiles of a stage's latency over the last 500 messages, in ms."""

    model_config = Message.model_config

    p50_ms: Annotated[float, Field(ge=0)]
    p95_ms: Annotated[float, Field(ge=0)]
    p99_ms: Annotated[float, Field(ge=0)]


class ClockOffset(BaseModel):
    """The offset of a host's clock from the hub's."""

    model_config = Message.model_config

    offset_ms: float
    """The hub's clock minus the host's."""
    uncertainty_ms: Annotated[float, Field(ge=0)]
    """Half of the shortest round trip: the maximum error of the offset."""
    corrected_ms: float
    """What the process adds to its host's clock; 0 if the offset is within its error."""


class Health(Message):
    """State, counters and latency of a process, once a second."""

    topic_prefix: ClassVar[str] = "health"
    topic_levels: ClassVar[tuple[str, ...]] = ("service",)
    names_publisher: ClassVar[bool] = True
    message: Literal["Health"] = "Health"
    service: ServiceName
    pid: Count
    at: Nanoseconds
    state: Literal["ready", "degraded"]
    detail: Annotated[str, Field(max_length=MOST_DETAIL)] = ""
    """A text for people, such as that a camera was lost, and when it is opened again; ``ended`` in
    the last message of a process that has not failed."""
    counters: Annotated[
        dict[Annotated[str, Field(max_length=64)], Count], Field(max_length=MOST_COUNTERS)
    ] = Field(default_factory=dict)
    """Counts since the process started: ``in``, ``out``, ``skipped``, ``invalid`` and its own.
    ``viewers`` and ``takes`` are the numbers of open pages and of samples now, and may fall."""
    latency: Latency | None = None
    clock: ClockOffset | None = None
    """None on the hub's host, and before the hub has answered."""

    @classmethod
    def example(cls) -> Self:
        return cls(
            service="detector/drive", pid=42, at=EXAMPLE_AT, state="ready",
            counters={"in": 8, "out": 8, "skipped": 0, "invalid": 0},
            latency=Latency(p50_ms=3.0, p95_ms=4.5, p99_ms=6.0),
            clock=ClockOffset(offset_ms=-1250.5, uncertainty_ms=0.25, corrected_ms=-1250.5),
        )  # fmt: skip

    @property
    def time(self) -> int:
        return self.at


def ends_replay(message: Message, since: int) -> bool:
    """Whether this message marks the end of a replay: everything was published before it.

    Args:
        message: Any message.
        since: Start of the replay in ns since the Unix epoch; earlier messages are recorded ones.
    """
    return (
        isinstance(message, Health)
        and (message.service, message.detail) == ("replay", AT_END)
        and message.at >= since
    )


def make_health(
    service: str,
    state: Literal["ready", "degraded"],
    detail: str,
    counters: Counter[str],
    latencies_ms: Iterable[float] = (),
    *,
    at: int,
    clock: ClockOffset | None = None,
) -> Health:
    """Make a health message of this process."""
    ordered = sorted(latencies_ms)
    counted = {"in": 0, "out": 0, "skipped": 0, "invalid": 0, **counters}
    return Health(
        service=service,
        pid=os.getpid(),
        at=at,
        state=state,
        detail=detail[:MOST_DETAIL],
        counters=dict(list(counted.items())[:MOST_COUNTERS]),
        latency=quantiles(ordered) if ordered else None,
        clock=clock,
    )


def quantiles(ordered: list[float]) -> Latency:
    """Nearest-rank quantiles of a sorted, non-empty list of milliseconds."""
    p50, p95, p99 = (
        ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.5, 0.95, 0.99)
    )
    return Latency(p50_ms=p50, p95_ms=p95, p99_ms=p99)
