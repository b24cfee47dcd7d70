"""Messages that are made again of a session's tables."""

import csv
import json
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import SessionReader
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State, sample_times
from affectline.common.wire.face_signs import FaceSigns
from affectline.common.wire.messages import Emotion, Marker, StreamEnd, StreamStart
from affectline.services.export.exporter import make_exporter
from affectline.services.sessions.catalog import describe, find, print_info
from affectline.services.sessions.columns import EMOTIONS, STATES
from affectline.services.sessions.recording import open_recording
from affectline.services.sessions.removal import is_session
from affectline.services.sessions.stream_stats import StreamSummary
from affectline.services.sessions.table_reader import TableReader
from affectline.services.sink.csv_writer import CsvWriter
from tests.samples import EMOTION, PACKETS

START = EMOTION.captured_at - 10**9


def write_session(folder: Path) -> list[Message]:
    """A session without a recording; returns its messages."""
    nobody = EMOTION.model_copy(update={"seq": 8, "faces": ()})
    skipped = nobody.model_copy(update={"seq": 9, "missing": "behind", "model": None})
    picture = EMOTION.model_copy(update={"seq": 10, "media_time": None, "file": "a/b é.png"})
    writer = CsvWriter(folder, {"delivery": "live"}, START)
    begin, end = (PACKETS[name].message for name in ("StreamStart", "StreamEnd"))
    assert isinstance(begin, StreamStart)
    assert isinstance(end, StreamEnd)
    samples, state, marker = (PACKETS[name].message for name in ("Samples", "State", "Marker"))
    assert isinstance(samples, Samples)
    assert isinstance(state, State)
    assert isinstance(marker, Marker)
    emotions = [EMOTION, nobody, skipped, picture]
    summary = writer.streams.setdefault("drive", StreamSummary())
    summary.begin(begin)
    for emotion in emotions:
        writer.add(emotion)
        summary.add(emotion)
        summary.epoch, summary.next_seq = emotion.epoch, emotion.seq + 1
    writer.add_lost("drive", EMOTION.epoch, 11)
    summary.next_seq = 12
    summary.finish(end)
    writer.add_samples(samples)
    writer.add_state(state)
    writer.add_marker(marker)
    writer.finish()
    writer.close()
    return [*emotions, samples, state, marker]


def test_messages_come_back_as_they_were(tmp_path: Path) -> None:
    said = write_session(tmp_path)
    reader = TableReader(tmp_path)
    found = [packet.message for packet in reader.messages()]
    assert reader.unreadable == 0
    begin, *middle, end = found
    assert isinstance(begin, StreamStart)
    assert (begin.session_start, begin.kind, begin.source) == (START, "film", "drive.mp4")
    assert isinstance(end, StreamEnd)
    assert (end.last_seq, end.reason) == (11, "end")
    emotions = [one for one in middle if isinstance(one, Emotion)]
    rounded = {"media_time": 291_958_000}
    assert emotions == [
        one.model_copy(update=rounded if one.media_time else {})
        for one in said
        if isinstance(one, Emotion)
    ]
    others = {type(one): one for one in middle if not isinstance(one, Emotion)}
    expected = {type(one): one for one in said if not isinstance(one, Emotion)}
    assert others[Marker] == expected[Marker]
    assert others[State] == expected[State]
    samples, original = others[Samples], expected[Samples]
    assert isinstance(samples, Samples)
    assert isinstance(original, Samples)
    assert (samples.values, samples.unit, samples.reason) == (
        original.values, original.unit, original.reason,
    )  # fmt: skip
    assert sample_times(samples) == sample_times(original)


def test_exports_of_the_tables_are_the_tables(tmp_path: Path) -> None:
    session, out = tmp_path / "drive", tmp_path / "out"
    out.mkdir()
    write_session(session)
    for path in (session, session / "emotions.csv", session / "session.json"):
        opened = open_recording(path)
        assert (opened.name, opened.is_recorded) == ("drive", False)
        make_exporter("csv").export(opened, out)
        for name in ("emotions", "samples", "states", "markers"):
            ours, theirs = (folder / f"{name}.csv" for folder in (session, out))
            assert ours.read_text() == theirs.read_text()
        assert make_exporter("xdf").export(opened, out)


