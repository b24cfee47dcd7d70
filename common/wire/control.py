"""Commands to a running pipeline: control a replay, record, calibrate, quit."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, Field

from affectline.common.identifiers import MOST_TYPED, Name, ServiceName
from affectline.common.wire.base import EXAMPLE_AT, Message, Nanoseconds

PIPELINE = "pipeline"
"""The target name of the supervisor."""
REPLAY = "replay"


class _Command(BaseModel):
    model_config = Message.model_config


class Pause(_Command):
    """Pause a replay, or resume it."""

    command: Literal["pause"] = "pause"
    paused: bool | None = None
    """None: pause if it plays, resume if it is paused."""


class Step(_Command):
    """Pause a replay and show its next frame."""

    command: Literal["step"] = "step"


class Seek(_Command):
    """Continue a replay from another position; if paused, show the first frame there."""

    command: Literal["seek"] = "seek"
    position_s: Annotated[float, Field(ge=0)]
    """Position in the recording, in seconds."""
    rate: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Multiple of the recorded speed; None: as before."""


class Record(_Command):
    """Start recording the bus into a new session."""

    command: Literal["record"] = "record"
    session: Name
    privacy: Literal["everything", "blurred", "features"]
    consent: Annotated[str, Field(min_length=1, max_length=4000)]
    """Who agreed to be recorded, when and how; kept in the recording."""
    study: dict[Name, Annotated[str, Field(min_length=1, max_length=1000)]] = Field(
        default_factory=dict
    )
    """The session's place in a study, such as ``participant`` and ``condition``, instead of the
    pipeline's own."""
    title: Annotated[str, Field(min_length=1, max_length=MOST_TYPED)] | None = None
    """The session's name as typed, kept in the recording. If the name is taken, a session with a
    title gets a number appended; one without is refused."""


class StopRecording(_Command):
    """Finish the recording that `Record` started."""

    command: Literal["stop_recording"] = "stop_recording"


class Calibrate(_Command):
    """Use the next seconds as a subject's baseline at rest and usual direction of looking."""

    command: Literal["calibrate"] = "calibrate"
    subject: Name | None = None
    """None: every subject."""
    seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0


class Quit(_Command):
    """Stop the pipeline properly, as Ctrl-C does."""

    command: Literal["quit"] = "quit"


Command = Annotated[
    Pause | Step | Seek | Record | StopRecording | Calibrate | Quit,
    Field(discriminator="command"),
]


class Control(Message):
    """A command to one process, or to the pipeline as a whole. Never recorded or replayed."""

    topic_prefix: ClassVar[str] = "control"
    topic_levels: ClassVar[tuple[str, ...]] = ("target",)
    published_by: ClassVar[tuple[str, ...]] = ("collect", "dashboard", "remote", "sink")
    is_recorded: ClassVar[bool] = False  # a replay must not repeat commands
    message: Literal["Control"] = "Control"
    target: ServiceName
    """``replay``, ``fusion`` or another process; ``pipeline`` for the supervisor."""
    at: Nanoseconds
    action: Command

    @classmethod
    def example(cls) -> Self:
        return cls(target="replay", at=EXAMPLE_AT, action=Seek(position_s=12.5, rate=2.0))

    @property
    def time(self) -> int:
        return self.at
