"""MCAP with JSON messages, which Foxglove opens directly (https://docs.foxglove.dev/docs/sdk).

Images, outlines of faces and markers use Foxglove's own schemas, so that its panels show them;
results, states and samples have schemas that describe their content.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from mcap.writer import Writer

from affectline.common.atomic_file import atomic_write
from affectline.common.output_file import check_output_file
from affectline.common.vision.palette import COLOURS, to_bgr
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State, note_on, sample_times
from affectline.common.wire.messages import Emotion, FaceEmotion, Frame, Marker, Packet, StreamStart
from affectline.services.export.exporter import Exporter, ExportSettings
from affectline.services.export.owned_files import OwnedFiles
from affectline.services.sessions.edits import Annotation, SessionEdits
from affectline.services.sessions.recording import Recording

LIBRARY: Final = "affectline"
"""Who has written a file, by its header."""
SECOND: Final = 1_000_000_000
LINE_LOOP: Final = 2
"""Foxglove's code for a closed line."""
INFO: Final = 2
"""Foxglove's code for the log level."""
GRAY: Final = (160, 160, 160)
NUMBER: Final = {"type": "number"}
BOOLEAN: Final = {"type": "boolean"}
TEXT: Final = {"type": "string"}
TIME: Final = {
    "type": "object", "title": "time",
    "properties": {"sec": {"type": "integer", "minimum": 0},
                   "nsec": {"type": "integer", "minimum": 0, "maximum": 999_999_999}},
}  # fmt: skip


def _object(title: str, **properties: Any) -> dict[str, Any]:
    """A schema in which every field is required, as in Foxglove's own schemas."""
    return {
        "title": title, "type": "object", "properties": properties, "required": list(properties),
    }  # fmt: skip


def _table(title: str, **properties: Any) -> dict[str, Any]:
    return _object(title, timestamp=TIME, **properties)


COLOUR: Final = _object("foxglove.Color", **dict.fromkeys("rgba", NUMBER))
POINT: Final = _object("foxglove.Point2", x=NUMBER, y=NUMBER)
METADATA: Final = {
    "type": "array", "items": _object("foxglove.KeyValuePair", key=TEXT, value=TEXT)
}  # fmt: skip
OUTLINE: Final = _table(
    "foxglove.PointsAnnotation", type={"type": "integer"},
    points={"type": "array", "items": POINT}, outline_color=COLOUR, fill_color=COLOUR,
    outline_colors={"type": "array", "items": COLOUR}, thickness=NUMBER, metadata=METADATA,
)  # fmt: skip
CAPTION: Final = _table(
    "foxglove.TextAnnotation", position=POINT, text=TEXT, font_size=NUMBER, text_color=COLOUR,
    background_color=COLOUR, metadata=METADATA,
)  # fmt: skip
SCHEMAS: Final = {
    "foxglove.CompressedImage": _table(
        "foxglove.CompressedImage", frame_id=TEXT, format=TEXT,
        data={"type": "string", "contentEncoding": "base64"},
    ),
    "foxglove.ImageAnnotations": _object(
        "foxglove.ImageAnnotations", circles={"type": "array", "items": {"type": "object"}},
        points={"type": "array", "items": OUTLINE}, texts={"type": "array", "items": CAPTION},
    ),
    "foxglove.Log": _table(
        "foxglove.Log", level={"type": "integer"}, message=TEXT, name=TEXT, file=TEXT,
        line={"type": "integer"},
    ),
    "affectline.Sample": _table(
        "affectline.Sample", value=NUMBER, unit=TEXT, quality=NUMBER, synthetic=BOOLEAN, note=TEXT
    ),
    "affectline.Emotion": _table(
        "affectline.Emotion", seq={"type": "integer"},
        faces={"type": "array", "items": {"type": "object"}},
    ),
    "affectline.State": _table("affectline.State", quality=NUMBER, synthetic=BOOLEAN, note=TEXT),
}  # fmt: skip
"""JSON Schemas of the messages, by name."""


class FoxgloveSettings(ExportSettings):
    """Settings of Foxglove exports."""

    exporter: Literal["foxglove"] = "foxglove"


class FoxgloveExporter(Exporter):
    """Writes one MCAP file with JSON messages."""

    settings_model = FoxgloveSettings
    summary = "frames, faces, signals and markers for Foxglove"
    files = "<session>.foxglove.mcap"

    def export(self, recording: Recording, folder: Path) -> list[Path]:
        path = folder / f"{recording.name}.foxglove.mcap"
        owned = OwnedFiles(folder, recording, "foxglove")
        owned.claim([path])
        check_output_file("--out", path, "an export of Affectline", LIBRARY.encode())
        with atomic_write(path) as partial, partial.open("wb") as file:
            writer = Writer(file)
            writer.start(profile="", library=LIBRARY)
            messages = _Messages(writer)
            edits, zero = recording.edits, recording.session_start
            for packet in recording.read():
                if zero is None and isinstance(packet.message, StreamStart):
                    zero = packet.message.session_start
                for converted in _convert(packet, edits):
                    messages.write(*converted)
            for annotation in edits.annotations if zero is not None else ():
                messages.write(*_log_annotation(annotation, zero or 0))
            writer.finish()  # type: ignore[no-untyped-call]
        if not messages.count:
            path.unlink()
            return []
        owned.add([path])
        return [path]


