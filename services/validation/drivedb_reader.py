"""Reads drives of PhysioNet's drivedb as tables: a row per sample, named columns."""

import csv
import lzma
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.services.validation.drivedb_segments import find_marks, segment_drive
from affectline.services.validation.metrics import Vector

SkinChannel = Literal["hand", "foot"]
SkinChoice = Literal["both", "hand", "foot"]
COLUMNS: Final = {
    "time": "time", "ecg": "ecg", "emg": "emg", "foot": "foot", "hand": "hand",
    "heart_rate": "hr", "marker": "marker", "respiration": "resp",
}  # fmt: skip
"""Channels in their usual order, and the word that identifies a column's name."""
REQUIRED: Final = ("time", "marker")
MIN_SAMPLES: Final = 1000
"""About a minute."""


@dataclass(frozen=True)
class Drive:
    """One drive. Channels are evenly sampled, with NaN where nothing was measured."""

    name: str
    rate: float
    heart_rate: Vector
    """Beats a minute, with drop-outs and spikes as recorded."""
    skin: dict[SkinChannel, Vector]
    """uS."""
    bounds: tuple[float, ...]
    """The eight bounds of the seven segments, in seconds; empty if the marker channel does not fix
    them."""
    respiration: Vector | None = None
    """The wave of a belt around the chest; None if it was not measured."""
    marked: tuple[bool, ...] = ()
    """Whether each bound is a mark; the others follow from the protocol's durations."""


def read_drives(folder: Path, report: Callable[[str], None] = lambda note: None) -> list[Drive]:
    """Read every drive in a folder, from all tables in it.

    Args:
        folder: Folder with tables such as ``drive05.csv.xz``.
        report: Called with a note on each drive that could not be used.

    Raises:
        AffectlineError: No drive can be used.
    """
    files = sorted((*folder.glob("*.csv.xz"), *folder.glob("*.csv")))
    drives: list[Drive] = []
    errors = []
    for path in files:
        if any(drive.name == _name(path) for drive in drives):
            report(f"{path.name}: left out, {_name(path)} was already read")
            continue
        try:
            drive = read_drive(path)
        except AffectlineError as error:
            errors.append(str(error))
            report(str(error))
            continue
        drives.append(drive)
        if not drive.bounds:
            report(
                f"{path.name}: too few marker spikes for seven segments, and the protocol's "
                "durations do not fix them: used without labels, in no figure"
            )
        elif not all(drive.marked):
            report(
                f"{path.name}: {sum(drive.marked)} of {len(drive.marked)} marker spikes; the other "
                "bounds follow from the protocol's durations"
            )
    if not drives:
        raise AffectlineError(
            f"FOLDER {folder}: {errors[0] if errors else 'no *.csv.xz or *.csv in it'}",
            "it needs the drives of PhysioNet's drivedb as tables, see docs/validation.md",
        )
    return drives


def _name(path: Path) -> str:
    return path.name.removesuffix(".xz").removesuffix(".csv")


def read_drive(path: Path) -> Drive:
    """Read one drive.

    Raises:
        AffectlineError: The file cannot be read, or is not a drive.
    """
    channels = _read_channels(path)
    time = channels["time"]
    known = time[np.isfinite(time)]
    if len(time) < MIN_SAMPLES or len(known) < 2 or known[-1] <= known[0]:
        raise AffectlineError(f"{path.name}: {len(time)} rows are not a drive", "leave it out")
    rate = float((len(known) - 1) / (known[-1] - known[0]))
    marker = np.nan_to_num(channels["marker"], nan=float(np.nanmedian(channels["marker"])))
    found = segment_drive(find_marks(marker, rate), len(time) / rate)
    skin: dict[SkinChannel, Vector] = {"hand": channels["hand"], "foot": channels["foot"]}
    wave = channels["respiration"]
    return Drive(
        _name(path), rate, channels["heart_rate"], skin, found.bounds if found else (),
        wave if np.isfinite(wave).any() else None, found.marked if found else (),
    )  # fmt: skip


def _read_channels(path: Path) -> dict[str, Vector]:
    """Return all channels by name; a missing one is NaN throughout."""
    try:
        with (
            lzma.open(path, "rt", errors="replace")
            if path.suffix == ".xz"
            else path.open(errors="replace")
        ) as file:
            names = next(csv.reader(file), [])
            # Cells without a number become NaN
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # no rows
                table = np.genfromtxt(file, delimiter=",", ndmin=2, invalid_raise=True)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise AffectlineError(f"{path.name}: cannot be read ({error})", "fetch it again") from error
    except ValueError as error:
        raise AffectlineError(
            f"{path.name}: rows of different lengths", "fetch it again"
        ) from error
    if not table.size:
        raise AffectlineError(f"{path.name}: no rows below its header", "fetch it again")
    found = _find_columns(names)
    columns = {name: index for name, index in found.items() if index < table.shape[1]}
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise AffectlineError(
            f"{path.name}: no column for {' and '.join(missing)}",
            f"a drive has the columns {', '.join(COLUMNS)}",
        )
    absent = np.full(len(table), np.nan)
    return {name: table[:, columns[name]] if name in columns else absent for name in COLUMNS}


def _find_columns(names: Sequence[str]) -> dict[str, int]:
    """Return each channel's column by its name, or by the usual order if no name is recognised."""
    found: dict[str, int] = {}
    for name, word in COLUMNS.items():
        matches = (i for i, heading in enumerate(names) if word in heading.lower())
        index = next(matches, None)
        if index is not None:
            found[name] = index
    if not found and len(names) == len(COLUMNS):
        return {name: i for i, name in enumerate(COLUMNS)}
    return found
