"""Every message on the wire, and the topics that they travel on.

All times are nanoseconds since the Unix epoch unless a field says otherwise. Boxes are in pixels
of the frame that the message is about, ``(x, y, w, h)`` with the origin at the top left.
"""

from typing import Annotated, Any, ClassVar, Final, Generic, Literal, NamedTuple

from pydantic import BaseModel, Field, JsonValue, model_validator
from typing_extensions import TypeVar

from affectline.common.identifiers import Name
from affectline.common.labels import LABELS
from affectline.common.wire.base import Count, Message, Nanoseconds, Pixels, Probability
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.control import Control
from affectline.common.wire.health import Health

Distribution = Annotated[
    tuple[Probability, ...], Field(min_length=len(LABELS), max_length=len(LABELS), strict=False)
]
"""One probability for each of the seven emotions, in FER2013's order."""
Coordinate = Annotated[int, Field(ge=-(2**17), le=2**17)]
Box = Annotated[tuple[Coordinate, Coordinate, Pixels, Pixels], Field(strict=False)]

Missing = Literal["behind", "stale", "unanswered", "invalid"]
"""Why there is no answer: a stage was behind and skipped to a newer frame; the crop was too old
when a classifier got to it; no classifier answered in time; the picture could not be decoded."""


class StreamMessage(Message):
    """A message about one stream."""

    stream: Name
    epoch: Count
    """Start of the capture process in ms since the Unix epoch; a new one starts ``seq`` anew."""

    @property
    def topic(self) -> str:
        return f"{self.topic_prefix}/{self.stream}"


class FrameMessage(StreamMessage):
    """A message about one picture of a stream."""

    seq: Count
    """Number of the frame in its stream, from 0, without gaps at the source."""
    captured_at: Nanoseconds
    """When the picture was taken (cameras) or read (files)."""
    media_time: Nanoseconds | None = None
    """Files only: ns from the beginning of the file to this frame, by the file's own clock."""
    width: Annotated[int, Field(ge=1, le=65535)]
    height: Annotated[int, Field(ge=1, le=65535)]

    @property
    def time(self) -> int:
        return self.captured_at

    @property
    def identity(self) -> dict[str, Any]:
        """The fields that every later message about this picture carries unchanged."""
        return {name: getattr(self, name) for name in IDENTITY}


IDENTITY: Final = ("stream", "epoch", "seq", "captured_at", "media_time", "width", "height")


class Frame(FrameMessage):
    """One picture. One part: the JPEG file, or raw BGR rows (``height * width * 3`` bytes)."""

    topic_prefix: ClassVar[str] = "frame"
    message: Literal["Frame"] = "Frame"
    encoding: Literal["jpeg", "raw"] = "jpeg"

    @property
    def part_sizes(self) -> tuple[int | None, ...]:
        return (self.width * self.height * 3 if self.encoding == "raw" else None,)


class Quality(BaseModel):
    """How good a crop is to judge an expression by."""

    model_config = Message.model_config

    size: Pixels
    """Side of the face box in pixels of the frame."""
    blur: Annotated[float, Field(ge=0)]
    """Variance of the Laplacian at 48x48 pixels; below about 150 the face is blurred."""
    brightness: Annotated[float, Field(ge=0, le=1)]
    """Mean gray value; below 0.2 the face is dark, above 0.8 washed out."""


class SeenFace(BaseModel):
    """Where a face is, whose it is, and how well it can be seen."""

    model_config = Message.model_config

    track: Count
    """Identity of the face over time, from 1, within a stream and epoch."""
    box: Box
    angle: Annotated[float, Field(ge=-180, le=180)] = 0.0
    """Roll of the head in degrees, positive counter-clockwise on the screen; crops are upright."""
    quality: Quality


class Face(SeenFace):
    """One face in a frame."""

    crop_side: Annotated[int, Field(ge=1, le=4096)]
    """Side of the crop at native size in pixels."""


class Faces(FrameMessage):
    """The faces of a frame, with two parts each: the upright crop, and the same at 48x48 pixels.

    Both are rows of 8-bit gray values. The crop has the size that the face has in the picture, but
    at most 160 pixels.
    """

    topic_prefix: ClassVar[str] = "faces"
    message: Literal["Faces"] = "Faces"
    detected_at: Nanoseconds
    faces: Annotated[tuple[Face, ...], Field(max_length=256, strict=False)] = ()

    @property
    def time(self) -> int:
        return self.detected_at

    @property
    def part_sizes(self) -> tuple[int | None, ...]:
        return tuple(size for face in self.faces for size in (face.crop_side**2, 48 * 48))


class Scores(StreamMessage):
    """A classifier's answer to one `Faces`, on its way to the stream's detector.

    Several classifiers answer in any order; the detector puts the answers in order, smooths them
    over time and publishes each frame's one `Emotion`.
    """

    topic_prefix: ClassVar[str] = "scores"
    message: Literal["Scores"] = "Scores"
    seq: Count
    classified_at: Nanoseconds
    model: str
    missing: Missing | None = None
    distributions: Annotated[tuple[Distribution, ...], Field(max_length=256, strict=False)] = ()
    """One for each face of the `Faces`, in its order; empty where ``missing`` says why."""

    @property
    def time(self) -> int:
        return self.classified_at


