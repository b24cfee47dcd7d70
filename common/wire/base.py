"""What every message on the wire is made of."""

from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field


class Moment(NamedTuple):
    """Marks a field that holds a moment, which cannot lie far ahead of the present."""

    unit_ns: int
    """What one of the field's units is in nanoseconds."""


Nanoseconds = Annotated[int, Field(ge=0, lt=2**63), Moment(1)]
"""A moment, since the Unix epoch."""
Duration = Annotated[int, Field(ge=0, lt=2**63)]
"""In nanoseconds."""
Epoch = Annotated[int, Field(ge=0, lt=2**63), Moment(1_000_000)]
"""The start of a process in ms since the Unix epoch."""
Count = Annotated[int, Field(ge=0, lt=2**63)]
Seq = Annotated[int, Field(ge=0, lt=2**48)]
"""A number in a sequence: at a thousand a second it takes 8900 years to get to the last one."""
LastSeq = Annotated[int, Field(ge=-1, lt=2**48)]
"""The last number of a sequence; -1 where there was none."""
Pixels = Annotated[int, Field(ge=0, le=65535)]
Probability = Annotated[float, Field(ge=0, le=1)]

EXAMPLE_AT = 1_795_445_587_329_376_688
EXAMPLE_EPOCH = 1_795_445_587_179


class Message(BaseModel):
    """What all messages share. ``parts`` travel beside the header as raw bytes.

    A class with a field ``message``, which is its name, is a kind of message. One that is defined
    in a module of this package needs no other line: `common.wire.kinds` finds it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    topic_prefix: ClassVar[str]
    """First level of its topics."""
    topic_levels: ClassVar[tuple[str, ...]] = ()
    """Fields whose values are the further levels of its topics."""
    parts_description: ClassVar[str] = ""
    """What its binary parts hold, for the documents; empty where it has none."""
    shows_people: ClassVar[bool] = False
    """Whether its binary parts are images of people, which not every recording may hold."""
    is_recorded: ClassVar[bool] = True
    """Whether recordings hold it and replays publish it again."""
    is_input: ClassVar[bool] = False
    """Whether it comes from outside (a camera, a sensor, a person): a reanalysis publishes it
    again, whereas the pipeline makes all other messages anew."""
    is_open_to_tools: ClassVar[bool] = False
    """Whether tools outside the pipeline publish it."""
    published_by: ClassVar[tuple[str, ...]] = ()
    """Kinds of services that publish it anew; a replay publishes all that is recorded."""
    names_publisher: ClassVar[bool] = False
    """Whether the last level of its topics is the service that publishes it."""
    max_header_bytes: ClassVar[int] = 1 << 16
    """A longer header is not even parsed."""
    example_parts: ClassVar[tuple[bytes, ...]] = ()
    """The binary parts of its `example`."""

    version: Literal[1] = 1

    @classmethod
    def example(cls) -> Self:
        """A message of this kind, for the golden bytes, documents and tests."""
        raise NotImplementedError(f"{cls.__name__} has no example")

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        declared = cls.model_fields.get("message")
        if declared is None:  # what several kinds have in common
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
        values = self.__dict__  # needed twice for every message: faster than getattr
        if len(self.topic_levels) == 1:
            return f"{self.topic_prefix}/{values[self.topic_levels[0]]}"
        return "/".join([self.topic_prefix, *[values[name] for name in self.topic_levels]])

    def may_be_of(self, service: str) -> bool:
        """Whether a kind of service publishes such a message: ``classifier``, for example."""
        if self.names_publisher:
            name: str = self.__dict__[self.topic_levels[-1]]
            return name.split("/")[0] == service
        return service in self.published_by or (service == "replay" and self.is_recorded)

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The header of an older version as one of this version; as it is where there is none."""
        return fields

    @property
    def time(self) -> int | None:
        """When this message was made, by the clock, in ns since the Unix epoch; None: unknown."""
        return None

    @property
    def latest_moment(self) -> int:
        """The latest moment that it names, in ns since the Unix epoch; 0 where it names none."""
        values = self.__dict__
        named = [values[name] * unit for name, unit in _moments(type(self)) if values[name]]
        return max(named, default=0)

    @property
    def event_time(self) -> int | None:
        """When what it tells happened, on the session's time line, in ns since the Unix epoch.

        None where it tells nothing that has a place there.
        """
        return None

    @property
    def key(self) -> tuple[int, int] | None:
        """What tells it from all others on its topic; None for what nobody would miss.

        Whoever keeps messages keeps one of a key, and a publisher keeps those with a key until it
        knows that the consumers at the end of the line have them (`Kept`).
        """
        return None

    @property
    def part_sizes(self) -> tuple[int | None, ...]:
        """Length in bytes of every binary part; None where only the part itself knows."""
        return ()


@cache
def _moments(kind: type[BaseModel]) -> tuple[tuple[str, int], ...]:
    """The fields of a kind of message that hold moments, and their units in nanoseconds."""
    found: list[tuple[str, int]] = []
    for name, field in kind.model_fields.items():
        marks = [mark for mark in field.metadata if isinstance(mark, Moment)]
        # An optional one has its marks below the union
        for option in getattr(field.annotation, "__args__", ()):
            marks += [m for m in getattr(option, "__metadata__", ()) if isinstance(m, Moment)]
        found += [(name, mark.unit_ns) for mark in marks]
    return tuple(found)
