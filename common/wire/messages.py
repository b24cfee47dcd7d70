"""Messages about video streams, markers, and the packets that carry messages.

All times are nanoseconds since the Unix epoch unless a field says otherwise. Times of events are on
the session's time line; times of the pipeline's work (``received_at``, ``published_at``, ...) are
by the clock. For a camera the two agree; the ``start`` of a film's source sets its place.

Boxes are ``(x, y, w, h)`` in pixels of the message's frame, with the origin at the top left.
"""

import json
import zlib
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, Field, JsonValue, model_validator
from typing_extensions import TypeVar

from affectline.common.circumplex import map_to_circumplex
from affectline.common.identifiers import Name
from affectline.common.labels import LABELS
from affectline.common.wire.base import (
    EXAMPLE_AT,
    EXAMPLE_EPOCH,
    Count,
    Duration,
    Epoch,
    LastSeq,
    Message,
    Nanoseconds,
    Pixels,
    Probability,
    Seq,
)
from affectline.common.wire.face_signs import Blink, Degrees, FaceSigns

Distribution = Annotated[
    tuple[Probability, ...], Field(min_length=len(LABELS), max_length=len(LABELS), strict=False)
]
"""One probability for each of the seven emotions, in FER2013's order."""
Coordinate = Annotated[int, Field(ge=-(2**17), le=2**17)]
Box = Annotated[tuple[Coordinate, Coordinate, Pixels, Pixels], Field(strict=False)]

SourceKind = Literal["camera", "stream", "film", "pictures"]
"""``stream``: a network stream, which does not end; ``film``: from a file or an address;
``pictures``: a folder of unrelated pictures."""

Missing = Literal["behind", "stale", "unanswered", "invalid"]
"""Why there is no result: a stage was behind and skipped to a newer frame; the crop was too old
when a classifier received it; no classifier answered in time; the image could not be decoded."""


class StreamMessage(Message):
    """A message about one stream."""

    topic_levels: ClassVar[tuple[str, ...]] = ("stream",)

    stream: Name
    epoch: Epoch
    """Start of the capture process in ms since the Unix epoch; ``seq`` counts within it."""


class FrameMessage(StreamMessage):
    """A message about one frame of a stream."""

    version: Literal[2] = 2  # type: ignore[assignment]
    """Version 1 had no ``received_at`` and ``file``, and stamped films with the clock."""
    seq: Seq
    """Number of the frame in its stream, from 0, without gaps at the source."""
    captured_at: Nanoseconds
    """Event time on the session's time line: for a camera the moment of the frame, for a film the
    film's start plus its ``media_time``."""
    received_at: Nanoseconds
    """When the pipeline received it, by the clock; latency and age are measured from here."""
    media_time: Duration | None = None
    """Films only: ns from the beginning of the file to this frame, as players show it."""
    file: Annotated[str, Field(max_length=4096)] | None = None
    """Pictures only: the picture's path below its folder. Pictures are analysed independently,
    without tracks or smoothing."""
    width: Annotated[int, Field(ge=1, le=65535)]
    height: Annotated[int, Field(ge=1, le=65535)]

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        if fields.get("version") == 1:
            fields = {**fields, "version": 2, "received_at": fields.get("captured_at")}
        return fields

    @property
    def time(self) -> int:
        return self.received_at

    @property
    def event_time(self) -> int:
        return self.captured_at

    @property
    def key(self) -> tuple[int, int]:
        return self.epoch, self.seq

    @property
    def identity(self) -> dict[str, Any]:
        """The fields that all later messages about this frame repeat unchanged."""
        return {name: getattr(self, name) for name in IDENTITY}


EXAMPLE: Final[dict[str, Any]] = {"stream": "drive", "epoch": EXAMPLE_EPOCH}
IDENTITY: Final = (
    "stream", "epoch", "seq", "captured_at", "received_at", "media_time", "file", "width", "height",
)  # fmt: skip


