"""Rows of CSV files, with texts that spreadsheets do not execute as formulas.

A program that opens a table executes texts that begin with ``=``, and some also ``+``, ``-`` and
``@``. Such a text is prefixed with an apostrophe (OWASP, CSV injection), and so is one with
apostrophes before such a character, so that `unescape_text` restores the original.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    import _csv

_FORMULA: Final = re.compile(r"'*\s*[-=+@\t\r\n\uff0d\uff1d\uff0b\uff20]")
"""The beginning of a formula, also with the four characters of East Asian keyboards. Programs skip
spaces, and treat a tab or a line break as the end of the cell before."""


def escape_text(text: str) -> str:
    """Escape a text for a CSV file.

    Example:
        ``=1+1`` becomes ``'=1+1``, and ``'=1+1`` becomes ``''=1+1``.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unescape_text(text: str) -> str:
    """Restore the text from before `escape_text`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


class TextFile(Protocol):
    """A file that text can be written to."""

    def write(self, text: str, /) -> object:
        """Write a text."""


def row_writer(file: TextFile, delimiter: Literal[",", ";", "\t"] = ",") -> "_csv.Writer":
    """Make a writer of rows that end with a line feed; their cells may contain any line break.

    Args:
        file: A file opened with ``newline=""``.
        delimiter: The delimiter between the cells of a row.
    """
    # The csv module quotes the line breaks in a text that are part of a row's end
    return csv.writer(_WithLineFeeds(file), delimiter=delimiter, lineterminator="\r\n")


def write_rows(
    file: TextFile,
    names: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    digits: int | None = None,
) -> None:
    """Write a header and rows; a missing value is an empty cell.

    Args:
        file: A file opened with ``newline=""``.
        names: Names of the columns.
        rows: Values by column.
        digits: Significant digits of floats; None: all of them.
    """

    def cell(value: Any) -> Any:
        if isinstance(value, float) and digits is not None:
            return f"{value:.{digits}g}"
        return escape_text(value) if isinstance(value, str) else value

    writer = row_writer(file)
    writer.writerow([escape_text(name) for name in names])
    writer.writerows([cell(row.get(name)) for name in names] for row in rows)


class _WithLineFeeds:
    """Ends each row with only a line feed."""

    def __init__(self, file: TextFile) -> None:
        self._file = file

    def write(self, row: str, /) -> object:
        return self._file.write(row.removesuffix("\r\n") + "\n")
