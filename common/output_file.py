"""Files that a command writes where its user says: never over a file that it has not made itself.

A name that is mistyped, or completed by the shell, must not cost a film or a session's table.
"""

import gzip
import os
import zlib
from pathlib import Path
from typing import Final

from affectline.common.errors import AffectlineError

SEARCHED_BYTES: Final = 1 << 16
"""How much of a file's beginning and of its end is searched for the marker: a report begins with
its styles, and PDF and Parquet files describe themselves at their end."""
GZIP: Final = b"\x1f\x8b"


def check_output_file(option: str, path: Path, kind: str, marker: bytes) -> None:
    """Check that a file may be written: it is new, empty, or an earlier output of the same kind.

    Args:
        option: The option that names the file, such as ``--out``.
        path: The file; it may be compressed with gzip.
        kind: What is written, such as "a report".
        marker: Bytes that every such file has near its beginning, or at its end.

    Raises:
        AffectlineError: Something else has that name, or its folder does not exist.
    """
    where = f"{option} {path}"
    if not path.parent.is_dir():
        raise AffectlineError(
            f"{where}: there is no folder {path.parent}", "create it, or name another file"
        )
    if path.exists() and not path.is_file():
        raise AffectlineError(f"{where}: not a file", "name a file to write")
    try:
        if path.exists() and path.stat().st_size and marker not in _ends_of(path):
            raise AffectlineError(f"{where}: is there already, and is not {kind}",
                                  "name another file; nothing is overwritten")  # fmt: skip
    except OSError as error:
        raise AffectlineError(
            f"{where}: is there already, and cannot be read ({error.strerror})", "name another file"
        ) from error


def _ends_of(path: Path) -> bytes:
    """The beginning and the end of a file; of a compressed file, the beginning of its content."""
    with path.open("rb") as file:
        begin = file.read(SEARCHED_BYTES)
        if begin.startswith(GZIP):
            file.seek(0)
            try:
                return gzip.GzipFile(fileobj=file).read(SEARCHED_BYTES)
            except (EOFError, gzip.BadGzipFile, zlib.error):
                return begin
        file.seek(max(len(begin), file.seek(0, os.SEEK_END) - SEARCHED_BYTES))
        return begin + file.read()
