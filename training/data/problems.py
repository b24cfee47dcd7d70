"""What can be wrong with data, and how readers report it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affectline.common.errors import AffectlineError

FIX: Final = "name a CSV file, plain or compressed (.xz, .gz, .bz2, .zip), or a folder of pictures"


@dataclass(frozen=True)
class DataProblem:
    """Why a row, a picture or a whole file cannot be used."""

    kind: str
    """"file", "columns", "fields", "pixels", "value", "emotion" or "usage"; for folders also
    "label", "path", "picture" and "twice"; for FER+ "votes"."""
    text: str
    """What is wrong: "has 7 pixels, not 2304"; a whole sentence if there is no location."""
    fix: str
    row: int | None = None
    """Counted from 1 below the header, without empty lines."""
    file: str = ""
    """A picture's path below its folder."""

    @property
    def location(self) -> str:
        """Where the problem is, as text; empty if it concerns the whole file."""
        file = "".join(sign if sign.isprintable() else "\ufffd" for sign in self.file)
        if self.row is None:
            return file
        return f"row {self.row} ({file})" if file else f"row {self.row}"

    def __str__(self) -> str:
        return f"{self.location} {self.text}".strip()


ReportProblem = Callable[[DataProblem], None]
ReportProgress = Callable[[float], None]
"""Called at intervals with the share that is done, 0 to 1."""


def ignore_progress(share: float) -> None:
    """Show no progress."""


def raise_first(data: Path) -> ReportProblem:
    """A problem handler that stops the reading at the first problem.

    Raises:
        AffectlineError: When the handler is called.
    """

    def report(problem: DataProblem) -> None:
        more = f"; affectline-train data check {data} lists all" if problem.location else ""
        raise AffectlineError(str(problem), problem.fix + more)

    return report


def unreadable(path: Path, error: OSError) -> DataProblem:
    """The problem of a file or folder that cannot be read."""
    return DataProblem("file", f"cannot read --data {path} ({error.strerror or error})", FIX)
