"""Checkpoints of a head's training: written atomically, and the last good one is kept."""

import json
import zipfile
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from affectline.common.atomic_file import atomic_write
from affectline.common.errors import AffectlineError, first_line
from affectline.training.fit.paper_head_loop import HeadState

LATEST: Final = "state.npz"
BEFORE: Final = "state.before.npz"
"""The checkpoint before the latest, in case the latest is damaged."""
ARRAYS: Final = ("weights", "momenta", "norms")


@dataclass(frozen=True)
class CurvePoint:
    """One line of a learning curve."""

    epoch: int
    loss: float
    """In nats, on the training rows during the epoch, as Keras reports it."""
    accuracy: float
    """0 to 1, on the same rows."""
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training that can be resumed, and its learning curve."""

    state: HeadState
    curve: tuple[CurvePoint, ...] = ()


def save(folder: Path, checkpoint: Checkpoint, identity: dict[str, Any]) -> None:
    """Write a checkpoint; the previous one is kept beside it.

    Args:
        folder: The run's folder; created if needed.
        checkpoint: The checkpoint.
        identity: The run's settings and data. Another run's checkpoint is never loaded.

    Raises:
        AffectlineError: It cannot be written; the last good one is unchanged.
    """
    content: dict[str, Any] = {
        f"{kind}{index}": array
        for kind in ARRAYS
        for index, array in enumerate(getattr(checkpoint.state, kind))
    }
    content["place"] = np.array([checkpoint.state.epoch, checkpoint.state.step], dtype=np.int64)
    content["curve"] = np.array([astuple(point) for point in checkpoint.curve], dtype=np.float64)
    content["identity"] = np.array(json.dumps(identity, sort_keys=True))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            atomic_write(folder / LATEST, backup=folder / BEFORE, shared=True) as partial,
            partial.open("wb") as stream,
        ):
            np.savez(stream, **content)
    except OSError as error:
        raise AffectlineError(
            f"cannot write the checkpoint {folder / LATEST} ({error.strerror or error})",
            "make room and repeat the command: it resumes from the last good one",
        ) from error


def load(folder: Path, identity: dict[str, Any]) -> tuple[Checkpoint | None, list[str]]:
    """Load the newest readable checkpoint.

    Returns:
        The checkpoint, or ``None`` if there is none, and a warning for each damaged file.

    Raises:
        AffectlineError: The checkpoint belongs to a run with other settings or data.
    """
    remarks: list[str] = []
    for name in (LATEST, BEFORE):
        file = folder / name
        if not file.exists():
            continue
        try:
            return _read(file, identity), remarks
        # zipfile and NumPy report damage in all of these ways.
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            remarks.append(f"the checkpoint {file} is damaged ({first_line(error)}) and is skipped")
    return None, remarks


def _read(file: Path, identity: dict[str, Any]) -> Checkpoint:
    # Opened here, because NumPy leaves a damaged file open.
    with file.open("rb") as stream, np.load(stream) as content:
        found = json.loads(str(content["identity"]))
        if found != json.loads(json.dumps(identity)):
            raise AffectlineError(
                f"the checkpoint {file} belongs to another run", "name another --work folder"
            )
        arrays = {
            kind: tuple(
                content[f"{kind}{index}"]
                for index in range(sum(name.startswith(kind) for name in content.files))
            )
            for kind in ARRAYS
        }
        epoch, step = (int(value) for value in content["place"])
        curve = tuple(CurvePoint(int(row[0]), *map(float, row[1:])) for row in content["curve"])
    return Checkpoint(HeadState(**arrays, epoch=epoch, step=step), curve)
