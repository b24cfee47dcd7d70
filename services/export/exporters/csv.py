"""A session as CSV files, for spreadsheets and R."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator

from affectline.common.spreadsheet import row_writer
from affectline.services.export.exporter import ExportSettings
from affectline.services.export.tables import TableExporter
from affectline.services.sessions.columns import format_cells
from affectline.services.sessions.table_column import Row, SessionTable

TAB: Final = "\t"


def _read_delimiter(given: Any) -> Any:
    r"""Take ``tab`` and ``\t`` as a tab: shells pass the latter on as two characters."""
    return TAB if given in ("\\t", "tab") else given


class CsvExportSettings(ExportSettings):
    """Settings of CSV exports."""

    exporter: Literal["csv"] = "csv"
    delimiter: Annotated[Literal[",", ";", "\t"], BeforeValidator(_read_delimiter)] = ","
    """Character between the cells of a row. A tab may be written ``tab``; with ``;``, files begin
    with a byte order mark, as Excel expects."""
    decimal: Literal[".", ","] | None = None
    """Decimal separator of numbers; by default ``,`` with the delimiter ``;``, else ``.``."""

    @property
    def decimal_separator(self) -> str:
        """The decimal separator, given or by default."""
        return self.decimal or ("," if self.delimiter == ";" else ".")


class CsvExporter(TableExporter):
    """Writes a CSV file for each kind of message."""

    settings_model = CsvExportSettings
    summary = "a table for each kind of message"
    files = "emotions.csv, samples.csv, states.csv, markers.csv, responses.csv"

    def marker_of(self, table: SessionTable) -> bytes:
        delimiter: str = self.settings.delimiter
        return delimiter.join(table.header).encode()

    def write_table(self, path: Path, table: SessionTable, rows: list[Row]) -> None:
        format_row = format_cells(table)
        if self.settings.decimal_separator == ",":
            format_row = _with_commas(table, format_row)
        encoding = "utf-8-sig" if self.settings.delimiter == ";" else "utf-8"
        with path.open("w", newline="", encoding=encoding) as stream:
            writer = row_writer(stream, self.settings.delimiter)
            writer.writerow(table.header)
            writer.writerows(map(format_row, rows))


def _with_commas(
    table: SessionTable, format_row: Callable[[Sequence[Any]], list[Any]]
) -> Callable[[Sequence[Any]], list[Any]]:
    """Format rows with decimal commas."""
    places = [i for i, one in enumerate(table.columns) if one.kind in ("number", "seconds")]

    def format_with_commas(row: Sequence[Any]) -> list[Any]:
        cells = format_row(row)
        for i in places:
            if cells[i] is not None:
                cells[i] = str(cells[i]).replace(".", ",")
        return cells

    return format_with_commas
