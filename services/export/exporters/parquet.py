"""A session as Parquet files, for pandas and the like."""

from pathlib import Path
from typing import Literal

from affectline.services.export.exporter import ExportSettings, Requirement
from affectline.services.export.tables import Table, TableExporter


class ParquetSettings(ExportSettings):
    """Settings of Parquet exports."""

    exporter: Literal["parquet"] = "parquet"
    compression: Literal["none", "snappy", "gzip", "zstd"] = "snappy"
    """Compression of the columns."""


class ParquetExporter(TableExporter):
    """Writes a Parquet file for each kind of message."""

    settings_model = ParquetSettings
    summary = "a table for each kind of message, with types"
    files = "emotions.parquet, samples.parquet, states.parquet, markers.parquet, responses.parquet"
    requires = Requirement("pyarrow", "tables")

    def write_table(self, path: Path, table: Table) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(table), path, compression=self.settings.compression)
