"""Tables about the faces of some data: a row for each face, which it names in one of three ways.

* ``file``: the picture's path below the folder of the data, as in ``happy/0017.png``;
* ``row``: the number of a row of FER2013's file, from 1 below the header; ``usage_row`` with
  ``Usage`` counts within the rows of that usage instead;
* ``source``: either of these as reports write it (``row 7``, ``happy/0017.png``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.labels import USAGES
from affectline.common.spreadsheet import unescape_text
from affectline.training.data.csv_rows import read_rows
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.names import normalise_path
from affectline.training.data.problems import DataProblem

KEYS: Final = ("file", "row", "usage_row", "source")
"""Columns that name faces, in the order in which they are looked for."""
USAGE: Final = "Usage"
SHOWN: Final = 60
"""Characters of a value that an error shows."""


@dataclass(frozen=True)
class NamedRows:
    """A table about faces as it was read, before its faces are looked for in the data."""

    path: Path
    option: str
    """The option that named it, for errors."""
    columns: tuple[str, ...]
    """Its columns other than the one that names faces, in order."""
    key: str
    """How it names faces: one of `KEYS`."""
    rows: tuple[tuple[int, dict[str, str]], ...]
    """The number of each row, from 1, and its cells by column."""

    def match(self, faces: LabelledFaces) -> "RowTable":
        """Find the faces that the rows name.

        Args:
            faces: All faces of the data, whatever their split.

        Raises:
            AffectlineError: A row names a face that is not in the data, or one that another row
                names. The message names the row and its value.
        """
        locate, what = _locator(self.key, faces)
        seen: dict[int, int] = {}
        for row, cells in self.rows:
            value = unescape_text(cells[self.key])
            face = locate(value, cells)
            where = f"{self.option} {self.path}: row {row} names the {what} {value[:SHOWN]!r}"
            if face is None:
                raise AffectlineError(
                    f"{where}, which is not in the data (it has {len(faces):,} faces, from "
                    f"{faces.sources[0][:SHOWN]!r} to {faces.sources[-1][:SHOWN]!r})",
                    "name faces as the data does, or leave the row out",
                )
            if face in seen:
                raise AffectlineError(f"{where}, as row {seen[face]} does", "name each face once")
            seen[face] = row
        cells_of_rows = tuple(cells for _, cells in self.rows)
        return RowTable(self.columns, self.key, cells_of_rows, np.array(list(seen), np.int64))


@dataclass(frozen=True)
class RowTable:
    """A table about some of the faces."""

    columns: tuple[str, ...]
    """Its columns other than the one that names faces, in order."""
    key: str
    """How it names faces: one of `KEYS`."""
    cells: tuple[dict[str, str], ...]
    """The cells of each row, by column."""
    faces: NDArray[np.int64]
    """``(N,)``: the index of the face that each row is about; each occurs once."""


def read_named_rows(path: Path, option: str, known: Sequence[str] = ()) -> NamedRows:
    """Read a table about faces, without the data.

    Args:
        path: A CSV file, compressed or not.
        option: The option that named it, for errors.
        known: Columns with a meaning, in upper or lower case, besides those that name faces; they
            are spelled as given here.

    Raises:
        AffectlineError: It cannot be read, has no column that names faces, or one column twice.
    """

    def refuse(problem: DataProblem) -> None:
        text = str(problem).replace(f"--data {path}", "the file", 1)
        raise AffectlineError(f"{option} {path}: {text}", FIX)

    read = read_rows(path, (), refuse, optional=(*KEYS, USAGE, *known), distinct=True)
    rows = [(row, cells) for row, cells in enumerate(read, 1) if cells]
    columns = tuple(rows[0][1])
    if "" in columns:
        refuse(DataProblem("columns", "has a column without a name", FIX))
    key = next((name for name in KEYS if name in columns), None)
    if key is None or (key == "usage_row" and USAGE not in columns):
        found = ", ".join(columns)[:200]
        refuse(DataProblem("columns", f"has no column that names faces (it has {found})", FIX))
    there = tuple(name for name in columns if name != key)
    return NamedRows(path, option, there, str(key), tuple(rows))


FIX: Final = (
    "give a CSV file with a header: a column file, row, source, or usage_row with Usage, and "
    "further columns"
)

Locate = Callable[[str, dict[str, str]], int | None]


def _locator(key: str, faces: LabelledFaces) -> tuple[Locate, str]:
    """Finds a face by the value of the key, and how to call what the value names."""
    by_source = {normalise_path(source): index for index, source in enumerate(faces.sources)}
    if key in ("file", "source"):
        what = "file" if key == "file" else "face"
        return lambda value, _: by_source.get(normalise_path(value)), what
    if key == "row":
        return lambda value, _: by_source.get(f"row {_number(value)}"), "row"
    numbered = {usage: np.flatnonzero(faces.usages == usage) for usage in USAGES}

    def within_usage(value: str, cells: dict[str, str]) -> int | None:
        rows = numbered.get(cells[USAGE], np.empty(0, np.int64))
        number = _number(value)
        return int(rows[number - 1]) if number is not None and 1 <= number <= len(rows) else None

    return within_usage, "row of its Usage"


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
