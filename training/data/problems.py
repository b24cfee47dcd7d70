"""What can be wrong with data, and how readers report it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affectline.common.errors import AffectlineError

FIX: Final = "name a CSV file, plain or compressed (.xz, .gz, .bz2, .zip), or a folder of pictures"


@dataclass(frozen=True)
class DataProblem:
    """What makes a row, a picture or a whole file unusable."""

    kind: str
    """"file", "columns", "fields", "pixels", "value", "emotion" or "usage"; of folders also
    "label", "path", "picture" and "twice"; of FER+ "votes"."""
    text: str
    """What is wrong there: "has 7 pixels, not 2304"; a sentence when there is no place."""
    fix: str
    row: int | None = None
    """Counted from 1 below the header; empty lines do not count."""
    file: str = ""
    """A picture's path below its folder."""

    @property
    def location(self) -> str:
        """Where it is, for people; empty when the whole file is meant."""
        file = "".join(sign if sign.isprintable() else "\ufffd" for sign in self.file)
        if self.row is None:
            return file
        return f"row {self.row} ({file})" if file else f"row {self.row}"

    def __str__(self) -> str:
        return f"{self.location} {self.text}".strip()


ReportProblem = Callable[[DataProblem], None]
ReportProgress = Callable[[float], None]
"""Called now and then with the share that is done, 0 to 1."""


def ignore_progress(share: float) -> None:
    """Show no progress."""


def raise_first(data: Path) -> ReportProblem:
    """A report that ends the reading at the first problem.

    Raises:
        AffectlineError: By the report, at once.
    """

    def report(problem: DataProblem) -> None:
        more = f"; affectline-train data check {data} lists all" if problem.location else ""
        raise AffectlineError(str(problem), problem.fix + more)

    return report


def unreadable(path: Path, error: OSError) -> DataProblem:
    """A file or folder that the system does not let us read."""
    return DataProblem("file", f"cannot read --data {path} ({error.strerror or error})", FIX)