class Frame(FrameMessage):
    """An image of a stream, as a JPEG file or as raw BGR rows (``height * width * 3`` bytes)."""

    topic_prefix: ClassVar[str] = "frame"
    published_by: ClassVar[tuple[str, ...]] = ("capture",)
    parts_description: ClassVar[str] = (
        "1 part: the JPEG file, or height * width * 3 bytes of BGR rows."
    )
    shows_people: ClassVar[bool] = True
    is_input: ClassVar[bool] = True
    example_parts: ClassVar[tuple[bytes, ...]] = (b"\xff\xd8\xff\xd9",)

    message: Literal["Frame"] = "Frame"
    encoding: Literal["jpeg", "raw"] = "jpeg"

    @classmethod
    def example(cls) -> Self:
        return cls(
            **EXAMPLE, seq=7, captured_at=EXAMPLE_AT, received_at=EXAMPLE_AT + 2_000_000,
            media_time=291_958_333, width=640, height=360,
        )  # fmt: skip

    @property
    def part_sizes(self) -> tuple[int | None, ...]:
        return (self.width * self.height * 3 if self.encoding == "raw" else None,)


class Quality(BaseModel):
    """How well an expression can be classified from a crop."""

    model_config = Message.model_config

    size: Pixels
    """Side of the face box in pixels of the frame."""
    blur: Annotated[float, Field(ge=0)]
    """Variance of the Laplacian at 48x48 pixels; below 120 it is doubted as ``blurred``."""
    brightness: Annotated[float, Field(ge=0, le=1)]
    """Mean gray value; below 0.2 the face is dark, above 0.8 washed out."""


LANDMARKS_BYTES: Final = 468 * 3 * 4
MOST_FACES: Final = 256
"""Maximum number of faces in one frame."""

EXAMPLE_BOX: Final = (145, 30, 135, 135)
EXAMPLE_QUALITY: Final = Quality(size=135, blur=553.5, brightness=0.3423)
EXAMPLE_SIGNS: Final[dict[str, Any]] = {
    "yaw": -12.5, "pitch": 3.0, "roll": -6.0, "eye_opening_left": 0.94, "eye_opening_right": 0.9,
    "blink": Blink(at=EXAMPLE_AT - 400_000_000, duration_ms=166.7), "perclos": 0.021,
    "perclos_known_s": 58.5, "mouth_opening": 0.31, "gaze_x": 0.1, "gaze_y": -0.05, "gaze": "ahead",
    "mesh_score": 0.99, "doubts": ("speaking",),
}  # fmt: skip
EXAMPLE_DISTRIBUTION: Final = (0.02, 0.0, 0.01, 0.9, 0.02, 0.03, 0.02)
EXAMPLE_MODEL: Final = "vgg16-48@1f3a9c02"


class SeenFace(FaceSigns):
    """A face's position, track, crop quality and signs."""

    track: Count
    """Identity of the face over time, from 1, within a stream."""
    box: Box
    angle: Degrees = 0.0
    """Degrees by which the crop was turned upright, positive counter-clockwise on the screen: from
    the line between the eyes or, without landmarks, from the detector."""
    quality: Quality
    mirrored: bool = False
    """Whether the crop was mirrored before it was classified. In live delivery this happens to a
    steady face in every second frame, so that ``probabilities`` average both views."""


class Face(SeenFace):
    """One face in a frame."""

    crop_side: Annotated[int, Field(ge=1, le=4096)]
    """Side of the crop at native size in pixels."""
    landmarks: bool = False
    """Whether a third binary part holds this face's landmarks."""

    @property
    def part_sizes(self) -> tuple[int, ...]:
        """Length in bytes of each of its binary parts."""
        landmarks = (LANDMARKS_BYTES,) if self.landmarks else ()
        return self.crop_side**2, 48 * 48, *landmarks


class FacesMessage(FrameMessage):
    """A message about the faces of a frame."""

    max_header_bytes: ClassVar[int] = 1 << 20
    version: Literal[3] = 3  # type: ignore[assignment]
    """Version 2 had only the position, quality and emotion of a face."""

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        fields = super().upgrade(fields)
        return {**fields, "version": 3} if fields.get("version") == 2 else fields

    @property
    def latest_moment(self) -> int:
        faces: tuple[FaceSigns, ...] = self.__dict__["faces"]
        blinks = [face.blink.at for face in faces if face.blink]
        return max([super().latest_moment, *blinks])


