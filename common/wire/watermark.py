"""Progress of a source, which consumers that combine several sources wait for."""

from typing import ClassVar, Literal, Self

from affectline.common.identifiers import ServiceName
from affectline.common.wire.base import EXAMPLE_AT, Message, Nanoseconds


class Watermark(Message):
    """A source's promise that none of its later messages is about an earlier moment.

    Recorded sources (films, tables) and fusion publish it, so that consumers can handle messages of
    several sources in the order of their events, and no source runs far ahead of the others.
    Repeated every half second, because it is not acknowledged. Never recorded.
    """

    topic_prefix: ClassVar[str] = "watermark"
    topic_levels: ClassVar[tuple[str, ...]] = ("source",)
    names_publisher: ClassVar[bool] = True
    is_recorded: ClassVar[bool] = False
    message: Literal["Watermark"] = "Watermark"
    source: ServiceName
    """The service that publishes it, such as ``biometrics/anna/csv``."""
    at: Nanoseconds
    """No later message of the source has an event time before this."""
    ended: bool = False
    """Whether no further message follows."""

    @property
    def event_time(self) -> int:
        return self.at

    @classmethod
    def example(cls) -> Self:
        return cls(source="biometrics/driver-csv", at=EXAMPLE_AT)
