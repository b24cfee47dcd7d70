"""Reads tables that programs and spreadsheets write, correctly or not at all.

A number is read as a whole or not at all; anything not read is counted and reported (`Omissions`).
"""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from affectline.common.errors import AffectlineError

if TYPE_CHECKING:
    import _csv

Decimals = Literal[".", ","]
TimeUnit = Literal["s", "ms", "us", "ns", "iso"]

DELIMITERS: Final = (",", ";", "\t")
"""The delimiters to try if none is named."""
NO_DELIMITERS: Final = ("\r", "\n", '"')
"""Characters that end rows or enclose cells."""
TIME_NS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
EARLIEST: Final = -(2**61)
LATEST: Final = 2**62
"""Times in ns, the years 1896 to 2116: sums and differences of them still fit 64 bits."""
JITTER_NS: Final = 60_000_000_000
"""In the hour that occurs twice, a time that goes back by more belongs to the second one."""
FIRST_BYTES: Final = 65_536
"""How much of a table is read if only its first rows are needed."""
GAPS: Final = frozenset({"", "nan", "na", "n/a", "<na>", "null", "none"})
"""What programs write for a missing number, in any case."""
_NUMBER: Final = re.compile(
    r"[+-]?(?:[0-9]+(?P<sign>[.,])?[0-9]*|(?P<first>[.,])[0-9]+)(?:[eE][+-]?[0-9]+)?"
)
_EXCEL_HINT: Final = re.compile(r'"?sep=([^"\r\n])"?\s*', re.IGNORECASE)


class Row(NamedTuple):
    """One row of a table."""

    line: int
    """Number of its (last) line in the file, from 1."""
    cells: list[str]
    """Without surrounding space; empty for a blank line, and for a row that is left out."""


class Table(NamedTuple):
    """A table as text."""

    header: Row
    """The names of the columns; empty for a table without a header."""
    rows: list[Row]
    delimiter: str
    is_cut_off: bool
    """Whether the last line has no line end."""


