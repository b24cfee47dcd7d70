"""FER+: ten people's votes for each face of FER2013 (Barsoum et al. 2016)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.training.data.csv_rows import read_rows
from affectline.training.data.faces import ParsedFaces
from affectline.training.data.problems import DataProblem

EMOTIONS: Final = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""FER+'s names for ``LABELS``, in the same order."""
OTHERS: Final = ("contempt", "unknown", "NF")
"""The other choices of the voters; NF is "not a face"."""
COLUMNS: Final = ("Usage", "Image name", *EMOTIONS, *OTHERS)
FEWEST: Final = 5
"""Least number of votes for the seven emotions; with fewer, shares would mean little."""
FIX: Final = "name FER+'s fer2013new.csv (here ferplus_votes.csv), unchanged"


@dataclass(frozen=True)
class VoteTable:
    """The rows of FER+."""

    usages: NDArray[np.str_]
    """``(N,)``, the split of each row in FER+."""
    named: NDArray[np.bool_]
    """``(N,)``, false where FER+ has no picture, because there is no face."""
    counts: NDArray[np.int64]
    """``(N, 10)``, votes for ``EMOTIONS``, then for ``OTHERS``."""


def read(votes: Path) -> VoteTable:
    """Read FER+'s CSV file.

    Raises:
        AffectlineError: It cannot be read, or a row is not valid; the message names the row.
    """

    def refuse(problem: DataProblem) -> None:
        text = str(problem).replace(f"--data {votes}", "the file", 1)
        raise AffectlineError(f"FER+ votes {votes}: {text}", FIX)

    usages, named, counts = [], [], []
    for row, fields in enumerate(read_rows(votes, COLUMNS, refuse), start=1):
        if fields is None:
            continue  # reported already
        usages.append(fields["Usage"])
        named.append(bool(fields["Image name"]))
        numbers = [fields[name] for name in (*EMOTIONS, *OTHERS)]
        for text in numbers:
            if not (text.isascii() and text.isdigit() and len(text) < 5):
                refuse(DataProblem("votes", f"has the count {text[:20]!r}", FIX, row))
        counts.append([int(text) for text in numbers])
    return VoteTable(
        np.array(usages, np.str_), np.array(named, np.bool_), np.array(counts, np.int64)
    )


def shares(table: VoteTable) -> NDArray[np.float32]:
    """Each emotion's share of the votes for the seven emotions.

    Returns:
        ``(N, 7) float32`` in the order of ``LABELS``. Each row sums to 1, or is all zero: if FER+
        has no picture, if no other choice has more votes than "not a face", or if the seven got
        fewer than five votes.
    """
    ours = table.counts[:, : len(EMOTIONS)]
    total = ours.sum(axis=1)
    no_face = table.counts[:, -1] >= table.counts[:, :-1].max(axis=1)
    usable = table.named & ~no_face & (total >= FEWEST)
    divided = ours / np.maximum(total, 1)[:, np.newaxis]
    return np.where(usable[:, np.newaxis], divided, 0).astype(np.float32)


def majority(votes: Path) -> NDArray[np.int64]:
    """The label that most voters chose, a reference other than FER2013's labels.

    Args:
        votes: FER+'s CSV file.

    Returns:
        ``(N,) int64``, indices into ``LABELS`` in the order of the file; -1 if two choices tie for
        the most votes, if contempt, unknown or "not a face" got the most, or if FER+ has no
        picture.

    Raises:
        AffectlineError: The file cannot be read.
    """
    table = read(votes)
    first = table.counts.argmax(axis=1)
    tied = (table.counts == table.counts.max(axis=1, keepdims=True)).sum(axis=1) > 1
    chosen = table.named & ~tied & (first < len(EMOTIONS))
    return np.where(chosen, first, -1)


def check_votes_fit(data: Path) -> None:
    """Check that the data is of the kind that FER+ has votes for.

    Raises:
        AffectlineError: The data is a folder.
    """
    if data.is_dir():
        raise AffectlineError(
            f"FER+ votes are for FER2013's CSV file, but {data} is a folder",
            "name FER2013's CSV file",
        )


def match_votes(parsed: ParsedFaces, votes: Path, partly: bool = False) -> NDArray[np.float32]:
    """Vote shares for the rows of FER2013 that were read.

    Args:
        parsed: The rows of FER2013 that were read.
        votes: FER+'s CSV file, which has the same rows in the same order.
        partly: Whether only the first rows of FER2013 were read.

    Returns:
        ``(N, 7) float32``, as ``shares`` returns them.

    Raises:
        AffectlineError: The two do not match.
    """
    table = read(votes)
    if len(table.named) < parsed.total or (len(table.named) > parsed.total and not partly):
        problem = f"{votes} has {len(table.named)} rows of votes for {parsed.total} rows of data"
        raise AffectlineError(problem, "both must contain all of FER2013, in its original order")
    theirs = table.usages[parsed.indices]
    different = np.flatnonzero(theirs != parsed.faces.usages)
    if len(different):
        at = different[0]
        problem = (
            f"{votes} has row {parsed.indices[at] + 1} in {str(theirs[at])[:20]!r}, "
            f"the data in {str(parsed.faces.usages[at])!r}"
        )
        raise AffectlineError(problem, "both must contain all of FER2013, in its original order")
    return shares(table)[parsed.indices]
