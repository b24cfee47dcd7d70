"""Session files: what goes in comes out, and any MCAP tool can read it."""

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader

from affectline.common.errors import AffectlineError
from affectline.common.file_lock import try_lock
from affectline.common.recording.layout import LAYOUT, pack_parts, unpack_parts
from affectline.common.recording.reader import SessionReader
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.kinds import message_kinds
from tests.samples import PACKETS

Wire = tuple[bytes, ...]
ALL = [(name, tuple(bytes(p) for p in codec.encode(PACKETS[name]))) for name in PACKETS]


def write(path: Path, rounds: int, *, finish: bool = True, begin: int = 0) -> list[Wire]:
    """Write every message so many times, a chunk each time; return what was flushed."""
    writer = SessionWriter(path, {"affectline": "0", "privacy": "everything"})
    for i in range(begin, begin + rounds):
        for j, (name, parts) in enumerate(ALL):
            writer.add(name, parts, 1000 * i + j, 1000 * i)
        writer.flush()
    if finish:
        writer.finish()
    else:
        writer.add("Marker", dict(ALL)["Marker"], 9, 9)  # never flushed: lost with the process
        writer.close()
    return [parts for _ in range(rounds) for _, parts in ALL]


def read(path: Path) -> list[Wire]:
    with SessionReader(path) as reader:
        return [recorded.parts for recorded in reader.messages()]


def test_messages_come_back_byte_for_byte_in_order(tmp_path: Path) -> None:
    path = tmp_path / "session.mcap"
    sent = write(path, 3)
    with SessionReader(tmp_path) as reader:
        recorded = list(reader.messages())
        assert [m.parts for m in recorded] == sent
        assert reader.damage.sound
        assert reader.damage.messages == len(sent)
        assert reader.has_valid_crc()
        assert reader.about == {"affectline": "0", "privacy": "everything"}
        assert sum(reader.topics().values()) == len(sent)
    assert [(m.kind, m.log_time, m.publish_time) for m in recorded[:2]] == [
        (ALL[0][0], 0, 0), (ALL[1][0], 1, 0),
    ]  # fmt: skip


def test_mcap_s_own_reader_reads_it(tmp_path: Path) -> None:
    sent = write(tmp_path / "session.mcap", 3)
    with (tmp_path / "session.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "affectline"
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == len(sent)
        assert {s.name for s in summary.schemas.values()} == set(message_kinds())
        assert [m.name for m in reader.iter_metadata()] == ["session"]
        for (schema, channel, message), parts in zip(reader.iter_messages(), sent, strict=True):
            assert channel.topic.encode() == parts[0]
            assert schema is not None
            assert (schema.encoding, channel.message_encoding) == ("jsonschema", "msgpack")
            assert json.loads(schema.data)["properties"]["message"]["const"] == schema.name
            unpacker = msgpack.Unpacker()
            unpacker.feed(message.data)
            assert unpacker.unpack()["message"] == schema.name, "the header comes first"
    with (tmp_path / "session.mcap").open("rb") as file:
        assert len(list(StreamReader(file, validate_crcs=True).records)) > len(sent)


def test_a_recorder_that_died_is_followed_by_one_that_goes_on_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "session.mcap"
    sent = write(path, 2, finish=False)
    with path.open("ab") as file:
        file.write(b"\x06\x99half a chunk")
    assert read(path) == sent
    sent += write(path, 2, begin=2)
    with SessionReader(path) as reader:
        assert [m.parts for m in reader.messages()] == sent
        assert reader.damage.sound
    with path.open("rb") as file:
        again = make_reader(file, validate_crcs=True)
        assert len(list(again.iter_messages())) == len(sent)
        summary = again.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == len(sent)
        assert len(summary.channels) == len({parts[0] for parts in sent}) + 2  # stream/: 3 kinds


def test_a_finished_recording_can_be_gone_on_with(tmp_path: Path) -> None:
    sent = write(tmp_path / "session.mcap", 1) + write(tmp_path / "session.mcap", 1, begin=1)
    assert read(tmp_path / "session.mcap") == sent


def test_a_recorder_waits_for_who_reads_its_file(tmp_path: Path) -> None:
    path = tmp_path / "s.mcap"
    SessionWriter(path, {}).finish()
    with path.open("rb") as file:
        assert try_lock(file, shared=True)
        reader = threading.Timer(0.2, file.close)
        reader.start()
        SessionWriter(path, {}).finish()
        reader.join()


def test_two_do_not_record_into_one_file(tmp_path: Path) -> None:
    path = tmp_path / "s.mcap"
    first = SessionWriter(path, {})
    first.add("Marker", dict(ALL)["Marker"], 1, 1)
    with pytest.raises(AffectlineError, match=r"s\.mcap: another process is recording into it"):
        SessionWriter(path, {})
    first.finish()
    assert read(path) == [dict(ALL)["Marker"]]
    SessionWriter(path, {}).finish()


def test_an_empty_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "session.mcap").write_bytes(b"\x89MC")
    assert write(tmp_path / "session.mcap", 1) == read(tmp_path / "session.mcap")