class Faces(FacesMessage):
    """The faces of a frame: position, signs, quality and crops of each.

    Two binary parts per face: the upright crop, and the same at 48x48 pixels, both as rows of 8-bit
    gray values. The crop has the face's size in the frame, but at most 160 pixels. If the detector
    was asked for landmarks, a third part has x, y and z of the 468 points of MediaPipe's face mesh,
    in pixels of the frame (z: depth, smaller is nearer), as little-endian 32-bit floats.

    In live delivery the crops are sent before the signs are read, so that both happen at the same
    time: the signs are then in the frame's `Emotion` alone.
    """

    topic_prefix: ClassVar[str] = "faces"
    published_by: ClassVar[tuple[str, ...]] = ("detector",)
    parts_description: ClassVar[str] = (
        "2 parts per face: the upright crop (crop_side x crop_side) and the same at 48x48 pixels, "
        "8-bit gray rows; a third if its landmarks is true: 468 x (x, y, z) 32-bit floats."
    )
    shows_people: ClassVar[bool] = True
    example_parts: ClassVar[tuple[bytes, ...]] = (
        b"\x10\x20\x30\x40", bytes(48 * 48), bytes(LANDMARKS_BYTES),
    )  # fmt: skip

    message: Literal["Faces"] = "Faces"
    detected_at: Nanoseconds
    faces: Annotated[tuple[Face, ...], Field(max_length=MOST_FACES, strict=False)] = ()

    @classmethod
    def example(cls) -> Self:
        face = Face(
            track=1, box=EXAMPLE_BOX, angle=-6.5, quality=EXAMPLE_QUALITY, crop_side=2,
            landmarks=True, **EXAMPLE_SIGNS,
        )  # fmt: skip
        return cls(**Frame.example().identity, detected_at=EXAMPLE_AT + 3_000_000, faces=(face,))

    @property
    def time(self) -> int:
        return self.detected_at

    @property
    def part_sizes(self) -> tuple[int | None, ...]:
        return tuple(size for face in self.faces for size in face.part_sizes)


class Scores(StreamMessage):
    """A classifier's result for one `Faces`, on its way to the stream's detector.

    Classifiers answer in any order; the detector sorts their results, smooths them over time
    and publishes one `Emotion` per frame.
    """

    topic_prefix: ClassVar[str] = "scores"
    published_by: ClassVar[tuple[str, ...]] = ("classifier",)
    max_header_bytes: ClassVar[int] = 1 << 20
    message: Literal["Scores"] = "Scores"
    seq: Seq
    classified_at: Nanoseconds
    model: str
    missing: Missing | None = None
    distributions: Annotated[
        tuple[Distribution, ...], Field(max_length=MOST_FACES, strict=False)
    ] = ()
    """One for each face of the `Faces`, in the same order; empty if ``missing`` has a reason."""

    @classmethod
    def example(cls) -> Self:
        return cls(
            **EXAMPLE, seq=7, classified_at=EXAMPLE_AT, model=EXAMPLE_MODEL,
            distributions=(EXAMPLE_DISTRIBUTION,),
        )  # fmt: skip

    @property
    def time(self) -> int:
        return self.classified_at

    @property
    def key(self) -> tuple[int, int]:
        return self.epoch, self.seq


class FaceEmotion(SeenFace):
    """The emotion that a face shows, or why there is no result."""

    probabilities: Distribution | None = None
    """Distribution of the track up to this frame, exponentially weighted in time
    (`common.vision.ema`). Everything shown, summarized and reported follows it."""
    frame_probabilities: Distribution | None = None
    """Distribution of this frame alone."""
    label: Annotated[str, Field(pattern="^(" + "|".join(LABELS) + ")$")] | None = None
    """The emotion according to ``probabilities``. To avoid flicker, it changes only when another
    one has become more probable by a margin (`common.vision.label_hysteresis`)."""
    confidence: Probability | None = None
    """The probability of ``label`` in ``probabilities``."""
    valence: Annotated[float, Field(ge=-1, le=1)] | None = None
    """From displeased (-1) to pleased (1): the mean position of ``probabilities`` on Russell's
    circumplex (`common.circumplex`)."""
    arousal: Annotated[float, Field(ge=-1, le=1)] | None = None
    """From asleep (-1) to agitated (1), likewise."""
    missing: Missing | None = None


