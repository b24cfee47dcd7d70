"""A recording as it was made before events had times of their own: version 1 of the messages.

Two seconds of a film, analysed in a little more than one; beside it a heart rate and a marker, by
the clock. Messages are in the order of their arrival, which is their ``log_time``.
"""

import json
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import msgpack
import numpy as np

from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.health import make_health
from affectline.common.wire.messages import Marker, Packet

START: Final = 1_780_000_000_000_000_000
MS: Final = 1_000_000
FRAMES: Final = 50
FRAME_MS: Final = 40
"""In the film."""
ANALYSED_MS: Final = 24
"""In which a frame was analysed."""
VERSION_1: Final = json.loads(
    Path(__file__).with_name("golden").joinpath("wire-version-1.json").read_text()
)


class OldMessage(NamedTuple):
    """A message of the recording."""

    log_time: int
    publish_time: int
    kind: str
    parts: list[bytes]


def write_old_recording(
    folder: Path, about: dict[str, Any] | None = None, lacking: Container[int] = ()
) -> Path:
    """Write ``session.mcap`` into a folder; returns the folder.

    Args:
        folder: Is made.
        about: More facts about the session.
        lacking: Numbers of frames that are not in it.
    """
    folder.mkdir(exist_ok=True)
    writer = SessionWriter(folder / "session.mcap", {"privacy": "everything", **(about or {})})
    for message in sorted(old_messages(lacking), key=lambda message: message.log_time):
        writer.add(message.kind, message.parts, message.log_time, message.publish_time)
    writer.finish()
    return folder


def old_messages(lacking: Container[int] = ()) -> Iterator[OldMessage]:
    """The messages, kind after kind."""
    yield _version_1("StreamStart", 0, 1, started_at=START, source="old.mp4", frames=FRAMES)
    for seq in range(FRAMES):
        yield from () if seq in lacking else _frame(seq)
    end = FRAMES * ANALYSED_MS
    yield _version_1("StreamEnd", end, 1, ended_at=START + end * MS, last_seq=FRAMES - 1)
    for index in range(end // 100):  # a tenth of a second each, which comes when it is over
        at = START + index * 100 * MS
        samples = Samples(
            subject="anna", signal="heart_rate", unit="/min", epoch=1, seq=index, at=at,
            rate=20.0, values=(70.0, 71.0),
        )  # fmt: skip
        yield _of_today(Packet(samples), at, 100)
    marker = Marker(session="s", at=START + 600 * MS, label="half")
    yield _of_today(Packet(marker), marker.at, 1)
    health = make_health("sink", "ready", "", {}, at=START + 1000 * MS)  # type: ignore[arg-type]
    yield _of_today(Packet(health), health.at, 1)


def _frame(seq: int) -> Iterator[OldMessage]:
    picture = np.full((96, 128, 3), 40 + seq, np.uint8)
    picture[20:60, 30:70] = (0, 0, 255)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    at = seq * ANALYSED_MS
    same = {
        "seq": seq, "captured_at": START + at * MS, "media_time": seq * FRAME_MS * MS,
        "width": 128, "height": 96,
    }  # fmt: skip
    yield _version_1("Frame", at, 2, jpeg, **same)
    faces = _golden("Emotion")["faces"][:1]
    published_at = START + (at + 50) * MS
    yield _version_1("Emotion", at + 50, 3, **same, published_at=published_at, faces=faces)


def _golden(kind: str) -> dict[str, Any]:
    header: dict[str, Any] = msgpack.unpackb(bytes.fromhex(VERSION_1[kind][1]))
    return header


def _version_1(kind: str, at_ms: int, late_ms: int, *parts: bytes, **fields: Any) -> OldMessage:
    """A message of a kind that has changed since.

    Args:
        kind: Its name.
        at_ms: When it was made, from the start.
        late_ms: After which time it arrived.
        parts: Its binary parts.
        fields: Other than in the golden message.
    """
    header = _golden(kind) | {"stream": "old", "epoch": 5} | fields
    topic = f"{bytes.fromhex(VERSION_1[kind][0]).decode().split('/')[0]}/old"
    at = START + at_ms * MS
    return OldMessage(at + late_ms * MS, at, kind, [topic.encode(), msgpack.packb(header), *parts])


def _of_today(packet: Packet, at: int, late_ms: int) -> OldMessage:
    """A message of a kind that is as it was."""
    parts = [bytes(part) for part in codec.encode(packet)]
    return OldMessage(at + late_ms * MS, at, type(packet.message).__name__, parts)
