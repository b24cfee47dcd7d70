"""Recordings of one person driving, as packets."""

from collections.abc import Container
from pathlib import Path

import cv2
import numpy as np

from affectline.common.circumplex import map_to_circumplex
from affectline.common.labels import LABELS
from affectline.common.recording.writer import SessionWriter
from affectline.common.runtime.stage import StageContext
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples, SignalContribution, State
from affectline.common.wire.messages import Emotion, FaceEmotion, Frame, Marker, Packet, Quality
from affectline.services.recorder.file_notes import FileNotes

START = 1_795_445_587_000_000_000
SECOND = 1_000_000_000
QUALITY = Quality(size=40, blur=300.0, brightness=0.5)


def frame(index: int) -> tuple[Packet, Packet]:
    picture = np.full((96, 128, 3), 40, np.uint8)
    picture[20:60, 30:70] = (0, 0, 255)
    _, encoded = cv2.imencode(".jpg", picture)
    about = {
        "stream": "drive", "epoch": 1, "seq": index, "captured_at": START + index * SECOND,
        "received_at": START + index * SECOND,
        "width": 128, "height": 96,
    }  # fmt: skip
    shares = tuple(0.4 if label == "happy" else 0.1 for label in LABELS)
    affect = map_to_circumplex(shares)
    face = FaceEmotion(
        track=1, box=(30, 20, 40, 40), quality=QUALITY, probabilities=shares,
        frame_probabilities=shares, label="happy", confidence=0.4, valence=affect.valence,
        arousal=affect.arousal,
    )  # fmt: skip
    faces = (face,) if index % 4 else ()
    answer = Emotion.model_validate({**about, "published_at": START, "faces": faces})
    return Packet(Frame.model_validate(about), (encoded.tobytes(),)), Packet(answer)


def recording(nervous: float = 80.0, quality: float = 0.9) -> list[Packet]:
    packets = [packet for index in range(60) for packet in frame(index)]
    for index in range(60):
        after = index > 30
        at = START + index * SECOND
        rate = 92.0 if after else 66.0
        packets.append(Packet(Samples(
            subject="anna", signal="heart_rate", unit="/min", epoch=1, seq=index, at=at, rate=4.0,
            values=(rate, rate + 0.5, rate, rate - 0.5),
        )))  # fmt: skip
        share = SignalContribution(
            value=rate, unit="/min", quality=quality, reason="no skin contact"
        )
        packets.append(Packet(State(
            subject="anna", at=at, nervousness=nervous if after else 12.0, quality=quality,
            baseline="continuous", baseline_s=30.0, signals={"heart": share},
        )))  # fmt: skip
    marker = Marker(
        session="s", at=START + 30 * SECOND, label="<hard> braking", extra={"km/h": 63.5}
    )
    return [*packets, Packet(marker)]


def write_recording(folder: Path, lacking: Container[int] = (), frames: int = 60) -> Path:
    """Write a session folder with what a recorder would have written; returns it.

    Args:
        folder: Is made.
        lacking: Numbers of the frames that never came, in live delivery; nor did their results.
        frames: How many there were.
    """
    folder.mkdir(parents=True)
    about = {"privacy": "everything", "delivery": "live", **FileNotes.about()}
    notes = FileNotes(StageContext("recorder", "live"), is_replay=False)
    writer = SessionWriter(folder / "session.mcap", about)
    notes.open(writer)
    for index in range(frames):
        at = START + index * SECOND
        for packet in () if index in lacking else frame(index):
            writer.add(type(packet.message).__name__, codec.encode(packet), at, at)
            notes.observe(packet.message, at)
        if index % 16 == 0:
            writer.flush()
    notes.finish()
    writer.finish()
    return folder
