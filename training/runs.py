"""The folders that training reads and writes; free of TensorFlow, so that mistakes show at once."""

import os
from pathlib import Path
from typing import Final

from common.artifact import MANIFEST
from common.errors import AffectlineError

HISTORY: Final = "history.csv"
LOGITS_FILE: Final = "logits.npy"
MODEL_FILE: Final = "model.keras"
SAVED_MODEL: Final = "saved_model"
RUN_FILE: Final = "run.json"


def cache_folder() -> Path:
    """Where features are kept between runs, by the XDG base directory rules."""
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "affectline"


def check_weights(file: Path | None) -> None:
    """See that a weights file is there, before minutes go by.

    Raises:
        AffectlineError: It is not.
    """
    if file is not None and not file.is_file():
        raise AffectlineError(
            f"no file --backbone-weights {file}",
            "name VGG16's ImageNet weights without the top, in Keras' .weights.h5 format",
        )


def claim_run_folder(folder: Path) -> None:
    """Make a run's folder.

    Raises:
        AffectlineError: It holds something already, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used = any(folder.iterdir())
    except OSError as error:
        raise AffectlineError(
            f"cannot make the run folder --out {folder} ({error.strerror})", "name another"
        ) from error
    if used:
        raise AffectlineError(
            f"the run folder --out {folder} is not empty", "name a new folder or clear this one"
        )


def check_run_folder(folder: Path) -> None:
    """See that a run went to its end.

    Raises:
        AffectlineError: It did not, or the folder is no run's.
    """
    for name in (RUN_FILE, LOGITS_FILE, MODEL_FILE):
        if not (folder / name).is_file():
            raise AffectlineError(
                f"{folder} is not a finished run (it has no {name})",
                "name a folder that affectline-train fit wrote to its end",
            )


def check_artifact_folder(out: Path) -> None:
    """See that a folder is free, empty or an artifact.

    Raises:
        AffectlineError: It is something else, which must not be overwritten.
    """
    if not out.exists() or (out / MANIFEST).is_file():
        return
    if not out.is_dir() or any(out.iterdir()):
        raise AffectlineError(
            f"--out {out} holds something that is not an artifact", "name another folder"
        )