def test_what_needs_a_recording_says_so(tmp_path: Path) -> None:
    write_session(tmp_path / "drive")
    with pytest.raises(AffectlineError, match="--to mp4 needs a session recorded with --record"):
        make_exporter("mp4").export(open_recording(tmp_path / "drive"), tmp_path)
    for path in (tmp_path / "drive", tmp_path / "drive" / "emotions.csv"):
        with pytest.raises(AffectlineError, match="needs a session recorded with --record"):
            SessionReader(path)


def test_it_is_described_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_session(tmp_path / "drive")
    described = describe(tmp_path / "drive")
    assert described["tables"] == {"emotions": 7, "samples": 2, "states": 1, "markers": 1}
    assert described["seconds"] == 0.812
    assert described["streams"]["drive"]["frames"] == 4
    json.dumps(described)
    print_info(described)
    assert "needs a session recorded with --record" in " ".join(
        capsys.readouterr().out.replace("│", "").split()
    ).replace("need a", "needs a")
    (row,) = find(tmp_path)
    assert (row["tables"], row["recording"], row["seconds"]) == (True, None, 0.812)


def test_torn_and_edited_rows_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    said = write_session(tmp_path)
    with (tmp_path / "emotions.csv").open("a") as file:
        file.write("1.5,,drive,,x" + "," * 100 + "\n1.6,dr")
    with (tmp_path / "states.csv").open("w") as file:
        file.write("at\n1\n")
    problems: list[str] = []
    opened = open_recording(tmp_path, lambda _, problem: problems.append(problem))
    found = [type(packet.message).__name__ for packet in opened.read()]
    assert found.count("Emotion") == sum(isinstance(one, Emotion) for one in said)
    assert found.count("State") == 0
    assert problems == ["3 rows of its tables cannot be read"]


def test_tables_without_the_columns_of_today_are_read(tmp_path: Path) -> None:
    """As sessions were written before faces said anything besides their emotion."""
    said = write_session(tmp_path)
    for table in (EMOTIONS, STATES):
        path = tmp_path / f"{table.name}.csv"
        earlier = [column.name for column in table.columns if column.since == 1]
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, earlier, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    reader = TableReader(tmp_path)
    found = [packet.message for packet in reader.messages()]
    assert reader.unreadable == 0
    emotions = [one for one in found if isinstance(one, Emotion)]
    assert len(emotions) == sum(isinstance(one, Emotion) for one in said)
    for face in (face for emotion in emotions for face in emotion.faces):
        assert {getattr(face, name) for name in FaceSigns.model_fields} == {None, ()}
    assert emotions[0].faces[0].label == "happy"
    (state,) = (one for one in found if isinstance(one, State))
    assert (state.nervousness, state.drowsiness, state.off_road) == (63.5, None, None)
    assert is_session(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "emotions.csv: is empty: analyse the source again"),
        ("\ufeffstream,epoch,seq\n", "saved again by a spreadsheet program"),
        ("stream;epoch;seq\n", "saved again by a spreadsheet program"),
    ],
)
def test_what_has_become_of_a_table_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "emotions.csv").write_text(text)
    with pytest.raises(AffectlineError, match=says):
        TableReader(tmp_path)


def test_tables_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "emotions.csv").write_text("stream,epoch,seq\ndrive,1,2\n")
    with pytest.raises(AffectlineError, match="columns are from another version"):
        open_recording(tmp_path)


def test_a_table_that_an_editor_saved_is_read_completely(tmp_path: Path) -> None:
    """Without a line end, or with an empty line at the end."""
    write_session(tmp_path)
    path = tmp_path / "markers.csv"
    whole = path.read_text()
    for text in (whole.rstrip("\n"), whole + "\n", whole.replace("\n", "\n\n")):
        path.write_text(text)
        reader = TableReader(tmp_path)
        assert sum(isinstance(p.message, Marker) for p in reader.messages()) == 1
        assert reader.unreadable == 0


@pytest.mark.parametrize("session", [None, "[]", '{"streams": {}}', '{"streams": {"drive": {}}}'])
def test_a_last_row_without_a_line_end_of_an_unfinished_session_is_cut_off(
    session: str | None, tmp_path: Path
) -> None:
    write_session(tmp_path)
    (tmp_path / "session.json").unlink()
    if session is not None:
        (tmp_path / "session.json").write_text(session)
    path = tmp_path / "markers.csv"
    path.write_text(path.read_text().rstrip("\n"))
    reader = TableReader(tmp_path)
    assert not any(isinstance(p.message, Marker) for p in reader.messages())
    assert reader.unreadable == 1
