"""A recording's messages, as exports and reports get them."""

from pathlib import Path

from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.messages import Packet
from affectline.services.sessions.recording import read_packets
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
