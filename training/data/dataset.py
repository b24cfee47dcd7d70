"""Reads the data for a command: FER2013's CSV file, or a folder of pictures."""

from dataclasses import replace
from pathlib import Path

from affectline.common.vision.preprocessing import FER_SIZE
from affectline.training.data import fer2013, ferplus, image_folder
from affectline.training.data.faces import LabelledFaces, ParsedFaces
from affectline.training.data.problems import (
    ReportProblem,
    ReportProgress,
    ignore_progress,
    raise_first,
)


def load(
    path: Path, rows: int | None = None, size: int = FER_SIZE, votes: Path | None = None
) -> LabelledFaces:
    """Read FER2013's CSV file, compressed or not, or a folder of pictures.

    Args:
        path: The file or folder.
        rows: How many rows to read; all when ``None``.
        size: Side in pixels to which pictures are scaled.
        votes: ``ferplus_votes.csv``, with FER+'s votes for FER2013's rows.

    Raises:
        AffectlineError: A file or row cannot be read or used; the message names the first such row.
    """
    if votes is not None:
        ferplus.check_votes_fit(path)
    parsed = read(path, raise_first(path), rows, size)
    if votes is None:
        return parsed.faces
    return replace(parsed.faces, votes=ferplus.match_votes(parsed, votes, partly=rows is not None))


def read(
    path: Path,
    report: ReportProblem,
    rows: int | None = None,
    size: int = FER_SIZE,
    progress: ReportProgress = ignore_progress,
) -> ParsedFaces:
    """Read the usable rows, and report every problem as it is found.

    Args:
        path: A CSV file or a folder.
        report: Called for each problem; may raise to stop reading.
        rows: How many rows to read; all when ``None``.
        size: Side in pixels to which pictures are scaled.
        progress: Called with the share that has been read.
    """
    if path.is_dir():
        return image_folder.read(path, report, rows, size, progress)
    return fer2013.read(path, report, rows, size, progress)
