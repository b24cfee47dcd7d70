"""Predictions that another program made, from a CSV file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.row_table import SHOWN, RowTable, read_named_rows

OPTION: Final = "--predictions"
GIVEN: Final = "given"
"""The column with the label alone."""
TOLERANCE: Final = 0.02
"""How far the probabilities of a row may be from a sum of 1: printed with two decimals, seven of
them are."""


@dataclass(frozen=True)
class GivenPredictions:
    """Predictions for some faces."""

    probabilities: NDArray[np.float64]
    """``(N, 7)``; of labels alone, 1 for the label."""
    labels_only: bool
    """Whether only labels were given, so that nothing is known about confidence."""
    missing: tuple[str, ...]
    """Labels that the program never gives: it has no column for them."""


def read_predictions(
    path: Path, everything: LabelledFaces, chosen: NDArray[np.int64]
) -> GivenPredictions:
    """Read predictions for faces.

    Args:
        path: A CSV file that names faces as `affectline.training.data.row_table` describes, with a
            column of probabilities for each label, or for some, or the column ``given`` with a
            label. ``predictions.csv`` of a report is one.
        everything: All faces of the data.
        chosen: Indices of those to evaluate; predictions for others are ignored.

    Raises:
        AffectlineError: It cannot be read, a face has no prediction or two, or a value is not a
            probability or label. The message names the row and its value.
    """
    table = read_named_rows(path, OPTION, (GIVEN, *LABELS)).match(everything)
    named: list[str] = [label for label in LABELS if label in table.columns]
    if len(named) < 2 and GIVEN not in table.columns:
        raise AffectlineError(
            f"{OPTION} {path}: the file has no predictions (its columns are "
            f"{', '.join(table.columns)[:200]})",
            f"add a column for each of {', '.join(LABELS)}, or a column {GIVEN} with a label",
        )
    labels_only = len(named) < 2
    values = _read_labels(path, table) if labels_only else _read_shares(path, table, named)
    places = np.full(len(everything), -1, np.int64)
    places[table.faces] = np.arange(len(table.faces))
    without = chosen[places[chosen] < 0]
    if len(without):
        raise AffectlineError(
            f"{OPTION} {path}: {len(without):,} of the {len(chosen):,} faces have no prediction, "
            f"the first is {everything.sources[without[0]][:SHOWN]!r}",
            "give one for each face, or choose the rows with --split",
        )
    missing = () if labels_only else tuple(label for label in LABELS if label not in named)
    return GivenPredictions(values[places[chosen]], labels_only, missing)


def _read_shares(path: Path, table: RowTable, named: list[str]) -> NDArray[np.float64]:
    """Probabilities ``(N, 7)``, 0 for labels without a column; each row is made to sum to 1."""
    shares = np.zeros((len(table.cells), len(LABELS)))
    for row, cells in enumerate(table.cells):
        for label in named:
            shares[row, LABELS.index(label)] = _as_share(path, row + 1, label, cells[label])
        total = float(shares[row].sum())
        if abs(total - 1) > TOLERANCE:
            raise AffectlineError(
                f"{OPTION} {path}: the probabilities of row {row + 1} sum to {total:.3f}",
                "probabilities are 0 to 1 and sum to 1: apply softmax to logits first",
            )
        shares[row] /= total
    return shares


def _as_share(path: Path, row: int, label: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = float("nan")
    if not 0 <= share <= 1:
        raise AffectlineError(
            f"{OPTION} {path}: row {row} has the probability {text[:SHOWN]!r} for {label}",
            "probabilities are 0 to 1 and sum to 1: apply softmax to logits first",
        )
    return share


def _read_labels(path: Path, table: RowTable) -> NDArray[np.float64]:
    shares = np.zeros((len(table.cells), len(LABELS)))
    for row, cells in enumerate(table.cells):
        label = cells[GIVEN].lower()
        if label not in LABELS:
            raise AffectlineError(
                f"{OPTION} {path}: row {row + 1} has the label {cells[GIVEN][:SHOWN]!r}",
                f"labels are {', '.join(LABELS)}",
            )
        shares[row, LABELS.index(label)] = 1
    return shares
