"""Nervousness against the Stress-Predict dataset (Iqbal et al. 2022, Sensors 22(21)).

Wrist sensors (Empatica E4) of people who sat through a Stroop test, an interview and
hyperventilation, with rest before, between and after.
"""

import csv
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Samples
from affectline.services.biometrics.drivers.e4 import read_file
from affectline.services.biometrics.file_playback import RecordedSignal
from affectline.services.fusion.stress_model import StressModel, shipped
from affectline.services.fusion.subject import SubjectState
from affectline.services.validation.as_messages import as_messages
from affectline.services.validation.fitting import SETS, Course, fit, score
from affectline.services.validation.scoring import Labels, Vector, accuracy, auc, mean, plain, roc

SECOND: Final = 1_000_000_000
SELDOM: Final = FusionSettings(rate=0.001, face_weight=0)
"""The evidence is read every second; states are not needed."""
EVEN_ODDS: Final = 50.0
FILES: Final = ("EDA.csv", "HR.csv", "IBI.csv")


@dataclass(frozen=True)
class ParticipantRecording:
    """One person's files. Times in seconds since the Unix epoch."""

    name: str
    samples: tuple[tuple[float, Samples], ...]
    """All messages with the time of their last sample, in order."""
    seconds: Vector
    labels: Labels


def read(
    folder: Path, note: Callable[[str], None] = lambda text: None
) -> list[ParticipantRecording]:
    """Read every person of a folder laid out like Stress-Predict.

    A person's folder is called by the number that stands for them in ``labels.csv``, as in ``S02``.
    Files may be missing, and stop early: people are judged by what there is of them.

    Args:
        folder: With ``labels.csv`` and a folder for each person.
        note: Told what could not be used.

    Raises:
        AffectlineError: Nobody is there.
    """
    known = _read_labels(folder / "labels.csv", note)
    people = []
    for place in sorted(filter(Path.is_dir, folder.iterdir()), key=_place):
        number = _number(place.name)
        if number is None:
            continue
        if number not in known:
            note(f"{place.name}: left out, labels.csv says nothing of {number}")
            continue
        samples = _read_person(place, note)
        if samples:
            seconds, labels = known.pop(number)
            people.append(ParticipantRecording(place.name, samples, seconds, labels))
        else:
            note(f"{place.name}: left out, no signal in {', '.join(FILES)}")
    if not people:
        raise AffectlineError(
            f"FOLDER {folder}: nobody with labels and signals in it",
            "it needs labels.csv and folders like S02 with EDA.csv, HR.csv, IBI.csv",
        )
    return people


def _place(path: Path) -> tuple[int, str]:
    return _number(path.name) or 0, path.name


def _number(name: str) -> int | None:
    """The number in a person's name, such as 2 in ``S02``."""
    found = re.search(r"\d+", name)
    return int(found[0]) if found else None


def _read_labels(path: Path, note: Callable[[str], None]) -> dict[int, tuple[Vector, Labels]]:
    """Labelled seconds by number of the person, in order of time."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = list(csv.reader(file))[1:]
    except (OSError, csv.Error) as error:
        raise AffectlineError(
            f"{path}: cannot be read ({error})", "name a folder laid out like Stress-Predict"
        ) from error
    found: dict[int, list[tuple[float, bool]]] = {}
    wrong = 0
    for row in rows:
        try:
            second, stress = float(row[1]), float(row[2])
        except (ValueError, IndexError):
            second = stress = math.nan
        number = _number(row[0]) if row else None
        if number is None or not (math.isfinite(second) and math.isfinite(stress)):
            wrong += bool(row)
            continue
        found.setdefault(number, []).append((second, stress > 0.5))
    if wrong:
        note(f"{path.name}: {wrong} rows are not participant,unix_s,stress in numbers")
    if not found:
        raise AffectlineError(
            f"{path}: no row of participant,unix_s,stress", "see docs/validation.md"
        )
    ordered = {number: sorted(pairs) for number, pairs in found.items()}
    return {
        number: (np.array([s for s, _ in pairs]), np.array([stress for _, stress in pairs]))
        for number, pairs in ordered.items()
    }


def _read_person(place: Path, note: Callable[[str], None]) -> tuple[tuple[float, Samples], ...]:
    """One person's samples as a live device would have sent them, a second at a time."""
    found: list[tuple[float, Samples]] = []
    for name in FILES:
        tracks: list[RecordedSignal] = []
        try:
            tracks = read_file(place / name, Counter())
        except AffectlineError as error:
            note(f"{place.name}: {name} left out, {error}")
        else:
            if not tracks:
                note(f"{place.name}: {name} is missing or empty")
        for track in tracks:
            found += as_messages(track)
    return tuple(sorted(found, key=lambda pair: pair[0]))