class _Messages:
    """Writes messages; the first message of each kind registers its schema and channel."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self.count = 0

    def write(self, topic: str, schema: str, at: int, content: dict[str, Any]) -> None:
        if schema not in self._schemas:
            data = json.dumps(SCHEMAS[schema]).encode()
            self._schemas[schema] = self._writer.register_schema(schema, "jsonschema", data)
        if topic not in self._channels:
            known = self._schemas[schema]
            self._channels[topic] = self._writer.register_channel(topic, "json", known)
        data = json.dumps(content, ensure_ascii=False).encode()
        self._writer.add_message(self._channels[topic], at, data, at)
        self.count += 1


def _log(at: int, message: str, name: str) -> tuple[str, str, int, dict[str, Any]]:
    content = {
        "timestamp": _time(at), "level": INFO, "message": message, "name": name, "file": "",
        "line": 0,
    }  # fmt: skip
    return "/markers", "foxglove.Log", at, content


def _log_annotation(one: Annotation, zero: int) -> tuple[str, str, int, dict[str, Any]]:
    extra = {"duration_s": round(one.end_s - one.begin_s, 6)}
    if one.is_excluded:
        extra["is_excluded"] = True
    at = zero + round(one.begin_s * SECOND)
    return _log(at, f"{one.label} {json.dumps(extra)}", "annotation")


def _convert(packet: Packet, edits: SessionEdits) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Yield topic, schema, time and content of the messages that a message is converted to."""
    message: Message = packet.message
    content: dict[str, Any]
    match message:
        case Frame() if message.encoding == "jpeg" and packet.parts and packet.parts[0]:
            data = base64.b64encode(packet.parts[0]).decode()
            content = {"frame_id": message.stream, "format": "jpeg", "data": data}
            at = message.captured_at
            topic = f"/{message.stream}/image"
            yield topic, "foxglove.CompressedImage", at, {"timestamp": _time(at), **content}
        case Emotion():
            at = message.captured_at
            annotated = _annotate(message, edits)
            yield f"/{message.stream}/faces", "foxglove.ImageAnnotations", at, annotated
            faces = [
                face.model_dump(mode="json") | _identity(message.stream, face, edits)
                for face in message.faces
            ]
            content = {"timestamp": _time(at), "seq": message.seq, "faces": faces}
            yield f"/{message.stream}/emotion", "affectline.Emotion", at, content
        case Samples():
            topic = f"/bio/{message.subject}/{message.signal}"
            for at, value in zip(sample_times(message), message.values, strict=True):
                content = {
                    "value": value, "unit": message.unit, "quality": message.quality,
                    "synthetic": message.synthetic, "note": note_on(message),
                }  # fmt: skip
                yield topic, "affectline.Sample", at, {"timestamp": _time(at), **content}
        case State():
            content = message.model_dump(mode="json", exclude={"message", "version"})
            content["note"] = note_on(message)
            at = message.at
            topic = f"/state/{message.subject}"
            yield topic, "affectline.State", at, {"timestamp": _time(at), **content}
        case Marker():
            extra = f" {json.dumps(message.extra, ensure_ascii=False)}" if message.extra else ""
            yield _log(message.at, message.label + extra, message.source)


def _identity(stream: str, face: FaceEmotion, edits: SessionEdits) -> dict[str, Any]:
    """Track and name of a face, after the edits of its track."""
    name = edits.name_of(stream, face.track)
    return {"track": edits.track_of(stream, face.track)} | ({"name": name} if name else {})


def _time(at: int) -> dict[str, int]:
    return {"sec": at // SECOND, "nsec": at % SECOND}


def _annotate(emotion: Emotion, edits: SessionEdits) -> dict[str, Any]:
    """The outlines of a frame's faces, and their captions."""
    at = _time(emotion.captured_at)
    whose = [_identity(emotion.stream, face, edits) for face in emotion.faces]
    pairs = list(zip(emotion.faces, whose, strict=True))
    return {
        "circles": [],
        "points": [_outline(face, at, _metadata(one)) for face, one in pairs],
        "texts": [
            _caption(face, at, one.get("name", one["track"]), _metadata(one)) for face, one in pairs
        ],
    }


def _metadata(identity: dict[str, Any]) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)} for key, value in identity.items()]


def _outline(
    face: FaceEmotion, at: dict[str, int], metadata: list[dict[str, str]]
) -> dict[str, Any]:
    x, y, w, h = face.box
    corners = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    return {
        "timestamp": at, "type": LINE_LOOP, "points": [{"x": x, "y": y} for x, y in corners],
        "outline_color": _colour(face), "outline_colors": [], "thickness": 2,
        "fill_color": {"r": 0, "g": 0, "b": 0, "a": 0}, "metadata": metadata,
    }  # fmt: skip


def _caption(
    face: FaceEmotion, at: dict[str, int], whose: object, metadata: list[dict[str, str]]
) -> dict[str, Any]:
    sure = "" if face.confidence is None else f" {face.confidence:.0%}"
    return {
        "timestamp": at, "position": {"x": face.box[0], "y": face.box[1]},
        "text": f"{whose}: {face.label or face.missing or ''}{sure}", "font_size": 14,
        "text_color": {"r": 1, "g": 1, "b": 1, "a": 1}, "background_color": _colour(face),
        "metadata": metadata,
    }  # fmt: skip


def _colour(face: FaceEmotion) -> dict[str, float]:
    b, g, r = to_bgr(COLOURS[face.label]) if face.label else GRAY
    return {"r": r / 255, "g": g / 255, "b": b / 255, "a": 1}
