"""What a table of a session is: its name, and its columns with their types and units."""

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

Kind = Literal["integer", "number", "seconds", "text", "boolean"]
"""Type of a column's cells; seconds are numbers with six decimals. Any cell may be empty."""
Row = tuple[Any, ...]
"""A cell for each column of a table, None where it is empty."""
Cells = dict[str, Any]
"""A row by column name."""
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
    """Decimals that its numbers are rounded to; None: they are as the message has them."""
    since: int = 1
    """Version of the table that has it first: those of earlier sessions are read without it."""


class SessionTable(NamedTuple):
    """One of a session's tables."""

    name: str
    summary: str
    """What a row is."""
    columns: tuple[TableColumn, ...]

    @property
    def header(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)

    def columns_of(self, header: Sequence[str]) -> tuple[TableColumn, ...] | None:
        """The columns of a file, of this version or an earlier one, by the file's first row.

        Returns:
            None where it is none of this table's files.
        """
        for version in sorted({column.since for column in self.columns}, reverse=True):
            columns = tuple(column for column in self.columns if column.since <= version)
            if tuple(column.name for column in columns) == tuple(header):
                return columns
        return None