class FaceEmotion(SeenFace):
    """What a face shows, or why nobody can say."""

    probabilities: Distribution | None = None
    """This frame alone."""
    smoothed: Distribution | None = None
    """The track up to this frame, exponentially weighted in time (`common.vision.ema`)."""
    label: Annotated[str, Field(pattern="^(" + "|".join(LABELS) + ")$")] | None = None
    """The most probable emotion of ``probabilities``."""
    confidence: Probability | None = None
    """The probability of ``label``."""
    missing: Missing | None = None


class Emotion(FrameMessage):
    """The one answer to a frame: published once for every frame, in order of ``seq``."""

    topic_prefix: ClassVar[str] = "emotion"
    message: Literal["Emotion"] = "Emotion"
    detected_at: Nanoseconds | None = None
    classified_at: Nanoseconds | None = None
    """None where no classifier was asked: no face, or the frame was skipped."""
    published_at: Nanoseconds
    model: str | None = None
    missing: Missing | None = None
    """Why the frame was not looked at; None where it was, even if it shows no face."""
    faces: Annotated[tuple[FaceEmotion, ...], Field(max_length=256, strict=False)] = ()

    @property
    def time(self) -> int:
        return self.published_at


class Resend(StreamMessage):
    """A consumer noticed a gap: the detector publishes these frames' `Emotion` again."""

    topic_prefix: ClassVar[str] = "resend"
    message: Literal["Resend"] = "Resend"
    first_seq: Count
    last_seq: Count

    @model_validator(mode="after")
    def _in_order(self) -> "Resend":
        if self.last_seq < self.first_seq:
            raise ValueError("last_seq is before first_seq")
        return self


class StreamStart(StreamMessage):
    """A source was opened."""

    topic_prefix: ClassVar[str] = "stream"
    message: Literal["StreamStart"] = "StreamStart"
    started_at: Nanoseconds
    source: str
    live: bool
    """A camera or network stream, as opposed to a file that ends."""
    first_seq: Count = 0
    rate: Annotated[float, Field(gt=0)] | None = None
    """Frames a second, as far as the source says."""
    frames: Count | None = None
    """How many frames the file claims to hold; containers are often wrong about it."""
    replay: bool = False
    """A recorded session is being replayed: all times are those of the recording."""

    @property
    def time(self) -> int:
        return self.started_at


class StreamEnd(StreamMessage):
    """No frame follows ``last_seq``; a consumer is done when all up to it are answered."""

    topic_prefix: ClassVar[str] = "stream"
    message: Literal["StreamEnd"] = "StreamEnd"
    ended_at: Nanoseconds
    last_seq: Annotated[int, Field(ge=-1, lt=2**63)]
    """-1 where there was no frame at all."""
    reason: Literal["end", "truncated", "stopped"]
    detail: str = ""

    @property
    def time(self) -> int:
        return self.ended_at


class StreamDone(StreamMessage):
    """Everything up to ``last_seq`` is dealt with: the end of the stream's end.

    The sink says so first. Fusion then says that its states of before have been published, so that
    a recorder knows when it has them all.
    """

    topic_prefix: ClassVar[str] = "stream"
    message: Literal["StreamDone"] = "StreamDone"
    by: Literal["sink", "fusion"] = "sink"
    last_seq: Annotated[int, Field(ge=-1, lt=2**63)]
    done_at: Nanoseconds

    @property
    def time(self) -> int:
        return self.done_at


class Marker(Message):
    """Something happened, said by a person or a tool."""

    topic_prefix: ClassVar[str] = "marker"
    message: Literal["Marker"] = "Marker"
    session: Name
    at: Nanoseconds
    label: Annotated[str, Field(min_length=1, max_length=1000)]
    source: str = ""
    extra: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def time(self) -> int:
        return self.at

    @property
    def topic(self) -> str:
        return f"{self.topic_prefix}/{self.session}"


M_co = TypeVar("M_co", bound=Message, covariant=True, default=Message)


class Packet(NamedTuple, Generic[M_co]):
    """A message and its binary parts."""

    message: M_co
    parts: tuple[bytes | memoryview, ...] = ()


MESSAGES: Final[dict[str, type[Message]]] = {
    kind.__name__: kind
    for kind in (
        Frame, Faces, Scores, Emotion, Resend, StreamStart, StreamEnd, StreamDone, Samples, State,
        Marker, Health, Control,
    )
}  # fmt: skip
"""Every message by the name in its ``message`` field."""

READY: Final = "~ready/"
"""Not a message: a consumer subscribes to ``~ready/<service>`` after its other subscriptions, and
sources see that subscription arrive. Sorted after all topics, so it is also last on a reconnect."""


def describe(message: Message) -> dict[str, Any]:
    """A message as plain JSON values for people and tools, distributions keyed by label."""
    plain: dict[str, Any] = message.model_dump(mode="json")
    for face in plain.get("faces", ()):
        for key in ("probabilities", "smoothed"):
            if face.get(key) is not None:
                face[key] = dict(zip(LABELS, face[key], strict=True))
    return plain
