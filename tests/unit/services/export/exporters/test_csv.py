import csv
from pathlib import Path

from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.services.export.exporter import make_exporter
from affectline.services.export.exporters.csv import CsvExporter, CsvExportSettings
from affectline.services.export.tables import make_tables
from affectline.services.sessions.recording import open_recording
from tests.recordings import SECOND, START, recording


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_message_has_its_rows(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    paths = CsvExporter(CsvExportSettings()).write(make_tables(recording()), tmp_path / "made")
    assert sorted(path.name for path in paths) == [
        "emotions.csv", "markers.csv", "samples.csv", "states.csv",
    ]  # fmt: skip
    emotions = rows(tmp_path / "made" / "emotions.csv")
    assert len(emotions) == 60
    assert emotions[0]["track"] == ""
    assert emotions[1]["happy"] == "0.4"
    assert (emotions[1]["x"], emotions[1]["size"]) == ("30", "40")
    samples = rows(tmp_path / "made" / "samples.csv")
    assert len(samples) == 240
    assert int(samples[1]["at"]) - int(samples[0]["at"]) == SECOND // 4
    assert rows(tmp_path / "made" / "states.csv")[59]["heart_value"] == "92.0"
    assert rows(tmp_path / "made" / "markers.csv")[0]["label"] == "<hard> braking"


def test_every_marker_has_a_row_for_each_signal(tmp_path: Path) -> None:
    session = tmp_path / "drive"
    session.mkdir()
    writer = SessionWriter(session / "session.mcap", {})
    for packet in recording():
        writer.add(type(packet.message).__name__, codec.encode(packet), START, START)
    writer.finish()
    (tmp_path / "made").mkdir()
    make_exporter("csv").export(open_recording(session), tmp_path / "made")
    found = rows(tmp_path / "made" / "responses.csv")
    assert {row["marker"] for row in found} == {"<hard> braking"}
    assert {row["signal"] for row in found} == {"anna heart_rate", "anna nervousness"}
    heart = next(row for row in found if row["signal"] == "anna heart_rate")
    assert float(heart["baseline"]) < float(heart["peak"])
    assert float(heart["peak_s"]) >= float(heart["onset_s"]) >= 0


def test_another_delimiter(tmp_path: Path) -> None:
    settings = CsvExportSettings(delimiter=";")
    row = (0.5, "s", "p;q", None, '{"a": 1}', 500_000_000)
    CsvExporter(settings).write({"markers": [row]}, tmp_path)
    text = (tmp_path / "markers.csv").read_text()
    assert (
        text == 'time_s;session;label;source;extra;at\n0.500000;s;"p;q";;"{""a"": 1}";500000000\n'
    )
