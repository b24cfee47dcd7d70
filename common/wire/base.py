"""The base of all messages on the wire."""

from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field


class Moment(NamedTuple):
    """Marks a field as a moment, which cannot lie far in the future."""

    unit_ns: int
    """The field's unit in nanoseconds."""


Nanoseconds = Annotated[int, Field(ge=0, lt=2**63), Moment(1)]
"""A moment, in nanoseconds since the Unix epoch."""
Duration = Annotated[int, Field(ge=0, lt=2**63)]
"""A duration in nanoseconds."""
Epoch = Annotated[int, Field(ge=0, lt=2**63), Moment(1_000_000)]
"""The start of a process in ms since the Unix epoch."""
Count = Annotated[int, Field(ge=0, lt=2**63)]
Seq = Annotated[int, Field(ge=0, lt=2**48)]
"""A number in a sequence; at a thousand a second, the range lasts 8900 years."""
LastSeq = Annotated[int, Field(ge=-1, lt=2**48)]
"""The last number of a sequence; -1: it was empty."""
Pixels = Annotated[int, Field(ge=0, le=65535)]
Probability = Annotated[float, Field(ge=0, le=1)]

EXAMPLE_AT = 1_795_445_587_329_376_688
EXAMPLE_EPOCH = 1_795_445_587_179


class Message(BaseModel):
    """Base of all messages. Binary parts travel beside the header as raw bytes.

    A class with a field ``message``, which holds the name of the class, is a kind of message. No
    registration is needed: `common.wire.kinds` finds all kinds in the modules of this package.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    topic_prefix: ClassVar[str]
    """First level of its topics."""
    topic_levels: ClassVar[tuple[str, ...]] = ()
    """Fields that hold the further levels of its topics."""
    parts_description: ClassVar[str] = ""
    """Content of its binary parts, for the documents; empty: it has none."""
    shows_people: ClassVar[bool] = False
    """Whether its binary parts are images of people, which some recordings must not contain."""
    is_recorded: ClassVar[bool] = True
    """Whether recordings contain it and replays publish it again."""
    is_input: ClassVar[bool] = False
    """Whether it comes from outside (a camera, a sensor, a person): a reanalysis publishes these
    again, and the pipeline recomputes all others."""
    is_open_to_tools: ClassVar[bool] = False
    """Whether tools outside the pipeline may publish it."""
    published_by: ClassVar[tuple[str, ...]] = ()
    """Kinds of services that create it; a replay also publishes everything recorded."""
    names_publisher: ClassVar[bool] = False
    """Whether the last level of its topics is the service that publishes it."""
    max_header_bytes: ClassVar[int] = 1 << 16
    """Maximum length of the header in bytes; a longer one is refused without parsing it."""
    example_parts: ClassVar[tuple[bytes, ...]] = ()
    """The binary parts of its `example`."""

    version: Literal[1] = 1

    @classmethod
    def example(cls) -> Self:
        """An example of this kind, for the golden bytes, documents and tests."""
        raise NotImplementedError(f"{cls.__name__} has no example")

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        declared = cls.model_fields.get("message")
        if declared is None:  # a base of several kinds
            return
        if declared.default != cls.__name__:
            raise TypeError(
                f"{cls.__name__}.message: the default is {declared.default!r}, "
                f"make it {cls.__name__!r}"
            )
        for level in cls.topic_levels:
            if level not in cls.model_fields:
                raise TypeError(f"{cls.__name__}.topic_levels: {level!r} is not one of its fields")

    @property
    def topic(self) -> str:
        """The topic that this message is published on."""
        values = self.__dict__  # used twice per message, and faster than getattr
        if len(self.topic_levels) == 1:
            return f"{self.topic_prefix}/{values[self.topic_levels[0]]}"
        return "/".join([self.topic_prefix, *[values[name] for name in self.topic_levels]])

    def may_be_of(self, service: str) -> bool:
        """Whether a kind of service, such as ``classifier``, publishes such messages."""
        if self.names_publisher:
            name: str = self.__dict__[self.topic_levels[-1]]
            return name.split("/")[0] == service
        return service in self.published_by or (service == "replay" and self.is_recorded)

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Convert an older version's header to this one; unchanged if there is none."""
        return fields

    @property
    def time(self) -> int | None:
        """When this message was made, by the clock, in ns since the Unix epoch; None: unknown."""
        return None

    @property
    def latest_moment(self) -> int:
        """The latest moment in its fields, in ns since the Unix epoch; 0: it has none."""
        values = self.__dict__
        named = [values[name] * unit for name, unit in _moments(type(self)) if values[name]]
        return max(named, default=0)

    @property
    def event_time(self) -> int | None:
        """When its event happened, on the session's time line, in ns since the Unix epoch.

        None if it has no place on the time line.
        """
        return None

    @property
    def key(self) -> tuple[int, int] | None:
        """Identifies it among the messages on its topic; None: no consumer must keep it.

        Consumers that keep messages store one per key. A publisher keeps messages with a key until
        the consumers that write to disk have confirmed them (`Kept`).
        """
        return None

    @property
    def part_sizes(self) -> tuple[int | None, ...]:
        """Length in bytes of every binary part; None: the header does not define it."""
        return ()


@cache
def _moments(kind: type[BaseModel]) -> tuple[tuple[str, int], ...]:
    """The fields of a kind of message that hold moments, and their units in nanoseconds."""
    found: list[tuple[str, int]] = []
    for name, field in kind.model_fields.items():
        marks = [mark for mark in field.metadata if isinstance(mark, Moment)]
        # The marks of an optional field are below the union
        for option in getattr(field.annotation, "__args__", ()):
            marks += [m for m in getattr(option, "__metadata__", ()) if isinstance(m, Moment)]
        found += [(name, mark.unit_ns) for mark in marks]
    return tuple(found)
