"""Receipts of consumers for what is on disk; until then, publishers keep it for them."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from affectline.common.identifiers import ServiceName
from affectline.common.wire.base import EXAMPLE_AT, Count, Message

Key = Annotated[tuple[Count, Count], Field(strict=False)]


class Kept(Message):
    """A consumer's receipt: these messages are on disk, and need not be sent again.

    Sink and recorders publish it a few times a second while there is something new. In lossless
    delivery, publishers keep their messages until all such consumers have them. The hub keeps
    markers in every delivery. Never recorded.
    """

    topic_prefix: ClassVar[str] = "kept"
    topic_levels: ClassVar[tuple[str, ...]] = ("by",)
    names_publisher: ClassVar[bool] = True
    is_recorded: ClassVar[bool] = False
    max_header_bytes: ClassVar[int] = 1 << 20
    message: Literal["Kept"] = "Kept"
    by: ServiceName
    """The consumer, such as ``recorder``."""
    prefixes: Annotated[tuple[str, ...], Field(max_length=64, strict=False)]
    """Prefixes of the topics whose messages it keeps."""
    keys: dict[str, Annotated[tuple[Key, ...], Field(strict=False)]] = Field(default_factory=dict)
    """By topic: the `Message.key` of each message that is newly on disk."""
    ended: bool = False
    """Whether it has finished, and keeps nothing more."""

    @classmethod
    def example(cls) -> Self:
        return cls(
            by="recorder", prefixes=("frame/", "marker/"),
            keys={"frame/drive": ((EXAMPLE_AT // 1_000_000, 7),)},
        )  # fmt: skip
