"""What can be wrong with data, and the rows of a CSV file as text: beneath every reader."""

import bz2
import csv
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from affectline.common.errors import AffectlineError

REMEDY: Final = (
    "name a CSV file, plain or compressed (.xz, .gz, .bz2, .zip), or a folder of pictures"
)
BROKEN: Final = (
    *(ValueError, EOFError, RuntimeError, NotImplementedError),
    *(csv.Error, lzma.LZMAError, zlib.error, zipfile.BadZipFile),
)
"""What unpackers and the CSV reader raise when a file is not what its name says."""
LONGEST: Final = 2**21
"""Characters in a field: 512x512 pixels and twice that; more are an unclosed quote."""
TICKS: Final = 256
"""Rows between two reports of progress."""


@dataclass(frozen=True)
class DataProblem:
    """What makes a row, a picture or a whole file unusable."""

    kind: str
    """"file", "columns", "fields", "pixels", "value", "emotion" or "usage"; of folders also
    "label", "path", "picture" and "twice"; of FER+ "votes"."""
    text: str
    """What is said of the place: "has 7 pixels, not 2304"; a sentence when there is no place."""
    remedy: str
    row: int | None = None
    """Counted from 1 below the header; empty lines do not count."""
    file: str = ""
    """A picture's path below its folder."""

    @property
    def place(self) -> str:
        """Where it is, for people; empty when the whole file is meant."""
        file = "".join(sign if sign.isprintable() else "\ufffd" for sign in self.file)
        if self.row is None:
            return file
        return f"row {self.row} ({file})" if file else f"row {self.row}"

    def __str__(self) -> str:
        return f"{self.place} {self.text}".strip()


Report = Callable[[DataProblem], None]
Tick = Callable[[float], None]
"""Told now and then which share is done, 0 to 1."""


def no_tick(share: float) -> None:
    """Nobody watches."""


def refuse(data: Path) -> Report:
    """A report that ends the reading at the first problem.

    Raises:
        AffectlineError: By the report, at once.
    """

    def report(problem: DataProblem) -> None:
        more = f"; affectline-train data check {data} lists all" if problem.place else ""
        raise AffectlineError(str(problem), problem.remedy + more)

    return report


def records(
    path: Path, columns: Sequence[str], report: Report, tick: Tick = no_tick
) -> Iterator[dict[str, str] | None]:
    """Rows of a CSV file as text, compressed or not.

    Bytes that are not UTF-8 become U+FFFD, so that the row they are in can be named.

    Args:
        path: The file.
        columns: Columns that there must be; all that there are come along.
        report: Called when the file cannot be read (on), and for a row with too many fields.
        tick: Told the share that is done.

    Yields:
        A row's fields by column, empty where the row is short; ``None`` for one with too many.
    """
    row = -1
    try:
        for row, fields in enumerate(_lines(path, tick)):
            if row == 0:
                names = [name.strip() for name in fields]
                if not _header_fits(names, path, columns, report):
                    return
            elif any(text.strip() for text in fields[len(names) :]):
                text = f"has {len(fields)} fields, not {len(names)}"
                report(DataProblem("fields", text, "give each row a field for each column", row))
                yield None
            else:
                fields += [""] * (len(names) - len(fields))
                yield {name: text.strip() for name, text in zip(names, fields, strict=False)}
    except OSError as error:
        report(unreadable(path, error))
    except BROKEN as error:
        text = f"--data {path} is not a CSV file or damaged after row {max(row, 0)} ({error})"
        report(DataProblem("file", text, REMEDY))
    else:
        if row < 1:
            text = "is empty" if row < 0 else "has a header but no rows"
            report(DataProblem("file", f"--data {path} {text}", REMEDY))


def unreadable(path: Path, error: OSError) -> DataProblem:
    """A file or folder that the system does not let us read."""
    return DataProblem("file", f"cannot read --data {path} ({error.strerror or error})", REMEDY)


def _header_fits(names: list[str], path: Path, columns: Sequence[str], report: Report) -> bool:
    missing = [name for name in columns if name not in names]
    if not missing:
        return True
    if any("\ufffd" in name or "\0" in name for name in names):
        report(DataProblem("file", f"--data {path} is not UTF-8 text", REMEDY))
        return False
    text = f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}"
    remedy = f"the columns are {', '.join(columns)}, with commas between them"
    report(DataProblem("columns", f"--data {path} {text}", remedy))
    return False


def _lines(path: Path, tick: Tick) -> Iterator[list[str]]:
    with path.open("rb") as raw:
        size = max(1, path.stat().st_size)
        content = _unpack(raw, path.suffix.lower())
        with io.TextIOWrapper(content, "utf-8-sig", errors="replace", newline="") as text:
            for number, fields in enumerate(_parsed(csv.reader(text))):
                if number % TICKS == 0:
                    tick(raw.tell() / size)
                if len(fields) > 1 or any(field.strip() for field in fields):
                    yield fields


def _parsed(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Rows with fields up to `LONGEST`; Python's own limit ends the reading at 131,072 signs.

    The limit is the whole program's, so it is raised for a row at a time: nobody else in this
    thread runs with it, however long this generator lives.
    """
    while True:
        before = csv.field_size_limit(LONGEST)
        try:
            fields = next(reader)
        except StopIteration:
            return
        finally:
            csv.field_size_limit(before)
        yield fields


def _unpack(raw: IO[bytes], suffix: str) -> Any:
    if suffix == ".xz":
        return lzma.open(raw)
    if suffix == ".gz":
        return gzip.open(raw)
    if suffix == ".bz2":
        return bz2.open(raw)
    if suffix != ".zip":
        return raw
    archive = zipfile.ZipFile(raw)
    names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
    tables = [name for name in names if name.lower().endswith(".csv")] or names
    if len(tables) != 1:
        raise ValueError(f"the archive holds {len(tables)} files")
    return archive.open(tables[0])
