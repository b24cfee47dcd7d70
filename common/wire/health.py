"""How a process is: the message that every one of them sends once a second."""

import os
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, Field

from affectline.common.identifiers import ServiceName
from affectline.common.wire.base import Count, Message, Nanoseconds

AT_END: Final = "at the end"
"""`Health.detail` of a player that has said everything."""


class Latency(BaseModel):
    """Quantiles of a stage's latency over the last 500 messages, in ms."""

    model_config = Message.model_config

    p50_ms: Annotated[float, Field(ge=0)]
    p95_ms: Annotated[float, Field(ge=0)]
    p99_ms: Annotated[float, Field(ge=0)]


class ClockOffset(BaseModel):
    """How far a host's clock is from the hub's."""

    model_config = Message.model_config

    offset_ms: float
    """The hub's clock less the host's."""
    uncertainty_ms: Annotated[float, Field(ge=0)]
    """Half of the shortest round trip: the offset is wrong by this at most."""
    corrected_ms: float
    """What the process adds to its host's clock; 0 where the offset may just as well be none."""


class Health(Message):
    """How a process is: once a second."""

    topic_prefix: ClassVar[str] = "health"
    message: Literal["Health"] = "Health"
    service: ServiceName
    pid: Count
    at: Nanoseconds
    state: Literal["ready", "degraded"]
    detail: str = ""
    """In words, e.g. that a camera was lost and when it is tried again."""
    counters: dict[str, Count] = Field(default_factory=dict)
    """Since the process started: ``in``, ``out``, ``skipped``, ``invalid`` and the stage's own."""
    latency: Latency | None = None
    clock: ClockOffset | None = None
    """None on the hub's own machine, and before the hub has answered."""

    @property
    def time(self) -> int:
        return self.at

    @property
    def topic(self) -> str:
        return f"{self.topic_prefix}/{self.service}"


def ends_replay(message: Message, since: int) -> bool:
    """Whether this is a player's last word: everything of the recording was before.

    Args:
        message: Any.
        since: Nanoseconds since the Unix epoch; an earlier last word is part of the recording.
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
    """Put together a health message of this process."""
    ordered = sorted(latencies_ms)
    return Health(
        service=service,
        pid=os.getpid(),
        at=at,
        state=state,
        detail=detail,
        counters={"in": 0, "out": 0, "skipped": 0, "invalid": 0, **counters},
        latency=quantiles(ordered) if ordered else None,
        clock=clock,
    )


def quantiles(ordered: list[float]) -> Latency:
    """Nearest-rank quantiles of a sorted, non-empty list of milliseconds."""
    p50, p95, p99 = (
        ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.5, 0.95, 0.99)
    )
    return Latency(p50_ms=p50, p95_ms=p95, p99_ms=p99)
