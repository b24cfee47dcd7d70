"""What every message on the wire is made of."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Nanoseconds = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
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

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The header of an older version as one of this version; as it is where there is none."""
        return fields

    @property
    def time(self) -> int | None:
        """When this message was made, by the clock, in ns since the Unix epoch; None: unknown."""
        return None

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
