"""Tables come back with their types, and exactly as they were written."""

import json
from pathlib import Path

import pandas as pd
import pytest

from affectline.common.errors import AffectlineError
from affectline.services.api.data_frames import from_rows, read_table
from affectline.services.export.exporters.csv import CsvExporter, CsvExportSettings
from affectline.services.export.tables import make_tables
from affectline.services.sessions.columns import EMOTIONS, MARKERS, SAMPLES, STATES, TABLES
from tests.recordings import START, recording


def test_a_table_of_a_folder_is_that_of_the_messages(tmp_path: Path) -> None:
    rows = make_tables(recording(), START)
    CsvExporter(CsvExportSettings()).write(rows, tmp_path)
    for table in (EMOTIONS, SAMPLES, STATES, MARKERS):
        read = read_table(tmp_path / f"{table.name}.csv", table)
        assert len(read) == len(rows[table.name])
        pd.testing.assert_frame_equal(read, from_rows(rows, table))


def test_integers_stay_integers_where_cells_are_empty(tmp_path: Path) -> None:
    frames = from_rows(make_tables(recording(), START), EMOTIONS)
    assert frames["track"].isna().any()
    assert frames["captured_at"].iloc[-1] == START + 59 * 10**9, "ns do not fit a float"
    assert str(frames["track"].dtype) == "Int64"


@pytest.mark.parametrize("text", ["None", "NA", "nan", "=1+1", "'=1+1", 'a, "b"'])
def test_texts_are_what_they_were(text: str, tmp_path: Path) -> None:
    packets = recording()
    marker = packets[-1].message.model_copy(update={"label": text})
    rows = make_tables([type(packets[-1])(marker)], START)
    CsvExporter(CsvExportSettings()).write(rows, tmp_path)
    assert read_table(tmp_path / "markers.csv", MARKERS)["label"].tolist() == [text]


def test_a_table_that_is_not_there_is_empty_with_its_types(tmp_path: Path) -> None:
    for table in TABLES:
        frame = read_table(tmp_path / f"{table.name}.csv", table)
        assert frame.empty
        assert list(frame.columns) == list(table.header)


def test_a_row_that_was_cut_off_or_edited_is_left_out_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "emotions.csv"
    CsvExporter(CsvExportSettings()).write(make_tables(recording()[:10], START), tmp_path)
    whole = path.read_bytes()
    before = read_table(path, EMOTIONS)
    last_row = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in (len(whole) - 1, len(whole) - 3, len(whole) - 30, last_row + 1):
        path.write_bytes(whole[:end])
        with pytest.warns(RuntimeWarning, match="1 row was left out: it is cut off or was edited"):
            found = read_table(path, EMOTIONS)
        pd.testing.assert_frame_equal(found, before[before["seq"] < 4])
    lines = whole.splitlines(keepends=True)
    for bad in (b"x," * (len(EMOTIONS.header) - 1) + b"x\n", b"1,2\n"):
        path.write_bytes(b"".join([*lines[:2], bad, *lines[2:]]))
        with pytest.warns(RuntimeWarning, match="1 row was left out"):
            pd.testing.assert_frame_equal(read_table(path, EMOTIONS), before)


def test_columns_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "states.csv").write_text("time_s,calm\n0,1\n")
    with pytest.raises(AffectlineError, match=r"states\.csv: its columns"):
        read_table(tmp_path / "states.csv", STATES)


def test_a_last_row_without_a_line_end_counts_if_the_session_was_finished(tmp_path: Path) -> None:
    """As editors and R write files."""
    path = tmp_path / "emotions.csv"
    CsvExporter(CsvExportSettings()).write(make_tables(recording()[:10], START), tmp_path)
    whole = path.read_bytes()
    before = read_table(path, EMOTIONS)
    path.write_bytes(whole.rstrip(b"\n"))
    for end in (None, "stopped"):
        (tmp_path / "session.json").write_text(json.dumps({"streams": {"drive": {"end": end}}}))
        if end is None:
            with pytest.warns(RuntimeWarning, match="1 row was left out"):
                assert len(read_table(path, EMOTIONS)) < len(before)
        else:
            pd.testing.assert_frame_equal(read_table(path, EMOTIONS), before)
    path.write_bytes(whole + b"\n")
    pd.testing.assert_frame_equal(read_table(path, EMOTIONS), before)


def test_tables_as_they_were_written_are_read_by_pandas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_tables(recording(), START)
    CsvExporter(CsvExportSettings()).write(rows, tmp_path)

    def fail(*_: object) -> None:
        raise AssertionError("read row by row, which takes much longer")

    monkeypatch.setattr("affectline.services.api.data_frames.rows_of", fail)
    for table in (EMOTIONS, SAMPLES, STATES, MARKERS):
        read = read_table(tmp_path / f"{table.name}.csv", table)
        pd.testing.assert_frame_equal(read, from_rows(rows, table), check_exact=True)


@pytest.mark.parametrize(
    ("column", "cell", "is_left_out"),
    [
        ("at", "1e18", True), ("synthetic", "TRUE", True), ("value", "x", True),
        ("at", " 1", False), ("value", "1e3", False), ("unit", "nan", False),
    ],
)  # fmt: skip
def test_edited_cells_are_read_or_left_out_but_never_changed(
    column: str, cell: str, is_left_out: bool, tmp_path: Path
) -> None:
    path = tmp_path / "samples.csv"
    CsvExporter(CsvExportSettings()).write(make_tables(recording(), START), tmp_path)
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[SAMPLES.header.index(column)] = cell
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    if is_left_out:
        with pytest.warns(RuntimeWarning, match="1 row was left out"):
            assert len(read_table(path, SAMPLES)) == len(lines) - 2
    else:
        assert len(read_table(path, SAMPLES)) == len(lines) - 1
