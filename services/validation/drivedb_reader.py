"""The drives of PhysioNet's drivedb as tables: a row for each sample, named columns."""

import csv
import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.services.validation.drivedb_segments import choose_bounds, find_marks
from affectline.services.validation.metrics import Vector

SkinChannel = Literal["hand", "foot"]
COLUMNS: Final = {
    "time": "time", "ecg": "ecg", "emg": "emg", "foot": "foot", "hand": "hand",
    "heart_rate": "hr", "marker": "marker", "respiration": "resp",
}  # fmt: skip
"""What a column is, in their usual order, and the word that its name holds."""
NEEDED: Final = ("time", "marker")
SHORTEST: Final = 1000
"""Samples; a minute."""


@dataclass(frozen=True)
class Drive:
    """One drive. Channels are evenly sampled, and NaN where nothing was measured."""

    name: str
    rate: float
    heart_rate: Vector
    """Beats a minute, with drop-outs and spikes as recorded."""
    skin: dict[SkinChannel, Vector]
    """uS."""
    bounds: tuple[float, ...]
    """Eight times in seconds, between which the seven segments lie."""


def read(folder: Path, note: Callable[[str], None] = lambda text: None) -> list[Drive]:
    """Read every drive of a folder: all tables in it.

    Args:
        folder: With tables such as ``drive05.csv.xz``.
        note: Told which drives could not be used, and why.

    Raises:
        AffectlineError: None can be used.
    """
    files = sorted((*folder.glob("*.csv.xz"), *folder.glob("*.csv")))
    drives: list[Drive] = []
    troubles = []
    for path in files:
        if any(drive.name == _name(path) for drive in drives):
            note(f"{path.name}: left out, {_name(path)} is there already")
            continue
        try:
            drives.append(read_drive(path))
        except AffectlineError as error:
            troubles.append(str(error))
            note(str(error))
    if not drives:
        raise AffectlineError(
            f"FOLDER {folder}: {troubles[0] if troubles else 'no *.csv.xz or *.csv in it'}",
            "it needs the drives of PhysioNet's drivedb as tables, see docs/validation.md",
        )
    return drives


def _name(path: Path) -> str:
    return path.name.removesuffix(".xz").removesuffix(".csv")


def read_drive(path: Path) -> Drive:
    """Read one drive.

    Raises:
        AffectlineError: It cannot be read, or is no drive.
    """
    channel = _read_table(path)
    time = channel["time"]
    known = time[np.isfinite(time)]
    if len(time) < SHORTEST or len(known) < 2 or known[-1] <= known[0]:
        raise AffectlineError(f"{path.name}: {len(time)} rows are no drive", "leave it out")
    rate = float((len(known) - 1) / (known[-1] - known[0]))
    marker = np.nan_to_num(channel["marker"], nan=float(np.nanmedian(channel["marker"])))
    bounds = choose_bounds(find_marks(marker, rate), len(time) / rate)
    if bounds is None:
        raise AffectlineError(
            f"{path.name}: too few marker spikes for seven segments", "leave it out"
        )
    skin: dict[SkinChannel, Vector] = {"hand": channel["hand"], "foot": channel["foot"]}
    return Drive(_name(path), rate, channel["heart_rate"], skin, tuple(bounds))


def _read_table(path: Path) -> dict[str, Vector]:
    """The columns by what they are; those that are missing are NaN throughout."""
    try:
        with (
            lzma.open(path, "rt", errors="replace")
            if path.suffix == ".xz"
            else path.open(errors="replace")
        ) as file:
            names = next(csv.reader(file), [])
            # Cells that hold no number become NaN
            table = np.genfromtxt(file, delimiter=",", ndmin=2, invalid_raise=True)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise AffectlineError(f"{path.name}: cannot be read ({error})", "fetch it again") from error
    except ValueError as error:
        raise AffectlineError(
            f"{path.name}: rows of different lengths", "fetch it again"
        ) from error
    places = _find_columns(names)
    places = {name: place for name, place in places.items() if place < table.shape[1]}
    missing = [name for name in NEEDED if name not in places]
    if missing or not table.size:
        raise AffectlineError(
            f"{path.name}: no column for {' and '.join(missing) or 'anything'}",
            f"a drive has the columns {', '.join(COLUMNS)}",
        )
    nothing = np.full(len(table), np.nan)
    return {name: table[:, places[name]] if name in places else nothing for name in COLUMNS}


def _find_columns(names: Sequence[str]) -> dict[str, int]:
    """Where each column is, by its name; by the usual order where the names say nothing."""
    found: dict[str, int] = {}
    for name, word in COLUMNS.items():
        fitting = (i for i, said in enumerate(names) if word in said.lower())
        place = next(fitting, None)
        if place is not None:
            found[name] = place
    if not found and len(names) == len(COLUMNS):
        return {name: i for i, name in enumerate(COLUMNS)}
    return found
