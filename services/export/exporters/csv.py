"""A session as CSV files, for spreadsheets and R."""

from pathlib import Path
from typing import Literal

from affectline.common.spreadsheet import row_writer
from affectline.services.export.exporter import ExportSettings
from affectline.services.export.tables import TableExporter
from affectline.services.sessions.columns import format_cells
from affectline.services.sessions.table_column import Row, SessionTable


class CsvExportSettings(ExportSettings):
    """Settings of CSV exports."""

    exporter: Literal["csv"] = "csv"
    delimiter: Literal[",", ";", "\t"] = ","
    """Character between the cells of a row."""


class CsvExporter(TableExporter):
    """Writes a CSV file for each kind of message."""

    settings_model = CsvExportSettings
    summary = "a table for each kind of message"
    files = "emotions.csv, samples.csv, states.csv, markers.csv, responses.csv"

    def marker_of(self, table: SessionTable) -> bytes:
        delimiter: str = self.settings.delimiter
        return delimiter.join(table.header).encode()

    def write_table(self, path: Path, table: SessionTable, rows: list[Row]) -> None:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = row_writer(stream, self.settings.delimiter)
            writer.writerow(table.header)
            writer.writerows(map(format_cells(table), rows))
