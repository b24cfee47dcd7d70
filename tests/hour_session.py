"""Writes the recording of an hour's drive with sensors: ``python -m tests.hour_session FOLDER``.

By a process of its own: the messages take more memory than whoever reads them one by one.
"""

import math
import sys
from collections.abc import Iterator
from pathlib import Path

from affectline.common.recording.writer import SessionWriter
from affectline.common.runtime.stage import StageContext
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples, SignalContribution, State
from affectline.common.wire.messages import Emotion, Marker, Packet, StreamStart
from affectline.services.recorder.file_notes import FileNotes
from tests.recordings import SECOND, START
from tests.signed_sessions import signed_session

SECONDS = 3600


def sensors() -> Iterator[Packet]:
    """Heart, skin, and ten states a second, calm but for a minute and a half of ten."""
    for second in range(SECONDS):
        is_tense = second % 600 > 510
        at, quality = START + second * SECOND, 0.2 if second < 120 else 0.9
        rate = 68 + 10 * math.sin(second / 300) + 20 * is_tense
        skin = 4 + math.sin(second / 700) + 2 * is_tense
        signals = {
            "heart": SignalContribution(value=rate, unit="/min", quality=quality),
            "skin": SignalContribution(value=skin, unit="uS", quality=quality),
        }
        for signal, unit, value, count in (
            ("heart_rate", "/min", rate, 1), ("skin_conductance", "uS", skin, 4),
        ):  # fmt: skip
            yield Packet(Samples(
                subject="anna", signal=signal, unit=unit, epoch=1, seq=second, at=at,
                rate=float(count), values=(value,) * count,
            ))  # fmt: skip
        for tenth in range(10):
            yield Packet(State(
                subject="anna", at=at + tenth * SECOND // 10, arousal=0.1, valence=0.2,
                nervousness=70.0 if is_tense else 12.0, quality=quality, signals=signals,
            ))  # fmt: skip
    for second in range(60, SECONDS, 600):
        yield Packet(Marker(session="s", at=START + second * SECOND, label=f"lap {second // 600}"))


def write_hour(folder: Path) -> None:
    """A recording without images, as long as most get: 90 000 results and 36 000 states."""
    begin = StreamStart(
        stream="drive", epoch=1, started_at=START, received_at=START, session_start=START,
        source="to work.mp4", kind="film", live=False, rate=25.0, duration_s=float(SECONDS),
    )  # fmt: skip
    results = [one for one in signed_session(SECONDS) if isinstance(one.message, Emotion)]
    packets = sorted([*results, *sensors()], key=lambda packet: packet.message.event_time or 0)
    about = {"privacy": "features", "session_start": START, **FileNotes.about()}
    notes = FileNotes(StageContext("recorder", "live"), is_replay=False)
    folder.mkdir()
    writer = SessionWriter(folder / "session.mcap", about)
    notes.open(writer)
    for packet in (Packet(begin), *packets):
        at = packet.message.event_time or START
        writer.add(type(packet.message).__name__, codec.encode(packet), at, at)
        notes.observe(packet.message, at)
    notes.finish()
    writer.finish()


if __name__ == "__main__":
    write_hour(Path(sys.argv[1]))