class Emotion(FacesMessage):
    """The result for a frame: published once for every frame, in order of ``seq``."""

    topic_prefix: ClassVar[str] = "emotion"
    published_by: ClassVar[tuple[str, ...]] = ("detector",)
    message: Literal["Emotion"] = "Emotion"
    detected_at: Nanoseconds | None = None
    classified_at: Nanoseconds | None = None
    """None if no classifier was needed: there is no face, or the frame was skipped."""
    published_at: Nanoseconds
    model: str | None = None
    missing: Missing | None = None
    """Why the frame was not analysed; None: it was, even if it shows no face."""
    faces: Annotated[tuple[FaceEmotion, ...], Field(max_length=MOST_FACES, strict=False)] = ()

    @classmethod
    def example(cls) -> Self:
        happy = FaceEmotion(
            track=1, box=EXAMPLE_BOX, angle=-6.5, quality=EXAMPLE_QUALITY,
            probabilities=EXAMPLE_DISTRIBUTION, frame_probabilities=EXAMPLE_DISTRIBUTION,
            label="happy", confidence=0.9, valence=0.7118, arousal=0.4915, **EXAMPLE_SIGNS,
        )  # fmt: skip
        stale = FaceEmotion(
            track=2, box=(400, 30, 90, 90), quality=EXAMPLE_QUALITY, missing="stale",
            eyes_unknown="looking_down",
        )  # fmt: skip
        return cls(
            **Frame.example().identity, detected_at=EXAMPLE_AT + 3_000_000,
            classified_at=EXAMPLE_AT + 6_000_000, published_at=EXAMPLE_AT + 7_000_000,
            model=EXAMPLE_MODEL, faces=(happy, stale),
        )  # fmt: skip

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        if fields.get("version") != 1:
            return super().upgrade(fields)
        # Version 1 called a single frame's distribution ``probabilities``, and labelled it
        try:
            faces = [_upgrade_face(face) for face in fields.get("faces", ())]
        except (TypeError, ValueError, IndexError):
            return fields  # validation refuses them
        return {**super().upgrade(fields), "faces": faces}

    @property
    def time(self) -> int:
        return self.published_at


def _upgrade_face(face: dict[str, Any]) -> dict[str, Any]:
    upgraded = {**face, "frame_probabilities": face.get("probabilities")}
    smoothed = upgraded.pop("smoothed", None)
    if smoothed is not None:
        best = max(smoothed)
        affect = map_to_circumplex(smoothed)
        upgraded |= {
            "probabilities": smoothed, "confidence": best, "label": LABELS[smoothed.index(best)],
            "valence": affect.valence, "arousal": affect.arousal,
        }  # fmt: skip
    return upgraded


class Resend(StreamMessage):
    """A consumer's request for results that it missed: publish these frames' `Emotion` again."""

    topic_prefix: ClassVar[str] = "resend"
    published_by: ClassVar[tuple[str, ...]] = ("sink",)
    message: Literal["Resend"] = "Resend"
    first_seq: Seq
    last_seq: Seq

    @classmethod
    def example(cls) -> Self:
        return cls(**EXAMPLE, first_seq=3, last_seq=5)

    @model_validator(mode="after")
    def _in_order(self) -> "Resend":
        if self.last_seq < self.first_seq:
            raise ValueError("last_seq is before first_seq")
        return self