def follow(recording: ParticipantRecording) -> Course:
    """Feed a recording to the live estimator; note its evidence at each labelled second.

    At a second only the samples up to that second have been fed.
    """
    person = SubjectState("person", SELDOM)
    evidence = []
    messages = iter(recording.samples)
    pending = next(messages, None)
    for second in recording.seconds:
        while pending is not None and pending[0] <= second:
            person.hear(pending[1])
            pending = next(messages, None)
        evidence.append(person.evidence(round(second * SECOND)))
    return Course(recording.name, tuple(evidence), recording.labels)


@dataclass(frozen=True)
class StressPredictResult:
    """Everything that is told of a validation."""

    courses: tuple[Course, ...]
    scores: dict[str, dict[str, Vector]]
    """By set of signals and person: nervousness by a model that has not seen the person."""
    model: StressModel | None
    """Fitted on everybody; None for one person, whom nothing was fitted to."""
    notes: tuple[str, ...] = ()
    """What could not be used."""

    def summary(self) -> dict[str, Any]:
        """The figures as plain values."""
        labels = np.concatenate([c.labels for c in self.courses])
        sets: dict[str, Any] = {}
        for name, scores in self.scores.items():
            pooled = np.concatenate([scores[c.name] for c in self.courses])
            each = {c.name: auc(c.labels, scores[c.name]) for c in self.courses}
            sets[name] = {
                "auc_pooled": plain(auc(labels, pooled)),
                "auc_mean": plain(mean(each.values())),
                "balanced_accuracy_at_50": plain(accuracy(labels, pooled, EVEN_ODDS)),
                "auc_by_subject": {k: plain(v) for k, v in each.items()},
                "coverage": float(np.mean([
                    any(s in moment for s in SETS[name])
                    for c in self.courses for moment in c.evidence
                ])),
            }  # fmt: skip
        return {
            "dataset": "stress-predict",
            "subjects": len(self.courses),
            "seconds": len(labels),
            "stress_seconds": int(labels.sum()),
            "fitted_to": "all other subjects" if self.model else "the people of the shipped model",
            "notes": list(self.notes),
            "sets": sets,
        }

    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """The pooled ROC curve of each set of signals."""
        labels = np.concatenate([c.labels for c in self.courses])
        return {
            name: roc(labels, np.concatenate([scores[c.name] for c in self.courses]))
            for name, scores in self.scores.items()
        }


def validate(
    folder: Path, progress: Callable[[int, int], None] = lambda done, of: None
) -> StressPredictResult:
    """Validate on a folder, leaving one person out of each fit.

    One person alone is judged by the coefficients that are shipped.

    Args:
        folder: Laid out like Stress-Predict.
        progress: Called with the people done and their number.

    Raises:
        AffectlineError: There is nobody to judge, or nobody to fit to.
    """
    notes: list[str] = []
    recordings = read(folder, notes.append)
    courses = []
    for recording in recordings:
        courses.append(follow(recording))
        progress(len(courses), len(recordings))
    scores: dict[str, dict[str, Vector]] = {name: {} for name in SETS}
    for left_out in courses:
        others = [c for c in courses if c is not left_out]
        model = fit(others) if others else shipped()
        for name, signals in SETS.items():
            scores[name][left_out.name] = score(left_out, model, signals)
    return StressPredictResult(
        tuple(courses), scores, fit(courses) if len(courses) > 1 else None, tuple(notes)
    )
