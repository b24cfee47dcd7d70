"""Sessions of a study, with known effects: who smiles more, and when skin conductance rises."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from affectline.common.circumplex import map_to_circumplex
from affectline.common.labels import LABELS
from affectline.common.recording.writer import SessionWriter
from affectline.common.runtime.stage import StageContext
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Emotion, FaceEmotion, Marker, Packet, Quality
from affectline.services.recorder.file_notes import FileNotes

START = 1_795_445_587_000_000_000
SECOND = 1_000_000_000
RATE = 5
"""Frames a second."""
SECONDS = 40
EVENTS_S = (15.0, 30.0)
RISE_US = 2.0
"""By which skin conductance rises within two seconds of each event."""
QUALITY = Quality(size=80, blur=400.0, brightness=0.5)


def write_study_session(
    folder: Path, study: Mapping[str, str], *, happy: float = 0.3, seconds: int = SECONDS,
    markers: bool = True, skin: bool = True, faces: bool = True,
) -> Path:  # fmt: skip
    """Write the recording of a session; returns its folder.

    Args:
        folder: Is made.
        study: Its study fields.
        happy: Probability of happy, always; the other six share the rest.
        seconds: How long it is.
        markers: Whether the events are marked, and ``rest`` and ``drive`` at 0 s and 10 s.
        skin: Whether skin conductance was measured.
        faces: Whether anybody was seen.
    """
    packets = [*_results(seconds, happy, faces=faces)]
    packets += _skin(seconds) if skin else ()
    packets += _markers() if markers else ()
    return write_recording(folder, study, packets)


def write_recording(
    folder: Path, study: Mapping[str, str], packets: Iterable[Packet],
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Path:  # fmt: skip
    """Write packets in order of their time, as the recorder does; returns the folder it makes.

    Args:
        folder: Is made.
        study: Its study fields.
        packets: Its messages, in any order.
        more: Further facts about the session.
    """
    folder.mkdir(parents=True)
    about = {"privacy": "features", "delivery": "live", "study": dict(study),
             "session_start": START, **FileNotes.about(), **more}  # fmt: skip
    notes = FileNotes(StageContext("recorder", "live"), is_replay=False)
    writer = SessionWriter(folder / "session.mcap", about)
    notes.open(writer)
    for packet in sorted(packets, key=lambda one: one.message.event_time or 0):
        at = packet.message.event_time or 0
        writer.add(type(packet.message).__name__, codec.encode(packet), at, at)
        notes.observe(packet.message, at)
    notes.finish()
    writer.finish()
    return folder


def _results(seconds: int, happy: float, *, faces: bool) -> Iterator[Packet]:
    others = (1 - happy) / (len(LABELS) - 1)
    shares = tuple(happy if label == "happy" else others for label in LABELS)
    affect = map_to_circumplex(shares)
    face = FaceEmotion(
        track=1, box=(30, 20, 80, 80), quality=QUALITY, probabilities=shares,
        frame_probabilities=shares, label="happy", confidence=happy, valence=affect.valence,
        arousal=affect.arousal,
    )  # fmt: skip
    for seq in range(seconds * RATE):
        at = START + seq * SECOND // RATE
        yield Packet(Emotion(
            stream="front", epoch=1, seq=seq, captured_at=at, received_at=at, published_at=at,
            width=160, height=120, faces=(face,) if faces else (),
        ))  # fmt: skip


def _skin(seconds: int) -> Iterator[Packet]:
    for second in range(seconds):
        times = second + np.arange(4) / 4
        values = np.full(4, 5.0)
        for event in EVENTS_S:
            values += RISE_US * np.clip((times - event) / 2, 0, 1)
        yield Packet(Samples(
            subject="person", signal="skin_conductance", unit="uS", epoch=1, seq=second,
            at=START + second * SECOND, rate=4.0, values=tuple(float(v) for v in values),
        ))  # fmt: skip


def _markers() -> Iterator[Packet]:
    marked = {"rest": 0.0, "drive": 10.0}
    for label, at_s in [*marked.items(), *(("braking", at) for at in EVENTS_S)]:
        at = START + round(at_s * SECOND)
        yield Packet(Marker(session="session", at=at, label=label, source="plan"))
