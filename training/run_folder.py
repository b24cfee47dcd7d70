"""The folders that training reads and writes; free of TensorFlow, so that mistakes show at once."""

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
    """Where features are kept between runs, by the XDG base directory rules."""
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "affectline"


def check_weights(file: Path | None) -> None:
    """Check that a weights file is there, before minutes go by.

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


def open_run_folder(folder: Path, options: dict[str, Any], resume: bool) -> None:
    """Start a run's folder, or check that it was started with the same options.

    Args:
        folder: The run's own.
        options: Everything that decides the result of the run; written to ``settings.json``.
        resume: Whether to continue the run in the folder.

    Raises:
        AffectlineError: A new run's folder is used, or an old one was begun for something else.
    """
    file = folder / SETTINGS
    if not resume:
        claim_run_folder(folder)
        file.write_text(json.dumps(options, indent=2) + "\n")
        return
    if (folder / RUN_FILE).exists():
        raise AffectlineError(f"the run in {folder} is finished", "export it, or begin another")
    try:
        begun = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise AffectlineError(
            f"{folder} is not a run to resume (no {SETTINGS} that can be read)",
            "name the folder of an unfinished run, or leave --resume out",
        ) from error
    if "votes" in options:
        # A run that was begun before votes were noted is taken at its word.
        begun.setdefault("votes", options["votes"])
    for name in sorted(begun.keys() | options.keys()):
        if begun.get(name) != options.get(name):
            raise AffectlineError(
                f"the run in {folder} was begun with {name.replace('_', ' ')} "
                f"{begun.get(name, 'by default')}, not {options.get(name, 'by default')}",
                "resume it with the same options and data",
            )


def remove_empty_run_folder(folder: Path) -> None:
    """Remove a run's folder if it holds nothing but the settings that it was begun with."""
    if [path.name for path in folder.iterdir()] == [SETTINGS]:
        (folder / SETTINGS).unlink()
        folder.rmdir()


def check_run_folder(folder: Path) -> None:
    """Check that a run went to its end.

    Raises:
        AffectlineError: It did not, or the folder is no run's.
    """
    for name in (RUN_FILE, LOGITS_FILE, MODEL_FILE):
        if not (folder / name).is_file():
            raise AffectlineError(
                f"{folder} is not a finished run (it has no {name})",
                "name a folder that affectline-train fit wrote to its end",
            )


def check_votes_layer(folder: Path) -> Path:
    """Check that a run has a layer that learnt FER+'s votes; return the file of its last layers.

    Raises:
        AffectlineError: It has none.
    """
    file = folder / LAST_LAYERS
    if not file.is_file():
        raise AffectlineError(
            f"the run {folder} has no layer that learnt votes",
            "leave --votes-weight out, or train with --recipe strong and --votes",
        )
    return file


def image_size(folder: Path) -> int:
    """Side in pixels of the pictures that a finished run's model wants.

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
    """Check that a folder is free, empty or an artifact.

    Raises:
        AffectlineError: It is something else, which must not be overwritten.
    """
    if not out.exists() or (out / MANIFEST).is_file():
        return
    if not out.is_dir() or any(out.iterdir()):
        raise AffectlineError(
            f"--out {out} holds something that is not an artifact", "name another folder"
        )