class StreamStart(StreamMessage):
    """The start of a stream: a source was opened."""

    topic_prefix: ClassVar[str] = "stream"
    published_by: ClassVar[tuple[str, ...]] = ("capture",)
    is_input: ClassVar[bool] = True
    version: Literal[2] = 2  # type: ignore[assignment]
    message: Literal["StreamStart"] = "StreamStart"
    started_at: Nanoseconds
    """Its beginning on the session's time line: for a film the moment of ``media_time`` 0."""
    received_at: Nanoseconds
    """When the source was opened, by the clock."""
    session_start: Nanoseconds
    """Zero of the session's time line: tables and reports count seconds from here."""
    source: str
    kind: SourceKind
    live: bool
    """Whether it never ends by itself, like a camera or a network stream."""
    first_seq: Seq = 0
    rate: Annotated[float, Field(gt=0)] | None = None
    """Frames per second, if the source declares it."""
    frames: Count | None = None
    """Number of frames that the file declares; containers are often wrong about it."""
    duration_s: Annotated[float, Field(ge=0)] | None = None
    """Length of the film, if its container declares it."""
    replay: bool = False
    """Whether a recorded session is being replayed: all times are those of the recording."""

    @classmethod
    def example(cls) -> Self:
        return cls(
            **EXAMPLE, started_at=EXAMPLE_AT, received_at=EXAMPLE_AT + 800_000_000,
            session_start=EXAMPLE_AT, source="drive.mp4", kind="film", live=False, rate=23.976,
            frames=472, duration_s=19.686,
        )  # fmt: skip

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        if fields.get("version") != 1:
            return fields
        started_at = fields.get("started_at")
        kind = "camera" if fields.get("live") else "film"
        return {
            **fields, "version": 2, "received_at": started_at, "session_start": started_at,
            "kind": kind,
        }  # fmt: skip

    @property
    def time(self) -> int:
        return self.received_at

    @property
    def event_time(self) -> int:
        return self.started_at

    @property
    def key(self) -> tuple[int, int]:
        return self.epoch, 4 * self.first_seq


class StreamEnd(StreamMessage):
    """The end of a stream: no frame follows ``last_seq``.

    A consumer is done when it has the results of all frames up to that one.
    """

    topic_prefix: ClassVar[str] = "stream"
    published_by: ClassVar[tuple[str, ...]] = ("capture",)
    is_input: ClassVar[bool] = True
    version: Literal[2] = 2  # type: ignore[assignment]
    message: Literal["StreamEnd"] = "StreamEnd"
    ended_at: Nanoseconds
    """Its end on the session's time line: the time of the last frame."""
    received_at: Nanoseconds
    """When the source ended, by the clock."""
    last_seq: LastSeq
    """-1 if there was no frame."""
    reason: Literal["end", "damaged", "truncated", "stopped"]
    """``damaged``: read to the end, except pictures or frames that cannot be read."""
    detail: str = ""
    """What could not be read, was left out or was corrected, in one line."""

    @classmethod
    def example(cls) -> Self:
        return cls(
            **EXAMPLE, ended_at=EXAMPLE_AT, received_at=EXAMPLE_AT + 2_000_000, last_seq=471,
            reason="end",
        )  # fmt: skip

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        if fields.get("version") != 1:
            return fields
        return {**fields, "version": 2, "received_at": fields.get("ended_at")}

    @property
    def time(self) -> int:
        return self.received_at

    @property
    def event_time(self) -> int:
        return self.ended_at

    @property
    def key(self) -> tuple[int, int]:
        return self.epoch, 4 * (self.last_seq + 1) + 1


class StreamDone(StreamMessage):
    """A consumer has handled all results of a stream, up to ``last_seq``.

    The sink publishes it first. Fusion follows once it has published all states up to then, so that
    a recorder knows when it has all of them.
    """

    topic_prefix: ClassVar[str] = "stream"
    published_by: ClassVar[tuple[str, ...]] = ("fusion", "sink")
    message: Literal["StreamDone"] = "StreamDone"
    by: Literal["sink", "fusion"] = "sink"
    last_seq: LastSeq
    done_at: Nanoseconds

    @classmethod
    def example(cls) -> Self:
        return cls(**EXAMPLE, last_seq=471, done_at=EXAMPLE_AT)

    @property
    def time(self) -> int:
        return self.done_at

    @property
    def key(self) -> tuple[int, int]:
        return self.epoch, 4 * (self.last_seq + 1) + (2 if self.by == "sink" else 3)


MOST_EXTRA: Final = 65_536
"""Maximum length of a marker's extra fields as ASCII JSON: a table's cell holds twice that."""


def _check_extra(extra: dict[str, Any]) -> dict[str, Any]:
    """Refuse what cannot be sent or stored: numbers beyond 64 bits, half characters, long texts.

    Raises:
        ValueError: The fields contain such a value.
    """
    waiting: list[Any] = [extra]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            one.encode()  # half a character, which JSON allows, is a UnicodeEncodeError
        elif isinstance(one, int) and not -(2**63) <= one < 2**64:
            raise ValueError("a number of more than 64 bits")
    size = len(json.dumps(extra))
    if size > MOST_EXTRA:
        raise ValueError(f"{size} characters of JSON, at most {MOST_EXTRA} are allowed")
    return extra


