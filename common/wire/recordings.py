"""The status of recordings that commands have started."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from affectline.common.identifiers import Name
from affectline.common.wire.base import EXAMPLE_AT, Message, Nanoseconds


class RecordingStatus(Message):
    """A recording requested by `Record` is running, was refused, or has ended. Never recorded."""

    topic_prefix: ClassVar[str] = "recording"
    topic_levels: ClassVar[tuple[str, ...]] = ("session",)
    is_recorded: ClassVar[bool] = False
    message: Literal["RecordingStatus"] = "RecordingStatus"
    session: Name
    at: Nanoseconds
    state: Literal["recording", "refused", "finished", "failed"]
    detail: Annotated[str, Field(max_length=1000)] = ""
    """Why it was refused or failed."""

    @classmethod
    def example(cls) -> Self:
        return cls(
            session="drive7", at=EXAMPLE_AT, state="refused",
            detail="there is a session drive7 already: choose another name",
        )  # fmt: skip

    @property
    def time(self) -> int:
        return self.at
