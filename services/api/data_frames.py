"""Tables of sessions as pandas data frames, with the types that the tables declare."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra
from affectline.common.spreadsheet import unescape_text
from affectline.services.api.arguments import warn_caller
from affectline.services.export.tables import Rows
from affectline.services.sessions.columns import MARKERS, marker_row, parse_cell
from affectline.services.sessions.edits import SessionEdits
from affectline.services.sessions.marker_edits import new_markers
from affectline.services.sessions.run_summary import is_finished
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
    if not path.is_file():
        return from_rows([], table)
    columns = _columns_of(path, table)
    try:
        frame = _read_quickly(path, columns)
    except (ValueError, TypeError):  # some row was cut off or edited: leave it out
        rows, left_out = _readable_rows(path, columns)
        frame = _make_frame(rows, columns)
        if left_out == 1:
            warn_caller(f"{path}: 1 row was left out: it is cut off or was edited")
        elif left_out:
            warn_caller(f"{path}: {left_out} rows were left out: they are cut off or were edited")
    return frame.reindex(columns=list(table.header))


def _read_quickly(path: Path, columns: tuple[TableColumn, ...]) -> "pd.DataFrame":
    """Read a table whose rows are all as they were written.

    Raises:
        ValueError: Some row is not.
        TypeError: The same.
    """
    import pandas as pd

    data = path.read_bytes()
    # A marker may be labelled "None", and of whole numbers pandas would round "1e18"
    types = {
        column.name: "float64" if column.kind in ("number", "seconds") else "string"
        for column in columns
    }
    is_exact = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
    texts = pd.read_csv(
        io.BytesIO(data), dtype=types, keep_default_na=False, na_values=[""],
        encoding_errors="replace", float_precision=None if is_exact else "round_trip",
    )  # fmt: skip
    # Pandas refuses rows with too many cells, but fills up those with too few
    commas = sum(part.count(b",") for part in data.split(b'"')[::2])
    is_whole = commas == (len(texts) + 1) * (len(columns) - 1)
    if not (is_whole and data.endswith(b"\n") and list(texts.columns) == list(types)):
        raise ValueError(f"{path}: a row is cut off")
    for column in columns:
        cells = texts[column.name]
        if column.kind == "boolean":
            if not cells.dropna().isin(("true", "false")).all():
                raise ValueError(f"{path}: {column.name} is neither true nor false")
            texts[column.name] = cells == "true"
        elif column.kind == "text" and cells.str.startswith("'").any():
            unescaped = cells.map(unescape_text, na_action="ignore")
            texts[column.name] = unescaped.astype("string")
    return texts.astype({column.name: DTYPES[column.kind] for column in columns})


def _readable_rows(path: Path, columns: tuple[TableColumn, ...]) -> tuple[list[list[object]], int]:
    """The values of the rows of a table that can be read, and how many others there are."""
    found: list[list[object]] = []
    left_out = 0
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = rows_of(file, is_finished(path.parent))
        next(rows, ())  # the header
        for row in rows:
            try:
                pairs = zip(row, columns, strict=True)
                found.append([parse_cell(text, column.kind) for text, column in pairs])
            except ValueError:
                left_out += 1
    return found, left_out


def _make_frame(
    rows: Sequence[Sequence[object]], columns: tuple[TableColumn, ...]
) -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame(rows, columns=[column.name for column in columns], dtype=object)
    return frame.astype({column.name: DTYPES[column.kind] for column in columns})


def from_rows(rows: Rows | list[tuple[object, ...]], table: SessionTable) -> "pd.DataFrame":
    """Make a data frame from a table's rows."""
    listed = rows.get(table.name, []) if isinstance(rows, dict) else rows
    return _make_frame(listed, table.columns)


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