class Marker(Message):
    """A labelled event, published by a person or a tool."""

    topic_prefix: ClassVar[str] = "marker"
    topic_levels: ClassVar[tuple[str, ...]] = ("session",)
    published_by: ClassVar[tuple[str, ...]] = (
        "biometrics",
        "collect",
        "dashboard",
        "remote",
        "sink",
    )
    is_input: ClassVar[bool] = True
    is_open_to_tools: ClassVar[bool] = True

    message: Literal["Marker"] = "Marker"
    session: Name
    at: Nanoseconds
    """When it happened on the session's time line. For a camera this is by the clock; while a film
    plays, `common.runtime.session_clock` defines what "now" is."""
    label: Annotated[str, Field(min_length=1, max_length=1000)]
    source: Annotated[str, Field(max_length=1000)] = ""
    extra: Annotated[dict[str, JsonValue], AfterValidator(_check_extra)] = Field(
        default_factory=dict
    )
    """Further fields: JSON values, numbers of at most 64 bits, `MOST_EXTRA` characters at most."""

    @model_validator(mode="before")
    @classmethod
    def _is_flat_enough(cls, fields: Any) -> Any:
        """Limit the nesting, because later readers of the extra fields may recurse."""
        _check_nesting(fields.get("extra") if isinstance(fields, dict) else None)
        return fields

    @classmethod
    def example(cls) -> Self:
        return cls(
            session="s1", at=EXAMPLE_AT, label="hard braking", source="hand", extra={"km/h": 63.5}
        )

    @property
    def time(self) -> int:
        return self.at

    @property
    def event_time(self) -> int:
        return self.at

    @property
    def key(self) -> tuple[int, int]:
        told = json.dumps([self.label, self.source, self.extra], sort_keys=True)
        return self.at, zlib.crc32(told.encode(errors="replace"))


MOST_NESTED: Final = 16
"""Maximum nesting of lists and maps in a marker's extra fields."""


def _check_nesting(value: object) -> None:
    """Raise a ValueError if lists and maps are nested too deeply."""
    level = [value]
    for _ in range(MOST_NESTED):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list | tuple)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(f"lists and maps nested more than {MOST_NESTED} levels deep")


M_co = TypeVar("M_co", bound=Message, covariant=True, default=Message)


class Packet(NamedTuple, Generic[M_co]):
    """A message and its binary parts."""

    message: M_co
    parts: tuple[bytes | memoryview, ...] = ()


SENT_TO: Final = "~to/"
"""First part of a message for one consumer alone: ``~to/<service>:``, before its topic. Such
messages do not leave the pipeline."""
TO_SENSORS: Final = f"{SENT_TO}sensors/"
"""The same for receipts for one sensor's key: ``~to/sensors/<name of the key>:``."""
DELIVERY: Final = "~delivery/"
"""Not a message: the hub subscribes to ``~delivery/lossless`` or ``~delivery/live`` of all that
publish, which tells processes that were started by hand how the run delivers."""
READY: Final = "~ready/"
"""Not a message: a consumer subscribes to ``~ready/<service>`` after its other subscriptions, and
sources see that subscription arrive. It sorts after all topics, so also last on a reconnect."""


def crops_of(packet: Packet[Faces]) -> Iterator[tuple[bytes | memoryview, bytes | memoryview]]:
    """Yield the two crops of each face: at native size, and at 48x48 pixels."""
    parts = iter(packet.parts)
    for face in packet.message.faces:
        native, small, *_ = [next(parts) for _ in face.part_sizes]
        yield native, small


def describe(message: Message) -> dict[str, Any]:
    """A message as plain JSON values for people and tools, with distributions keyed by label."""
    plain: dict[str, Any] = message.model_dump(mode="json")
    for face in plain.get("faces", ()):
        for key in ("probabilities", "frame_probabilities"):
            if face.get(key) is not None:
                face[key] = dict(zip(LABELS, face[key], strict=True))
    return plain