class Omissions:
    """What was not read of a table, and why.

    Args:
        table: Name of the table, for display.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self._counts: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], str] = {}

    def add(self, kind: str, reason: str, row: Row, cell: str | None = None) -> None:
        """Record an omission.

        Args:
            kind: What is affected, in the plural, and how: ``rows were left out``.
            reason: Why.
            row: The row.
            cell: The contents of the cell.
        """
        self._counts[kind, reason] += 1
        shown = "" if cell is None else f" has {_shorten(cell)!r}"
        self._first.setdefault((kind, reason), f"line {row.line}{shown}")

    def describe(self, rows: int) -> str:
        """One line about all omissions; empty if everything was read.

        Args:
            rows: How many rows the table has.
        """
        parts = []
        for (kind, reason), count in self._counts.items():
            among = f"{count} of {rows} {kind}" if kind.startswith("rows") else f"{count} {kind}"
            first = self._first[kind, reason]
            parts.append(f"{among}: {reason} ({first if count == 1 else f'first: {first}'})")
        return f"{self._table}: {'; '.join(parts)}" if parts else ""


def read_table(
    path: Path,
    option: str,
    wanted: Iterable[str] | int,
    *,
    delimiter: str | None = None,
    first_rows: bool = False,
) -> Table:
    """Read the cells of a table.

    UTF-8, and UTF-16 with a byte order mark, are recognised; anything else is read as Windows-1252.

    Args:
        path: The file.
        option: The option with which the user named it, for errors.
        wanted: Names that the header should have; for a table without a header, the number of
            columns.
        delimiter: The character between cells; None: comma, semicolon or tab, by the first line.
        first_rows: Read only the beginning of the file.

    Raises:
        AffectlineError: The file cannot be read, or is not a table.
    """
    text = _read_text(path, option, first_rows=first_rows)
    if delimiter is not None and delimiter in NO_DELIMITERS:
        raise AffectlineError(
            f"--delimiter {delimiter!r}: cannot separate cells", "name another character"
        )
    hint = _EXCEL_HINT.fullmatch(text.partition("\n")[0])
    skipped = 0
    if hint:
        text, skipped = text.partition("\n")[2], 1
        delimiter = delimiter or hint[1]
    has_header = not isinstance(wanted, int)
    expected = wanted if isinstance(wanted, int) else frozenset(wanted)
    delimiter = delimiter or _find_delimiter(text, expected)
    rows: list[Row] = []
    reader = _reader(text, delimiter)
    try:
        rows.extend(
            Row(reader.line_num + skipped, [cell.strip() for cell in cells]) for cells in reader
        )
    except (csv.Error, ValueError) as error:
        if not (first_rows and rows):  # the beginning may have been cut within quotes
            where = f"line {reader.line_num + skipped}: {error}"
            raise AffectlineError(f"{option} {path}: is not CSV ({where})", "correct it") from error
    while rows and not any(rows[-1].cells):
        if has_header and len(rows[-1].cells) > 1:
            break  # a row of gaps counts as a row
        rows.pop()
    header = Row(0, [])
    if has_header:
        while rows and not any(rows[0].cells):
            rows.pop(0)
        if not rows:
            raise AffectlineError(
                f"{option} {path}: is empty", "its first line should name the columns"
            )
        header = rows.pop(0)
        width = len(header.cells)
        rows = [row for row in rows if row.cells and (any(row.cells) or len(row.cells) == width)]
    is_cut_off = bool(text) and not text.endswith(("\n", "\r"))
    return Table(header, rows, delimiter, is_cut_off)


def find_column(header: Row, name: str, option: str, path: Path) -> int:
    """The index of the one column with a name.

    Raises:
        AffectlineError: No column has this name, or more than one.
    """
    found = [i for i, cell in enumerate(header.cells) if cell == name]
    if len(found) == 1:
        return found[0]
    if found:
        numbers = " and ".join(str(i + 1) for i in found)
        raise AffectlineError(
            f"{option} {path}: columns {numbers} are both called {name!r}",
            "rename the one that you do not need",
        )
    hint = f"its columns are {', '.join(header.cells)}"
    if len(header.cells) == 1:
        hint += "; does it need another --delimiter?"
    raise AffectlineError(f"{option} {path}: no column {name!r}", hint)


def check_widths(
    table: Table, width: int, omissions: Omissions, option: str, path: Path
) -> list[Row]:
    """Empty rows with more cells than columns: it is unknown which cell belongs where.

    Decimal commas beside comma delimiters cause such rows. Empty cells after the last column are
    harmless if no row has anything in them. Rows with fewer cells are kept and recorded.

    Args:
        table: The table.
        width: How many columns it has.
        omissions: Records what is left out.
        option: The option with which the user named the table, for errors.
        path: The table's file.

    Raises:
        AffectlineError: Half of the rows or more have too many cells.
    """
    longer = {row.line for row in table.rows if len(row.cells) > width}
    if not any(any(row.cells[width:]) for row in table.rows):
        longer = set()
    if longer and 2 * len(longer) >= len(table.rows):
        first = next(row for row in table.rows if row.line in longer)
        shown = _shorten(table.delimiter.join(first.cells))
        raise AffectlineError(
            f"{option} {path}: {len(longer)} of {len(table.rows)} rows have more cells than "
            f"columns, as line {first.line}: {shown}",
            "if its decimal signs are commas, save it with semicolons or tabs between the cells",
        )
    rows = []
    for i, row in enumerate(table.rows):
        if not row.cells:
            omissions.add("rows were left out", "blank", row)
            rows.append(row)
        elif row.line in longer:
            omissions.add("rows were left out", "more cells than columns", row)
            rows.append(Row(row.line, []))
        elif len(row.cells) < width and table.is_cut_off and i == len(table.rows) - 1:
            omissions.add("rows were left out", "cut off at the end of the file", row)
            rows.append(Row(row.line, []))
        elif len(row.cells) < width:
            what = "rows were read as far as they go"
            omissions.add(what, "fewer cells than columns", row)
            rows.append(row)
        else:
            rows.append(row)
    return rows


class Numbers:
    """Reads the numbers of one table.

    Args:
        delimiter: The character between cells; if it is a comma, the decimal sign defaults to a
            point.
        decimal: The decimal sign; None: the one in the numbers, if all use the same.
    """

    def __init__(self, delimiter: str, decimal: Decimals | None = None) -> None:
        self._decimal = decimal or ("." if delimiter == "," else None)
        self._seen: dict[str, str] = {}

    def normalize(self, cell: str) -> str | None:
        """The text of the whole number, with a decimal point; None if the cell is not a number."""
        match = _NUMBER.fullmatch(cell)
        if match is None:
            return None
        sign = match["sign"] or match["first"]
        if sign is None:
            return cell
        if self._decimal is not None and sign != self._decimal:
            return None
        self._seen.setdefault(sign, cell)
        return cell.replace(",", ".")

    def read(self, cell: str) -> float | None:
        """The number in a cell; NaN if it is missing, None if the cell is not a number."""
        if cell.lower() in GAPS:
            return math.nan
        text = self.normalize(cell)
        value = math.inf if text is None else float(text)
        return value if math.isfinite(value) else None

    def check(self, option: str, path: Path, way_out: str) -> None:
        """Refuse a table with both decimal points and decimal commas.

        Args:
            option: The option with which the user named the table.
            path: The table's file.
            way_out: What to do about it.

        Raises:
            AffectlineError: It has both: one of them separates thousands, or is a mistake.
        """
        if len(self._seen) > 1:
            point, comma = self._seen["."], self._seen[","]
            raise AffectlineError(f"{option} {path}: holds {comma} and {point}", way_out)


class TimeReader:
    """Reads the times of one table, row by row.

    Args:
        unit: Unit of the numbers, or ``iso`` for dates.
        zone: Time zone of dates without an offset from UTC; None: this computer's.
        numbers: Reads the table's numbers.
    """

    def __init__(self, unit: TimeUnit, zone: tzinfo | None, numbers: Numbers) -> None:
        self._unit, self._zone, self._numbers = unit, zone, numbers
        self._last: int | None = None
        self._is_second = False
        """Whether the hour that occurs twice has come for the second time."""
        self.without_offset = 0
        """Number of dates without an offset from UTC."""
        self.skipped_by_clocks = 0
        """Number of dates that never existed, because clocks were put forward then."""

    def read(self, cell: str) -> int | None:
        """The time in a cell, in ns; None if it contains none."""
        time = self._read_date(cell) if self._unit == "iso" else self._read_number(cell)
        if time is None or not EARLIEST <= time < LATEST:
            return None
        self._last = time
        return time

    def _read_number(self, cell: str) -> int | None:
        text, unit = self._numbers.normalize(cell), TIME_NS[self._unit]
        if text is None or not abs(float(text)) < LATEST / unit:
            return None
        try:  # a float cannot hold nanoseconds since 1970 exactly
            return round(Decimal(text) * unit)
        except ArithmeticError:  # an absurd exponent
            return None

    def _read_date(self, cell: str) -> int | None:
        try:
            moment = datetime.fromisoformat(cell)
            if moment.tzinfo:
                return _to_ns(moment)
            return self._place(moment)
        except (ValueError, OverflowError):
            return None

    def _place(self, moment: datetime) -> int:
        """A date without an offset; in an hour that occurs twice, the one that keeps the order."""
        self.without_offset += 1
        first, second = (_to_ns(self._localize(moment.replace(fold=fold))) for fold in (0, 1))
        if second < first:
            self.skipped_by_clocks += 1
        fell = self._last is not None and first < self._last - JITTER_NS
        self._is_second = second > first and (self._is_second or fell)
        return second if self._is_second else first

    def _localize(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=self._zone) if self._zone else moment.astimezone()


def _to_ns(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1_000


def _read_text(path: Path, option: str, *, first_rows: bool) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(FIRST_BYTES if first_rows else -1)
    except OSError as error:
        raise AffectlineError(
            f"{option} {path}: cannot be read ({error.strerror})", "name a readable CSV file"
        ) from error
    is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if first_rows and len(data) == FIRST_BYTES and not is_utf16:
        data = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1] or data
    if is_utf16:
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
    if "\0" in text:
        raise AffectlineError(f"{option} {path}: is not text", "name a CSV file")
    return text


def _find_delimiter(text: str, wanted: frozenset[str] | int) -> str:
    """The character that gives the first line the wanted cells, else the most cells."""

    def rank(delimiter: str) -> tuple[bool, bool, int]:
        try:
            cells: list[str] = next((row for row in _reader(text, delimiter) if any(row)), [])
        except csv.Error:
            return False, False, 0
        if isinstance(wanted, int):
            # If another delimiter occurs as well, the comma is a decimal comma
            return len(cells) == wanted, len(cells) > 1 and delimiter != ",", len(cells)
        return {cell.strip() for cell in cells}.issuperset(wanted), False, len(cells)

    return max(DELIMITERS, key=rank)


def _reader(text: str, delimiter: str) -> "_csv.Reader":
    # Strict, because an unclosed quote would swallow rows
    return csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
