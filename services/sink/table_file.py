"""A table of the session folder: rows are appended, and none is lost or written twice."""

import csv
import io
import os
from pathlib import Path

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError
from affectline.common.spreadsheet import row_writer
from affectline.services.sessions.columns import format_cells
from affectline.services.sessions.table_column import Row, SessionTable


class TableFile:
    """A CSV file for appending, created with its first row.

    Args:
        folder: The session folder.
        table: Its columns; the file is ``<name>.csv``.

    Raises:
        AffectlineError: A file of this name exists with other columns.
        OSError: The file cannot be read or written.
    """

    def __init__(self, folder: Path, table: SessionTable) -> None:
        self.path = folder / f"{table.name}.csv"
        self._table, self._format = table, format_cells(table)
        self._file: io.FileIO | None = None
        self._rows = io.StringIO(newline="")
        self._writer = row_writer(self._rows)
        if self.path.exists():
            self._file = self._continue()

    @property
    def size(self) -> int:
        """Number of bytes handed to the operating system."""
        return self._file.tell() if self._file else 0

    def create(self) -> None:
        """Create the file, even if no row follows."""
        if self._file is None:
            self._file = io.FileIO(self.path, "a+")
            _write_all(self._file, self._header)

    def fileno(self) -> int:
        """Descriptor of the open file."""
        self.create()
        assert self._file  # noqa: S101 - for the type checker: made above
        return self._file.fileno()

    def _continue(self) -> io.FileIO:
        file = io.FileIO(self.path, "a+")
        try:
            file.seek(0)
            data = file.readall() or b""
            whole = data[: _whole_lines(data)]
            self._check_header(whole)
            file.truncate(len(whole))
            file.seek(0, os.SEEK_END)
            if not whole:
                _write_all(file, self._header)
        except BaseException:
            file.close()
            raise
        return file

    @property
    def _header(self) -> bytes:
        return (",".join(self._table.header) + "\n").encode()

    def _check_header(self, whole: bytes) -> None:
        if whole and not whole.startswith(self._header):
            raise AffectlineError(
                f"--out {self.path}: its columns differ from those that this version writes",
                "name a new folder",
            )

    def add(self, row: Row) -> None:
        """Add a row; it is on disk after `flush`."""
        self._writer.writerow(self._format(row))

    def flush(self) -> None:
        """Hand all rows to the operating system.

        Raises:
            OSError: The rows cannot be written, for example because the disk is full.
        """
        text = self._rows.getvalue()
        if text:
            self.create()
            assert self._file  # noqa: S101 - for the type checker: made above
            _write_all(self._file, text.encode(errors="replace"))
            self._rows.seek(0)
            self._rows.truncate()

    def sort(self, column: str) -> None:
        """Sort the rows by a column of integers, atomically."""
        self.flush()
        if self._file is None:
            return
        with self.path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        key = header.index(column)
        ordered = sorted(rows, key=lambda row: int(row[key]))
        if ordered == rows:
            return
        with (
            atomic_file.atomic_write(self.path) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            row_writer(file).writerows([header, *ordered])
        self._file.close()
        self._file = io.FileIO(self.path, "a+")
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def _whole_lines(data: bytes) -> int:
    """Number of bytes up to the last complete row; the rest is left over from a killed process.

    A line break between quotation marks is part of a text.
    """
    end = data.rfind(b"\n") + 1
    while data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _write_all(file: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) or 0 :]
