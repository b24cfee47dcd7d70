from pathlib import Path

import pytest

from affectline.services.export.exporters.parquet import ParquetExporter, ParquetSettings
from affectline.services.export.tables import make_tables
from tests.recordings import recording


def test_parquet_reads_back_as_the_same_table(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow (the tables extra)")
    made = make_tables(recording())
    ParquetExporter(ParquetSettings()).write(made, tmp_path)
    for name, table in made.items():
        assert pq.read_table(tmp_path / f"{name}.parquet").to_pydict() == table
