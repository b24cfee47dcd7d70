"""A recording's messages, as exports and reports get them."""

from pathlib import Path

from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.messages import Packet
from affectline.services.sessions.recording import (
    open_recording,
    read_packets,
    session_folder,
    session_name,
)
from tests.samples import EMOTION, EPOCH, FRAME


def test_a_repeated_result_comes_once(tmp_path: Path) -> None:
    said = [(EPOCH, 7), (EPOCH, 9), (EPOCH, 7), (EPOCH, 8), (EPOCH + 1, 7)]
    writer = SessionWriter(tmp_path / "session.mcap", {})
    for i, (epoch, seq) in enumerate(said):
        emotion = EMOTION.model_copy(update={"epoch": epoch, "seq": seq})
        frame = FRAME.model_copy(update={"epoch": epoch, "seq": seq})
        for packet in (Packet(frame, (b"picture",)), Packet(emotion)):
            writer.add(type(packet.message).__name__, codec.encode(packet), i, i)
    writer.finish()
    found = [packet.message for packet in read_packets(tmp_path)]
    answers = [(m.epoch, m.seq) for m in found if isinstance(m, type(EMOTION))]
    assert answers == [(EPOCH, 7), (EPOCH, 9), (EPOCH, 8), (EPOCH + 1, 7)]
    assert len(found) == len(said) + len(answers)


def test_a_session_has_the_name_of_its_folder_or_of_its_file(tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    assert session_name(drive) == "drive"
    assert session_name(drive / "session.mcap") == "drive"
    assert session_name(drive / "first lap.mcap") == "first lap"
    assert session_folder(drive) == session_folder(drive / "session.mcap") == drive


def test_a_recording_is_read_anew_every_time(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "session.mcap", {"privacy": "features"})
    writer.add("Emotion", codec.encode(Packet(EMOTION)), 1, 1)
    writer.flush()
    writer.close()
    problems: list[str] = []
    recording = open_recording(tmp_path, lambda _, problem: problems.append(problem))
    assert recording.about["privacy"] == "features"
    assert [len(list(recording.read())) for _ in range(2)] == [1, 1]
    assert len(problems) == 2
