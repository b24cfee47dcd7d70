"""Writes a finished run to its folder."""

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError, first_line
from affectline.common.labels import LABELS
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.evaluate.metrics import accuracy
from affectline.training.run_folder import LOGITS_FILE, MODEL_FILE, RUN_FILE, SAVED_MODEL


def save_run(
    folder: Path,
    model: Any,
    logits: NDArray[np.float32],
    faces: LabelledFaces,
    about: dict[str, Any],
    backbone: str | None,
    seconds: float,
) -> dict[str, Any]:
    """Write the model in both of Keras' formats, its logits and, last, ``run.json``.

    Args:
        folder: The run's folder.
        model: Keras model for preprocessed pictures, with a softmax at its end.
        logits: Its logits for every row of the data, ``(N, 7)``, or ``(N, 14)`` with those for
            FER+'s votes.
        faces: The data.
        about: Recipe, loss, optimizer and settings.
        backbone: What VGG16's ImageNet weights were read from, as `name_weights` names it;
            ``None``: the run did not use them.
        seconds: How long the run took.

    Returns:
        The content of ``run.json``: how the run was made, with file names but never their paths.

    Raises:
        AffectlineError: They cannot be written; ``run.json`` is then missing.
    """
    with _written(folder):
        model.save(folder / MODEL_FILE)
        model.export(folder / SAVED_MODEL, format="tf_saved_model", verbose=False)
        np.save(folder / LOGITS_FILE, logits)
    splits = {split: faces.rows(split) for split in Split}
    splits = {split: rows for split, rows in splits.items() if rows.any()}
    run = {
        **about,
        "data": {
            "sha256": faces.sha256,
            "from_folder": faces.from_folder,
            "rows": {split.value: int(rows.sum()) for split, rows in splits.items()},
            "votes": bool(faces.votes.any()),
            "votes_sha256": faces.votes_sha256,
        },
        **({"backbone_weights": backbone} if backbone else {}),
        "accuracy": {
            split.value: accuracy(logits[rows, : len(LABELS)], faces.emotions[rows])
            for split, rows in splits.items()
        },
        "seconds": round(seconds, 1),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "keras", "numpy", "pandas")},
        },
    }
    with _written(folder):
        # Atomic: a run with this file counts as finished.
        atomic_file.write_text(folder / RUN_FILE, json.dumps(run, indent=2) + "\n")
    return run


def name_weights(weights: Path | None) -> str:
    """The name of a file of ImageNet weights, without its folder; ``imagenet`` for Keras' own."""
    return weights.name if weights else "imagenet"


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except (
        Exception
    ) as error:  # Keras, h5py and TensorFlow each report a full disk in their own way
        raise AffectlineError(
            f"cannot write the finished model to {folder} ({first_line(error)})",
            "make room; then resume a strong run with --resume, or start a paper run again",
        ) from error
