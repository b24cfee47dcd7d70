"""What every message on the wire is made of."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Nanoseconds = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Pixels = Annotated[int, Field(ge=0, le=65535)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Message(BaseModel):
    """What all messages share. ``parts`` travel beside the header as raw bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    topic_prefix: ClassVar[str]

    version: Literal[1] = 1

    @property
    def topic(self) -> str:
        """The topic that this message is published on."""
        raise NotImplementedError

    @property
    def time(self) -> int | None:
        """When this message was made, in ns since the Unix epoch; None where it does not say."""
        return None

    @property
    def part_sizes(self) -> tuple[int | None, ...]:
        """Length in bytes of every binary part; None where only the part itself knows."""
        return ()
