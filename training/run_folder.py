"""The folders that training reads and writes; without TensorFlow, so that mistakes show at once."""

import json
import os
from pathlib import Path
from typing import Any, Final

from affectline.common.errors import AffectlineError
from affectline.common.model.artifact import MANIFEST
from affectline.common.vision.preprocessing import FER_SIZE

HISTORY: Final = "history.csv"
LOGITS_FILE: Final = "logits.npy"
MODEL_FILE: Final = "model.keras"
SAVED_MODEL: Final = "saved_model"
RUN_FILE: Final = "run.json"
LAST_LAYERS: Final = "last_layers.npz"
SETTINGS: Final = "settings.json"
CHECKPOINTS: Final = "checkpoints"
TENSORBOARD: Final = "tensorboard"


def cache_folder() -> Path:
    """The folder that caches features between runs, by the XDG base directory rules."""
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "affectline"


def check_weights(file: Path | None) -> None:
    """Check that a weights file exists, before minutes of work.

    Raises:
        AffectlineError: It does not.
    """
    if file is not None and not file.is_file():
        raise AffectlineError(
            f"no file --backbone-weights {file}",
            "name VGG16's ImageNet weights without the top, in Keras' .weights.h5 format",
        )


def claim_run_folder(folder: Path) -> None:
    """Create a run's folder.

    Raises:
        AffectlineError: It is not empty, or cannot be created.
    """
    require_empty_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AffectlineError(
            f"cannot make the run folder --out {folder} ({error.strerror})", "name another folder"
        ) from error


def require_empty_folder(folder: Path) -> None:
    """Check that a folder is empty, or does not exist yet; nothing is created.

    Raises:
        AffectlineError: It is not, or cannot be looked into.
    """
    try:
        used = folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise AffectlineError(
            f"cannot make the run folder --out {folder} ({error.strerror})", "name another folder"
        ) from error
    if used:
        raise AffectlineError(
            f"the run folder --out {folder} is not empty", "name a new folder or clear this one"
        )


def open_run_folder(folder: Path, options: dict[str, Any], resume: bool) -> None:
    """Create the folder of a new run, or check that a run to resume has the same options.

    Args:
        folder: The run's folder.
        options: Everything that affects the run's result; written to ``settings.json``.
        resume: Whether to continue the run in the folder.

    Raises:
        AffectlineError: The folder of a new run is not empty, or the run to resume is finished,
            unreadable or was started with other options.
    """
    file = folder / SETTINGS
    if not resume:
        claim_run_folder(folder)
        file.write_text(json.dumps(options, indent=2) + "\n")
        return
    if (folder / RUN_FILE).exists():
        raise AffectlineError(f"the run in {folder} is finished", "export it, or start a new run")
    try:
        begun = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise AffectlineError(
            f"{folder} is not a run to resume (no readable {SETTINGS})",
            "name the folder of an unfinished run, or leave --resume out",
        ) from error
    for name in ("votes", "backbone_weights"):
        # Older runs did not record these; assume that they match.
        if name in options:
            begun.setdefault(name, options[name])
    for name in sorted(begun.keys() | options.keys()):
        if begun.get(name) != options.get(name):
            raise AffectlineError(
                f"the run in {folder} was started with {name.replace('_', ' ')} "
                f"{begun.get(name, 'by default')}, not {options.get(name, 'by default')}",
                "resume it with the same options and data",
            )


def remove_empty_run_folder(folder: Path) -> None:
    """Remove a run's folder if it contains nothing, or nothing but the settings."""
    if {path.name for path in folder.iterdir()} <= {SETTINGS}:
        (folder / SETTINGS).unlink(missing_ok=True)
        folder.rmdir()


def check_run_folder(folder: Path) -> None:
    """Check that a run is finished.

    Raises:
        AffectlineError: It is not, or the folder is not a run folder.
    """
    for name in (RUN_FILE, LOGITS_FILE, MODEL_FILE):
        if not (folder / name).is_file():
            raise AffectlineError(
                f"{folder} is not a finished run (it has no {name})",
                "name the folder of a finished run of affectline-train fit",
            )


def check_votes_layer(folder: Path) -> Path:
    """Check that a run has a layer trained on FER+'s votes; return the file of its last layers.

    Raises:
        AffectlineError: It has none.
    """
    file = folder / LAST_LAYERS
    if not file.is_file():
        raise AffectlineError(
            f"the run {folder} has no layer trained on votes",
            "leave --votes-weight out, or train with --recipe strong and --votes",
        )
    return file


def image_size(folder: Path) -> int:
    """Side in pixels of the input of a finished run's model.

    Raises:
        AffectlineError: The run's record cannot be read.
    """
    try:
        settings = json.loads((folder / RUN_FILE).read_text())["settings"]
        return int(settings.get("image_size", FER_SIZE))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AffectlineError(
            f"the run {folder} is damaged ({RUN_FILE}: {error!r})",
            "train again with affectline-train fit",
        ) from error


def check_artifact_folder(out: Path) -> None:
    """Check that a folder is empty, an artifact, or does not exist yet.

    Raises:
        AffectlineError: It holds something else, which must not be overwritten.
    """
    if not out.exists() or (out / MANIFEST).is_file():
        return
    if not out.is_dir() or any(out.iterdir()):
        raise AffectlineError(
            f"--out {out} holds something that is not an artifact", "name another folder"
        )
