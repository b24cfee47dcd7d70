"""Nervousness against the Stress-Predict dataset (Iqbal et al. 2022, Sensors 22(21)).

Wrist sensors (Empatica E4) of people who sat through a Stroop test, an interview and
hyperventilation, with rest before, between and after.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from common.errors import AffectlineError
from common.fusion_settings import FusionSettings
from common.senses import Samples
from services.fusion.model import Model
from services.fusion.state import Person
from services.validation.fitting import SETS, Course, fit, score
from services.validation.scoring import Labels, Vector, accuracy, auc, roc

SECOND: Final = 1_000_000_000
SELDOM: Final = FusionSettings(rate=0.001, face_weight=0)
"""The evidence is read every second; states are not needed."""
EVEN_ODDS: Final = 50.0


@dataclass(frozen=True)
class Recording:
    """One person's files. Times in seconds since the Unix epoch."""

    name: str
    samples: tuple[tuple[float, Samples], ...]
    """All messages with the time of their last sample, in order."""
    seconds: Vector
    labels: Labels


def read(folder: Path) -> list[Recording]:
    """Read every person of a folder laid out like Stress-Predict.

    Raises:
        AffectlineError: Nobody is there, or a file is missing or not as expected.
    """
    table = _numbers(folder / "labels.csv", skip=1, columns=3)
    people = []
    for place in sorted(folder.glob("S[0-9]*"), key=lambda p: _number(p.name)):
        mine = table[table[:, 0] == _number(place.name)]
        if place.is_dir() and len(mine):
            order = np.argsort(mine[:, 1], kind="stable")
            people.append(
                Recording(place.name, tuple(_messages(place)), mine[order, 1], mine[order, 2] > 0.5)
            )
    if len(people) < 2:
        raise AffectlineError(
            f"FOLDER {folder}: {len(people)} people with labels in it",
            "it needs labels.csv and two or more folders like S02 with EDA.csv, HR.csv, IBI.csv",
        )
    return people


def _number(name: str) -> int:
    digits = re.sub(r"\D", "", name)
    return int(digits) if digits else -1


def _numbers(path: Path, skip: int = 0, columns: int = 1) -> Vector:
    try:
        rows: Vector = np.loadtxt(path, delimiter=",", skiprows=skip, ndmin=2)
    except OSError as error:
        raise AffectlineError(
            f"{path}: cannot be read ({error.strerror or error})",
            "name a folder laid out like Stress-Predict",
        ) from error
    except ValueError as error:
        raise AffectlineError(
            f"{path}: not a table of numbers ({error})", "see E4_FORMAT.txt"
        ) from error
    if rows.size and rows.shape[1] != columns:
        raise AffectlineError(
            f"{path}: {rows.shape[1]} columns, not {columns}", "see E4_FORMAT.txt"
        )
    return rows.reshape(-1, columns)


def _messages(place: Path) -> Iterator[tuple[float, Samples]]:
    """One person's samples as a live device would have sent them, a second at a time."""
    found = [
        *_even(place / "EDA.csv", "skin_conductance", "uS"),
        *_even(place / "HR.csv", "heart_rate", "/min"),
        *_beats(place / "IBI.csv"),
    ]
    return iter(sorted(found, key=lambda pair: pair[0]))


def _even(path: Path, signal: str, unit: str) -> Iterator[tuple[float, Samples]]:
    rows = _numbers(path)[:, 0]
    if len(rows) < 3 or not 0 < rows[1] <= 1000:
        raise AffectlineError(f"{path}: no start, rate and values", "see E4_FORMAT.txt")
    start, rate, values = float(rows[0]), float(rows[1]), rows[2:]
    step = max(1, round(rate))
    for seq, i in enumerate(range(0, len(values), step)):
        chunk = tuple(float(v) for v in values[i : i + step])
        at = start + i / rate
        yield (
            at + (len(chunk) - 1) / rate,
            Samples(
                subject="person", signal=signal, unit=unit, epoch=0, seq=seq,
                at=round(at * SECOND), rate=rate, values=chunk,
            ),
        )  # fmt: skip


def _beats(path: Path) -> Iterator[tuple[float, Samples]]:
    try:
        first = path.read_text(encoding="utf-8").split(",", 1)[0]
        start = float(first)
    except (OSError, ValueError) as error:
        raise AffectlineError(
            f"{path}: no start time in its first row", "see E4_FORMAT.txt"
        ) from error
    for seq, (offset, interval) in enumerate(_numbers(path, skip=1, columns=2)):
        at = start + float(offset)
        yield (
            at,
            Samples(
                subject="person", signal="rr_interval", unit="ms", epoch=0, seq=seq,
                at=round(at * SECOND), offsets=(0,), values=(float(interval) * 1000,),
            ),
        )  # fmt: skip


def follow(recording: Recording) -> Course:
    """Feed a recording to the live estimator; note its evidence at each labelled second.

    At a second only the samples up to that second have been fed.
    """
    person = Person("person", SELDOM)
    evidence = []
    messages = iter(recording.samples)
    pending = next(messages, None)
    for second in recording.seconds:
        while pending is not None and pending[0] <= second:
            person.hear(pending[1])
            pending = next(messages, None)
        evidence.append(person.evidence())
    return Course(recording.name, tuple(evidence), recording.labels)


@dataclass(frozen=True)
class Result:
    """Everything that is told of a validation."""

    courses: tuple[Course, ...]
    scores: dict[str, dict[str, Vector]]
    """By set of signals and person: nervousness by a model that has not seen the person."""
    model: Model
    """Fitted on everybody."""

    def summary(self) -> dict[str, Any]:
        """The figures as plain values."""
        labels = np.concatenate([c.labels for c in self.courses])
        sets: dict[str, Any] = {}
        for name, scores in self.scores.items():
            pooled = np.concatenate([scores[c.name] for c in self.courses])
            each = {c.name: auc(c.labels, scores[c.name]) for c in self.courses}
            known = [value for value in each.values() if not math.isnan(value)]
            sets[name] = {
                "auc_pooled": auc(labels, pooled),
                "auc_mean": float(np.mean(known)),
                "balanced_accuracy_at_50": accuracy(labels, pooled, EVEN_ODDS),
                "auc_by_subject": {k: None if math.isnan(v) else v for k, v in each.items()},
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
            "sets": sets,
        }

    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """The pooled ROC curve of each set of signals."""
        labels = np.concatenate([c.labels for c in self.courses])
        return {
            name: roc(labels, np.concatenate([scores[c.name] for c in self.courses]))
            for name, scores in self.scores.items()
        }


def validate(folder: Path, progress: Callable[[int, int], None] = lambda done, of: None) -> Result:
    """Validate on a folder, leaving one person out of each fit.

    Args:
        folder: Laid out like Stress-Predict.
        progress: Called with the people done and their number.
    """
    recordings = read(folder)
    courses = []
    for recording in recordings:
        courses.append(follow(recording))
        progress(len(courses), len(recordings))
    scores: dict[str, dict[str, Vector]] = {name: {} for name in SETS}
    for left_out in courses:
        model = fit(c for c in courses if c is not left_out)
        for name, signals in SETS.items():
            scores[name][left_out.name] = score(left_out, model, signals)
    return Result(tuple(courses), scores, fit(courses))
