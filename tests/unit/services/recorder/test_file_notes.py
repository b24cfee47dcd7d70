"""What the recorder notes in its file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from affectline.common.clock import ClockStep, ClockWatch
from affectline.common.recording.content import RecordingContent, read_content, scan_content
from affectline.common.recording.notes import NOTE, FileNote, parse_note
from affectline.common.recording.reader import FILE, SessionReader
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.hub import Delivery
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamEnd, StreamStart
from affectline.services.recorder import file_notes
from affectline.services.recorder.file_notes import describe_clock, find_step
from affectline.services.recorder.spec import RecorderProcess
from affectline.services.recorder.stage import Recorder

SECOND = 1_000_000_000
START = 1_795_445_587 * SECOND
STEP = SECOND // 25
SAME = {"stream": "drive", "epoch": START // 1_000_000}


def recorder(folder: Path, delivery: Delivery = "live", **more: Any) -> Recorder:
    about = {"delivery": delivery}
    stage = Recorder(RecorderProcess(folder=folder, about=about, session_start=START, **more))
    stage.context = StageContext("recorder", delivery)
    stage.setup()
    return stage


def frames(*seqs: int) -> Iterator[Packet]:
    for seq in seqs:
        at = START + seq * STEP
        same = {**SAME, "seq": seq, "captured_at": at, "received_at": at, "width": 9, "height": 9}
        yield Packet(Frame.model_validate(same), (b"jpeg",))
        yield Packet(Emotion.model_validate({**same, "published_at": at}))


def start() -> Packet:
    fields = {
        **SAME, "started_at": START, "received_at": START, "session_start": START,
        "source": "a.mp4", "kind": "film", "live": False,
    }  # fmt: skip
    return Packet(StreamStart.model_validate(fields))


def end(last: int) -> Packet:
    at = START + last * STEP
    fields = {**SAME, "ended_at": at, "received_at": at, "last_seq": last, "reason": "end"}
    return Packet(StreamEnd.model_validate(fields))


def write(stage: Recorder, *packets: Packet, is_killed: bool = False) -> None:
    for packet in packets:
        stage.handle(packet)
    if is_killed:
        stage._write_in_order(stage._merger.flush())
        assert stage._writer
        assert stage._fsync
        stage._writer.flush()
        stage._writer.close()
        stage._fsync.stop()
    else:
        stage.cleanup()


def content(folder: Path, *, scanned: bool = False) -> RecordingContent:
    with SessionReader(folder) as reader:
        return scan_content(reader) if scanned else read_content(reader)


def holes(found: RecordingContent, kind: str = "Frame") -> list[tuple[int, int, str]]:
    return [
        (hole.first, hole.last, hole.reason)
        for sequence in found.sequences
        if sequence.kind == kind
        for hole in sequence.holes
    ]


@pytest.mark.parametrize("scanned", [False, True])
def test_a_recorder_that_goes_on_notes_that_one_was_away(tmp_path: Path, scanned: bool) -> None:
    write(recorder(tmp_path), start(), *frames(0, 1, 2), is_killed=True)
    write(recorder(tmp_path), *frames(6, 7, 9), end(9))
    found = content(tmp_path, scanned=scanned)
    assert holes(found) == [(3, 5, "interrupted"), (8, 8, "live")]
    assert holes(found, "Emotion") == holes(found)
    assert (found.is_listed, found.interruptions, found.unexplained) == (True, 1, 0)
    with SessionReader(tmp_path) as reader:
        begun, interrupted = (note for note in reader.notes() if note.name == NOTE)
    assert (begun.kind, interrupted.kind) == ("begun", "interrupted")
    assert interrupted.number("since") == START + 2 * STEP
    assert interrupted.number("away_from") == START + 2 * STEP


def test_a_stream_that_never_came_back_may_have_gone_on(tmp_path: Path) -> None:
    write(recorder(tmp_path), start(), *frames(0, 1, 2), is_killed=True)
    write(recorder(tmp_path))
    for scanned in (False, True):
        found = content(tmp_path, scanned=scanned)
        assert [one.open_since for one in found.sequences] == [START + 2 * STEP] * 2


def test_in_lossless_delivery_nothing_explains_what_is_missing(tmp_path: Path) -> None:
    stage = recorder(tmp_path, "lossless")
    write(stage, start(), *frames(0, 1, 4), end(4))
    assert holes(content(tmp_path)) == [(2, 3, "")]


def test_a_replay_is_recorded_as_one(tmp_path: Path) -> None:
    write(recorder(tmp_path, "lossless", finishers=("replay",)), *frames(0, 1, 4))
    assert holes(content(tmp_path)) == [(2, 3, "replayed")]


def test_a_file_that_was_not_finished_has_no_list(tmp_path: Path) -> None:
    write(recorder(tmp_path), start(), *frames(0, 3), is_killed=True)
    with SessionReader(tmp_path) as reader:
        assert not read_content(reader, scan=False).is_known
    assert holes(content(tmp_path)) == [(1, 2, "live")]


def test_a_damaged_place_is_told_from_what_never_came(tmp_path: Path) -> None:
    stage = recorder(tmp_path)
    for packets in (frames(0, 1), frames(4, 5), frames(6, 7)):
        for packet in packets:
            stage.handle(packet)
        stage._write_in_order(stage._merger.flush())
        assert stage._writer
        stage._writer.flush()
    stage.cleanup()
    raw = bytearray((tmp_path / FILE).read_bytes())
    with SessionReader(tmp_path) as reader:
        chunk = [r for r in reader.file.records() if r.opcode == 6][1]
    raw[chunk.start + 60 : chunk.end] = bytes(chunk.end - chunk.start - 60)
    (tmp_path / FILE).write_bytes(raw)
    found = content(tmp_path, scanned=True)
    assert holes(found) == [(2, 3, "live"), (4, 5, "gone")]
    assert found.unexplained == 4
    raw = raw[: raw.index(b"affectline.content") - 13]  # nor has it been finished
    (tmp_path / FILE).write_bytes(raw)
    assert holes(content(tmp_path)) == [(2, 5, "damaged")]


class Clocks:
    """The clock of the hub, and one that is never set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.elapsed_ns, self.ahead_ns = 5 * SECOND, START
        watch = ClockWatch
        monkeypatch.setattr(file_notes, "ClockWatch", lambda clock: watch(clock, self.elapsed))
        monkeypatch.setattr(file_notes, "now_ns", self.now)
        monkeypatch.setattr(file_notes, "elapsed_ns", self.elapsed)

    def elapsed(self) -> int:
        return self.elapsed_ns

    def now(self) -> int:
        return self.elapsed_ns + self.ahead_ns


