import csv
import shutil
from pathlib import Path

import pytest

from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.services.export.exporter import make_exporter
from affectline.services.export.exporters.csv import CsvExporter, CsvExportSettings
from affectline.services.export.tables import make_tables
from affectline.services.sessions.recording import open_recording
from tests.recordings import SECOND, START, recording, write_recording


def rows(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


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
    row = (0.5, "s", "p;q", None, '{"a": 1.5}', 500_000_000)
    CsvExporter(settings).write({"markers": [row]}, tmp_path)
    content = (tmp_path / "markers.csv").read_bytes()
    header, cells = "time_s;session;label;source;extra;at", '0,500000;s;"p;q";;"{""a"": 1.5}"'
    assert content == f"\ufeff{header}\n{cells};500000000\n".encode(), "as Excel expects it"


@pytest.mark.parametrize(
    ("delimiter", "decimal", "cell"),
    [(",", None, "0.500000"), (",", ",", "0,500000"), (";", ".", "0.500000"),
     ("tab", None, "0.500000"), ("tab", ",", "0,500000")],
)  # fmt: skip
def test_a_decimal_separator(
    delimiter: str, decimal: str | None, cell: str, tmp_path: Path
) -> None:
    exporter = make_exporter("csv", {"delimiter": delimiter, "decimal": decimal})
    exporter.write({"markers": [(0.5, "s", "1.5", None, None, 500_000_000)]}, tmp_path)  # type: ignore[attr-defined]
    found = rows(tmp_path / "markers.csv", exporter.settings.delimiter)
    assert (found[0].popitem()[1], found[0]["label"]) == ("500000000", "1.5")
    first = "\ufefftime_s" if delimiter == ";" else "time_s"
    assert found[0][first] == cell


@pytest.mark.parametrize("written", ["\t", "\\t", "tab"])
def test_a_tab_may_be_written_in_words(written: str) -> None:
    assert make_exporter("csv", {"delimiter": written}).settings.delimiter == "\t"


def test_an_export_of_a_damaged_recording_has_the_complete_tables_beside_it(tmp_path: Path) -> None:
    session = write_recording(tmp_path / "drive", frames=30)
    tables = make_exporter("csv").export(open_recording(session), tmp_path)
    for path in tables:
        shutil.copy(path, session)
    (tmp_path / "made").mkdir()
    content = (session / "session.mcap").read_bytes()
    (session / "session.mcap").write_bytes(content[: len(content) // 2])
    problems: list[str] = []
    damaged = open_recording(session, lambda _, problem: problems.append(problem))
    make_exporter("csv").export(damaged, tmp_path / "made")
    assert problems == []
    assert len(rows(tmp_path / "made/emotions.csv")) == 30
    for path in tables:
        assert (tmp_path / "made" / path.name).read_bytes() == path.read_bytes()
