"""Reads the Stress-Predict dataset: files of a wrist sensor (Empatica E4), and labels."""

import csv
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.wire.biometrics import Samples
from affectline.services.biometrics.drivers.e4 import read_file
from affectline.services.biometrics.file_playback import RecordedSignal
from affectline.services.validation.metrics import Labels, Vector
from affectline.services.validation.sample_messages import iter_messages

FILES: Final = ("EDA.csv", "HR.csv", "IBI.csv")


@dataclass(frozen=True)
class ParticipantRecording:
    """One person's signals and labels. Times in seconds since the Unix epoch."""

    name: str
    samples: tuple[tuple[float, Samples], ...]
    """All messages with the time of their last sample, in order."""
    seconds: Vector
    labels: Labels


def read_recordings(
    folder: Path, report: Callable[[str], None] = lambda note: None
) -> list[ParticipantRecording]:
    """Read every person in a folder laid out like Stress-Predict.

    The name of a person's folder contains their number in ``labels.csv``, as in ``S02``. Files may
    be missing or end early; available data are used.

    Args:
        folder: Folder with ``labels.csv`` and a folder for each person.
        report: Called with a note on everything that could not be used.

    Raises:
        AffectlineError: No person has labels and signals.
    """
    labelled = _read_labels(folder / "labels.csv", report)
    people = []
    read: dict[int, str] = {}
    for directory in sorted(filter(Path.is_dir, folder.iterdir()), key=_sort_key):
        number = _parse_number(directory.name)
        if number is None:
            continue
        if number in read:
            report(f"{directory.name}: left out, {number} was already read from {read[number]}")
            continue
        if number not in labelled:
            report(f"{directory.name}: left out, labels.csv does not contain {number}")
            continue
        samples = _read_samples(directory, report)
        if samples:
            seconds, labels = labelled[number]
            read[number] = directory.name
            people.append(ParticipantRecording(directory.name, samples, seconds, labels))
        else:
            report(f"{directory.name}: left out, no signal in {', '.join(FILES)}")
    if not people:
        raise AffectlineError(
            f"FOLDER {folder}: no person with labels and signals",
            "it needs labels.csv and folders like S02 with EDA.csv, HR.csv, IBI.csv",
        )
    return people


def _sort_key(path: Path) -> tuple[int, str]:
    return _parse_number(path.name) or 0, path.name


def _parse_number(name: str) -> int | None:
    """Return the number in a person's name, such as 2 in ``S02``."""
    found = re.search(r"\d+", name)
    return int(found[0]) if found else None


def _read_labels(path: Path, report: Callable[[str], None]) -> dict[int, tuple[Vector, Labels]]:
    """Return seconds in ascending order and their labels, by the person's number."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = list(csv.reader(file))[1:]
    except (OSError, csv.Error) as error:
        raise AffectlineError(
            f"{path}: cannot be read ({error})", "name a folder laid out like Stress-Predict"
        ) from error
    found: dict[int, list[tuple[float, bool]]] = {}
    invalid = 0
    for row in rows:
        try:
            second, stress = float(row[1]), float(row[2])
        except (ValueError, IndexError):
            second = stress = math.nan
        number = _parse_number(row[0]) if row else None
        if number is None or not (math.isfinite(second) and math.isfinite(stress)):
            invalid += bool(row)
            continue
        found.setdefault(number, []).append((second, stress > 0.5))
    if invalid:
        report(f"{path.name}: {invalid} rows are not participant,unix_s,stress in numbers")
    if not found:
        raise AffectlineError(
            f"{path}: no row of participant,unix_s,stress", "see docs/validation.md"
        )
    ordered = {number: sorted(pairs) for number, pairs in found.items()}
    return {
        number: (np.array([s for s, _ in pairs]), np.array([stress for _, stress in pairs]))
        for number, pairs in ordered.items()
    }


def _read_samples(
    directory: Path, report: Callable[[str], None]
) -> tuple[tuple[float, Samples], ...]:
    """Return one person's samples as a live driver would have sent them, second by second."""
    found: list[tuple[float, Samples]] = []
    for name in FILES:
        signals: list[RecordedSignal] = []
        try:
            signals = read_file(directory / name, Counter())
        except AffectlineError as error:
            report(f"{directory.name}: {name} left out, {error}")
        else:
            if not signals:
                report(f"{directory.name}: {name} is missing or empty")
        for signal in signals:
            found += iter_messages(signal)
    return tuple(sorted(found, key=lambda pair: pair[0]))