def test_clocks_that_are_set_are_noted_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks(monkeypatch)
    stage = recorder(tmp_path)
    stage.context.now = clocks.now
    for by_s in (0, 0, 3600, 0, -3600):
        clocks.elapsed_ns += 2 * SECOND
        clocks.ahead_ns += by_s * SECOND
        stage.tick()
    assert [s.by_ns // SECOND for s in content(tmp_path).clock_steps] == [3600, -3600]
    stage.cleanup()
    first, _ = content(tmp_path).clock_steps
    assert first == ClockStep(START + 11 * SECOND, START + 3611 * SECOND)


def test_the_hub_s_clock_is_not_set_when_it_becomes_known_but_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks(monkeypatch)
    stage = recorder(tmp_path)
    correction_s = 0
    stage.context.now = lambda: clocks.now() + correction_s * SECOND
    for correction_s in (0, 0, 0, 60, 60, 60, 30):  # noqa: B007 - nobody answers at first
        clocks.elapsed_ns += 2 * SECOND
        stage.tick()
    stage.cleanup()
    (step,) = content(tmp_path).clock_steps
    assert step.by_ns == -30 * SECOND, "then it was set"


def test_a_clock_that_was_set_while_the_recorder_was_away_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks(monkeypatch)
    for by_s in (0, 3600, 0):
        clocks.elapsed_ns += 100 * SECOND
        clocks.ahead_ns += by_s * SECOND + SECOND // 50  # NTP steers it
        write(recorder(tmp_path), is_killed=True)
    (step,) = content(tmp_path).clock_steps
    assert step.by_ns == pytest.approx(3600 * SECOND, abs=SECOND)


def test_another_machine_s_clock_tells_nothing() -> None:
    now = describe_clock()
    then = {**now, "ahead": now["ahead"] - 10 * SECOND}
    assert find_step(FileNote(NOTE, then), now) is not None
    for fields in ({**then, "boot": "x"}, {**then, "ahead": "x"}, {}):
        assert find_step(FileNote(NOTE, fields), now) is None
    assert find_step(None, now) is None


@pytest.mark.parametrize(
    ("name", "text"), [("session", "{}"), (NOTE, "{"), (NOTE, "[1]"), (NOTE, "")]
)
def test_what_is_no_note(name: str, text: str) -> None:
    assert parse_note(name, {"json": text}) is None
