"""Definition of a session's table: its name, and its columns with types and units."""

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

Kind = Literal["integer", "number", "seconds", "text", "boolean"]
"""Type of a column's cells; seconds are numbers with six decimals. Any cell may be empty."""
Row = tuple[Any, ...]
"""One cell per column; None for an empty one."""
Cells = dict[str, Any]
"""The cells of a row by column name."""
NS: Final = "ns since 1970"
DEGREES: Final = "degrees"


class TableColumn(NamedTuple):
    """A column of a table."""

    name: str
    kind: Kind
    unit: str
    """Empty for none."""
    description: str
    digits: int | None = None
    """Decimal places of its numbers; None: not rounded."""
    since: int = 1
    """First version of the table with this column; earlier tables are read without it."""


class SessionTable(NamedTuple):
    """One of a session's tables."""

    name: str
    summary: str
    """What a row is."""
    columns: tuple[TableColumn, ...]

    @property
    def header(self) -> tuple[str, ...]:
        """The column names."""
        return tuple(column.name for column in self.columns)

    def columns_of(self, header: Sequence[str]) -> tuple[TableColumn, ...] | None:
        """The columns of a file of this version or an earlier one, from the file's first row.

        Returns:
            None if the header does not belong to this table.
        """
        for version in sorted({column.since for column in self.columns}, reverse=True):
            columns = tuple(column for column in self.columns if column.since <= version)
            if tuple(column.name for column in columns) == tuple(header):
                return columns
        return None
