"""Rows of CSV files, whose text spreadsheets never take for a formula.

A program that opens a table runs what begins with ``=``, and some take ``+``, ``-`` and ``@`` for
the same. Such a text gets an apostrophe before it (OWASP, CSV injection), and so does one that has
apostrophes before such a character, so that `unescape_text` gives back what was there.
"""

import csv
import re
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    import _csv

_FORMULA: Final = re.compile(r"'*\s*[-=+@\t\r\n\uff0d\uff1d\uff0b\uff20]")
"""How a formula begins, and the four characters as East Asian keyboards write them; programs skip
spaces, and take a tab or an end of line for the end of the cell before."""


def escape_text(text: str) -> str:
    """A text as a CSV file has it.

    Example:
        ``=1+1`` becomes ``'=1+1``, and ``'=1+1`` becomes ``''=1+1``.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unescape_text(text: str) -> str:
    """The text that `escape_text` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


class TextFile(Protocol):
    """What text can be written to."""

    def write(self, text: str, /) -> object:
        """Write a text."""


def row_writer(file: TextFile, delimiter: Literal[",", ";", "\t"] = ",") -> "_csv.Writer":
    """A writer of rows that end with a line feed; their cells may hold any end of line.

    Args:
        file: Opened with ``newline=""``.
        delimiter: Between the cells of a row.
    """
    # The module quotes those ends of line in a text that are part of the end of a row
    return csv.writer(_WithLineFeeds(file), delimiter=delimiter, lineterminator="\r\n")


class _WithLineFeeds:
    """Ends each row with a line feed alone."""

    def __init__(self, file: TextFile) -> None:
        self._file = file

    def write(self, row: str, /) -> object:
        return self._file.write(row.removesuffix("\r\n") + "\n")
