"""Rows of CSV files, with texts that spreadsheets do not execute as formulas.

A program that opens a table executes texts that begin with ``=``, and some also ``+``, ``-`` and
``@``. Such a text is prefixed with an apostrophe (OWASP, CSV injection), and so is one with
apostrophes before such a character, so that `unescape_text` restores the original.
"""

import csv
import re
from typing import TYPE_CHECKING, Final, Literal, Protocol

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


class _WithLineFeeds:
    """Ends each row with only a line feed."""

    def __init__(self, file: TextFile) -> None:
        self._file = file

    def write(self, row: str, /) -> object:
        return self._file.write(row.removesuffix("\r\n") + "\n")