@pytest.mark.parametrize("content", [b"", b"stream,epoch\n" * 100, b"\x00" * 5000])
def test_what_is_no_recording_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "session.mcap"
    path.write_bytes(content)
    with pytest.raises(AffectlineError, match=r"FILE .*session.mcap: not a recording"):
        SessionReader(path)


def test_other_tools_mcap_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "session.mcap"
    write(path, 1)
    path.write_bytes(path.read_bytes().replace(b"affectline", b"ros2------", 1))
    with pytest.raises(AffectlineError, match="not recorded by Affectline"):
        SessionReader(path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="no such file"):
        SessionReader(tmp_path / "none.mcap")


@pytest.mark.parametrize("parts", [[b"h"], [b"h", b""], [b"head", b"x" * 70000, b"", b"y"]])
def test_framing(parts: list[bytes]) -> None:
    assert unpack_parts(LAYOUT, pack_parts(parts, header_only=False)) == tuple(parts)
    if len(parts) == 1:
        assert pack_parts(parts, header_only=True) == parts[0]


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x00\x00", b"\xff\xff", b"ab\x03\x00\x00\x00\x01\x00"]
)
def test_lengths_that_do_not_fit(data: bytes) -> None:
    assert unpack_parts(LAYOUT, data) is None


def fill(writer: SessionWriter, make: Callable[[], Wire]) -> int:
    """Write until the disk is full; return how many messages were flushed before."""
    flushed = reason = 0
    try:
        while True:
            for _ in range(4):
                writer.add("Frame", make(), flushed, flushed)
            writer.flush()
            flushed = writer.messages
    except OSError as error:
        reason = error.errno or 0
    assert reason == errno.ENOSPC
    return flushed


def free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def test_a_full_disk_leaves_a_readable_file(small_disk: Path) -> None:
    path = small_disk / "session.mcap"
    writer = SessionWriter(path, {"affectline": "0"})
    topic, header, _ = dict(ALL)["Frame"]
    flushed = fill(writer, lambda: (topic, header, os.urandom(5000)))
    with pytest.raises(OSError, match="No space left"):
        writer.finish()  # what the failed write has left free is room enough for the end
    assert flushed > 20
    with SessionReader(path) as reader:
        assert len(list(reader.messages())) == flushed
        assert reader.damage.sound
    with path.open("rb") as file:
        assert len(list(make_reader(file, validate_crcs=True).iter_messages())) == flushed


def test_what_could_not_be_flushed_is_still_pending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "session.mcap"
    writer = SessionWriter(path, {})
    writer.add(*ALL[0], 1, 1)

    def refuse(data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(writer, "_append", refuse)
        for number in (2, 3):
            with pytest.raises(OSError, match="No space left"):
                writer.flush()
            writer.add(*ALL[number], number, number)
    assert (writer.pending, writer.messages) == (3, 0)
    writer.flush()
    assert (writer.pending, writer.messages) == (0, 3)
    writer.add(*ALL[0], 4, 4)
    writer.finish()
    with SessionReader(path) as reader:
        sent = [ALL[number][1] for number in (0, 2, 3, 0)]
        assert [recorded.parts for recorded in reader.messages()] == sent
        assert reader.damage.sound
        assert reader.has_valid_crc()
        assert sum(reader.topics().values()) == 4
    with path.open("rb") as file:
        assert len(list(StreamReader(file, validate_crcs=True).records)) > 4


def test_no_room_for_the_end_is_told_and_loses_nothing(small_disk: Path) -> None:
    path = small_disk / "session.mcap"
    writer = SessionWriter(path, {"affectline": "0"})
    topic, header, _ = dict(ALL)["Frame"]
    writer.add("Frame", (topic, header, bytes(100)), 1, 1)
    writer.flush()
    with (small_disk / "other").open("wb", buffering=0) as other:
        while written := free(small_disk):
            other.write(bytes(min(written, 4096)))
    os.truncate(path, (path.stat().st_size + 4095) // 4096 * 4096 - 1)
    writer._end = path.stat().st_size
    writer._file.seek(writer._end)
    with pytest.raises(OSError, match="No space left"):
        writer.finish()
    with SessionReader(path) as reader:
        assert len(list(reader.messages())) == 1
        assert not reader.damage.finished
