"""Reads the rows of a CSV file as text, compressed or not."""

import bz2
import csv
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from affectline.training.data.names import escape_bytes
from affectline.training.data.problems import (
    FIX,
    DataProblem,
    ReportProblem,
    ReportProgress,
    ignore_progress,
    unreadable,
)

BROKEN: Final = (
    *(ValueError, EOFError, RuntimeError, NotImplementedError),
    *(csv.Error, lzma.LZMAError, zlib.error, zipfile.BadZipFile),
)
"""What decompressors and the CSV reader raise if the content does not match the suffix."""
LONGEST: Final = 2**21
"""Characters in a field: twice what 512x512 pixels take; more means an unclosed quote."""
ROWS_PER_PROGRESS: Final = 256
"""Rows between two progress reports."""


def read_rows(
    path: Path,
    columns: Sequence[str],
    report: ReportProblem,
    progress: ReportProgress = ignore_progress,
    optional: Sequence[str] = (),
    distinct: bool = False,
) -> Iterator[dict[str, str] | None]:
    """Read the rows of a CSV file as text, compressed or not.

    Bytes that are not UTF-8 are escaped by `escape_bytes`, so that an error can name their row.

    Args:
        path: The file.
        columns: Required columns, in upper or lower case; other columns are returned as well.
        report: Called if the file, or its rest, cannot be read, and for rows with too many fields.
        progress: Called with the share that has been read.
        optional: Further known columns, in upper or lower case.
        distinct: Whether to refuse any name of a column that occurs twice, known or not.

    Yields:
        A row's fields by column, the known ones spelled as given here, empty if the row is too
        short; ``None`` for a row with too many.
    """
    row = -1
    try:
        for row, fields in enumerate(_lines(path, progress)):
            if row == 0:
                names = _spell_known(fields, (*columns, *optional))
                if not _header_fits(names, path, columns, report):
                    return
                once = names if distinct else (*columns, *optional)
                if not _is_unambiguous(fields, names, path, once, report):
                    return
            elif any(text.strip() for text in fields[len(names) :]):
                text = f"has {len(fields)} fields, not {len(names)}"
                report(DataProblem("fields", text, "give each row one field per column", row))
                yield None
            else:
                fields += [""] * (len(names) - len(fields))
                yield {name: text.strip() for name, text in zip(names, fields, strict=False)}
    except OSError as error:
        report(unreadable(path, error))
    except BROKEN as error:
        text = f"--data {path} is not a CSV file, or is damaged after row {max(row, 0)} ({error})"
        report(DataProblem("file", text, FIX))
    else:
        if row < 1:
            text = "is empty" if row < 0 else "has a header but no rows"
            report(DataProblem("file", f"--data {path} {text}", FIX))


def _spell_known(fields: Sequence[str], known: Sequence[str]) -> list[str]:
    """Names of columns without spaces around them, the known ones spelled as known."""
    spelled = {name.lower(): name for name in known}
    return [spelled.get(name.strip().lower(), name.strip()) for name in fields]


def _is_unambiguous(
    fields: Sequence[str],
    names: Sequence[str],
    path: Path,
    once: Sequence[str],
    report: ReportProblem,
) -> bool:
    """Whether none of some columns occurs twice; reported otherwise."""
    for name in once:
        if names.count(name) > 1:
            same = [given.strip() for given, own in zip(fields, names, strict=True) if own == name]
            text = f"--data {path} has the columns {' and '.join(same)}, which mean the same"
            report(DataProblem("columns", text, "keep one of them"))
            return False
    return True


def _header_fits(
    names: list[str], path: Path, columns: Sequence[str], report: ReportProblem
) -> bool:
    missing = [name for name in columns if name not in names]
    if not missing:
        return True
    if any("\ufffd" in name or "\0" in name for name in names):
        report(DataProblem("file", f"--data {path} is not UTF-8 text", FIX))
        return False
    text = f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}"
    fix = f"the columns are {', '.join(columns)}, separated by commas"
    found = ", ".join(names)[:200]
    report(DataProblem("columns", f"--data {path} {text} (it has {found})", fix))
    return False


def _lines(path: Path, progress: ReportProgress) -> Iterator[list[str]]:
    with path.open("rb") as raw:
        size = max(1, path.stat().st_size)
        content = _unpack(raw, path.suffix.lower())
        with io.TextIOWrapper(content, "utf-8-sig", "surrogateescape", newline="") as text:
            for number, row in enumerate(_parsed(csv.reader(text))):
                fields = [escape_bytes(field) for field in row]
                if number % ROWS_PER_PROGRESS == 0:
                    progress(raw.tell() / size)
                if len(fields) > 1 or any(field.strip() for field in fields):
                    yield fields


def _parsed(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Rows with fields up to `LONGEST`; Python's default limit is 131,072 characters.

    The limit is global, so it is raised for one row at a time: no other code in this thread runs
    with it, however long this generator lives.
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
        raise ValueError(f"the archive contains {len(tables)} files")
    return archive.open(tables[0])
