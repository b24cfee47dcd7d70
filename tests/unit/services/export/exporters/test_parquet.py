from pathlib import Path

import pytest

from affectline.services.export.exporters.parquet import ParquetExporter, ParquetSettings
from affectline.services.export.tables import make_tables
from affectline.services.sessions.columns import TABLES, emotion_rows, lost_row
from tests.recordings import recording
from tests.samples import EMOTION


def test_parquet_reads_back_as_the_same_table(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow (the tables extra)")
    made = make_tables(recording())
    ParquetExporter(ParquetSettings()).write(made, tmp_path)
    for table in TABLES:
        if table.name in made:
            read = pq.read_table(tmp_path / f"{table.name}.parquet").to_pydict()
            assert tuple(read) == table.header
            assert list(zip(*read.values(), strict=True)) == made[table.name]


@pytest.mark.parametrize("rows", [1, 0])
def test_types_are_the_same_whatever_is_in_a_table(rows: int, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow", reason="needs pyarrow (the tables extra)")
    names = {"integer": "Int64", "number": "float64", "seconds": "float64", "boolean": "boolean"}
    for table in TABLES:
        empty = [(None,) * len(table.columns)] * rows
        ParquetExporter(ParquetSettings()).write({table.name: empty}, tmp_path)
        read = pd.read_parquet(tmp_path / f"{table.name}.parquet")
        for column in table.columns:
            if column.kind in names:
                assert str(read[column.name].dtype) == names[column.kind], column


def test_integers_keep_their_digits_beside_empty_cells(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow", reason="needs pyarrow (the tables extra)")
    rows = [*emotion_rows(EMOTION, EMOTION.captured_at), lost_row("drive", 1, 8)]
    ParquetExporter(ParquetSettings()).write({"emotions": rows}, tmp_path)
    read = pd.read_parquet(tmp_path / "emotions.parquet")
    assert read["captured_at"].tolist() == [EMOTION.captured_at, EMOTION.captured_at, pd.NA]
