"""Tables of sessions as pandas data frames, with the types that the tables declare."""

import csv
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra
from affectline.common.spreadsheet import unescape_text
from affectline.services.export.tables import Rows
from affectline.services.sessions.columns import MARKERS, marker_row, parse_cell
from affectline.services.sessions.edits import SessionEdits
from affectline.services.sessions.marker_edits import new_markers
from affectline.services.sessions.table_column import Kind, SessionTable, TableColumn
from affectline.services.sessions.table_reader import rows_of

if TYPE_CHECKING:
    import pandas as pd

DTYPES: Final[dict[Kind, str]] = {
    "integer": "Int64", "number": "float64", "seconds": "float64", "text": "string",
    "boolean": "boolean",
}  # fmt: skip
"""Types by kind of column; capitalized ones have ``<NA>`` for empty cells."""


def require_pandas(call: str) -> None:
    """Check that pandas is installed.

    Args:
        call: The call that needs it, for the error.

    Raises:
        AffectlineError: Pandas is not installed.
    """
    require_extra(call, "analysis", "pandas")


def read_table(path: Path, table: SessionTable) -> "pd.DataFrame":
    """Read a table of a session folder.

    Args:
        path: The CSV file. Without a file the table is empty.
        table: Definition of the table.

    Warns:
        RuntimeWarning: Rows were left out, because they are cut off or were edited.

    Raises:
        AffectlineError: The columns are from another version.
    """
    import pandas as pd

    if not path.is_file():
        return from_rows([], table)
    columns = _columns_of(path, table)
    rows, unreadable = _whole_rows(path, len(columns))
    # Read text first: a marker may be labelled "None", and numbers must keep their last digit
    texts = pd.DataFrame(rows, columns=[column.name for column in columns], dtype="string")
    try:
        frame = _convert(texts.replace("", pd.NA), columns)
    except (ValueError, TypeError):  # some cell was edited: leave its row out
        readable = [_is_readable(row, columns) for row in rows]
        unreadable += readable.count(False)
        frame = _convert(texts[readable].reset_index(drop=True).replace("", pd.NA), columns)
    if unreadable:
        count = "1 row" if unreadable == 1 else f"{unreadable} rows"
        text = f"{path}: {count} cannot be read, cut off or edited; the rest was read"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    return frame.reindex(columns=list(table.header))


def _convert(texts: "pd.DataFrame", columns: tuple[TableColumn, ...]) -> "pd.DataFrame":
    """Convert cells to the types of their columns."""
    for column in columns:
        if column.kind == "boolean":
            texts[column.name] = texts[column.name] == "true"
    frame = texts.astype({column.name: DTYPES[column.kind] for column in columns})
    for column in columns:
        if column.kind == "text" and frame[column.name].str.startswith("'").any():
            frame[column.name] = frame[column.name].map(unescape_text, na_action="ignore")
            frame = frame.astype({column.name: "string"})
    return frame


def _whole_rows(path: Path, width: int) -> tuple[list[list[str]], int]:
    """The rows of a table that have all of their cells, and how many others there are."""
    rows = []
    unreadable = 0
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        next(rows_of(file), ())  # the header
        for row in rows_of(file):
            if len(row) == width:
                rows.append(list(row))
            else:
                unreadable += 1
    return rows, unreadable


def _is_readable(row: list[str], columns: tuple[TableColumn, ...]) -> bool:
    try:
        for text, column in zip(row, columns, strict=True):
            parse_cell(text, column.kind)
    except ValueError:
        return False
    return True


def from_rows(rows: Rows | list[tuple[object, ...]], table: SessionTable) -> "pd.DataFrame":
    """Make a data frame from a table's rows."""
    import pandas as pd

    listed = rows.get(table.name, []) if isinstance(rows, dict) else rows
    frame = pd.DataFrame(listed, columns=list(table.header), dtype=object)
    return frame.astype({column.name: DTYPES[column.kind] for column in table.columns})


def with_edits(markers: "pd.DataFrame", edits: SessionEdits, session_start: int) -> "pd.DataFrame":
    """A session's table of markers with later edits applied.

    Args:
        markers: The table as written by the sink.
        edits: Edits of the session.
        session_start: Zero of ``time_s`` in ns since the Unix epoch.
    """
    import pandas as pd

    gone = {
        (one.recorded.at, one.recorded.label, one.recorded.source)
        for one in edits.markers
        if one.recorded is not None
    }
    texts = markers["source"].fillna("")
    kept = [key not in gone for key in zip(markers["at"], markers["label"], texts, strict=True)]
    rows = [marker_row(one, session_start) for one in new_markers(edits, session_start)]
    frame = pd.concat([markers[kept], from_rows(rows, MARKERS)])
    return frame.sort_values("at", kind="stable").reset_index(drop=True)


def _columns_of(path: Path, table: SessionTable) -> tuple[TableColumn, ...]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        try:
            header = next(csv.reader(file), [])
        except csv.Error:
            header = []
    columns = table.columns_of(header)
    if columns is None:
        raise AffectlineError(
            f"{path}: its columns are from another version",
            "open it with the version that wrote it, or analyse the source again",
        )
    return columns
