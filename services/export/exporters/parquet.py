"""A session as Parquet files, for pandas and similar tools."""

import json
from pathlib import Path
from typing import Any, Final, Literal

from affectline.services.export.exporter import ExportSettings, Requirement
from affectline.services.export.tables import TableExporter
from affectline.services.sessions.table_column import Kind, Row, SessionTable

ARROW_TYPES: Final[dict[Kind, str]] = {
    "integer": "int64", "number": "float64", "seconds": "float64", "text": "string",
    "boolean": "bool",
}  # fmt: skip
PANDAS_TYPES: Final[dict[Kind, tuple[str, str]]] = {
    "integer": ("int64", "Int64"), "number": ("float64", "float64"),
    "seconds": ("float64", "float64"), "text": ("unicode", "object"),
    "boolean": ("bool", "boolean"),
}  # fmt: skip
"""Pandas' name for the values, and the type of the column, which must allow empty cells."""


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

    def marker_of(self, table: SessionTable) -> bytes:
        return table.columns[-1].name.encode()

    def write_table(self, path: Path, table: SessionTable, rows: list[Row]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = list(zip(*rows, strict=True)) or [()] * len(table.columns)
        made = pa.table([list(cells) for cells in columns], schema=make_schema(table))
        pq.write_table(made, path, compression=self.settings.compression)


def make_schema(table: SessionTable) -> Any:
    """The `pyarrow.Schema` of a table, with the same types whatever the table contains.

    Its metadata makes pandas keep integer columns with empty cells as integers. Otherwise they
    would become floating-point numbers and lose digits of times in nanoseconds.
    """
    import pyarrow as pa

    fields = [
        (column.name, pa.type_for_alias(ARROW_TYPES[column.kind])) for column in table.columns
    ]
    columns = []
    for name, kind, *_ in table.columns:
        values, column = PANDAS_TYPES[kind]
        columns.append({
            "name": name, "field_name": name, "pandas_type": values, "numpy_type": column,
            "metadata": None,
        })  # fmt: skip
    about = {"index_columns": [], "column_indexes": [], "columns": columns}
    return pa.schema(fields, metadata={"pandas": json.dumps(about)})
