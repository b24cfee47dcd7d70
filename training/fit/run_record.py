"""What a finished run leaves in its folder."""

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
    weights: Path | None,
    seconds: float,
) -> dict[str, Any]:
    """Write the model in both of Keras' formats, its logits, and last of all ``run.json``.

    Args:
        folder: The run's own.
        model: Keras model of preprocessed pictures that ends in its softmax.
        logits: Its logits for every row of the data, ``(N, 7)``, or ``(N, 14)`` with those for
            FER+'s votes.
        faces: The data.
        about: Recipe, loss, optimizer and settings.
        weights: File of VGG16's ImageNet weights, ``None`` for Keras' download.
        seconds: How long it took.

    Returns:
        What ``run.json`` holds: how the run came to be, with names of files, never their places.

    Raises:
        AffectlineError: They cannot be written; ``run.json`` is missing then.
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
            "rows": {split.value: int(rows.sum()) for split, rows in splits.items()},
            "votes": bool(faces.votes.any()),
        },
        "backbone_weights": weights.name if weights else "imagenet",
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


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Keras, h5py and TensorFlow each tell a full disk in their own way
        raise AffectlineError(
            f"cannot write the finished model to {folder} ({first_line(error)})",
            "make room; a strong run then resumes with --resume, one of the paper's starts again",
        ) from error
