"""Validates the stress estimate on a lab's own sessions, with and without the face."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.services.fusion.stress_model import load_default_model
from affectline.services.sessions.participants import find_similar, name_people
from affectline.services.validation.fitting import LabelledEvidence, score_seconds
from affectline.services.validation.metrics import (
    Vector,
    auc,
    nan_mean,
    nan_to_none,
    reliability_curve,
)
from affectline.services.validation.nested import (
    MIN_PEOPLE,
    SETTINGS,
    Evidence,
    leave_one_out,
    score_held_out,
    thin,
)
from affectline.services.validation.session_reader import (
    LabelledSession,
    RecordedSession,
    collect_session,
    join,
    label_session,
    parse_parts,
    read_session,
)

WITHOUT_FACE: Final[dict[str, tuple[str, ...]]] = {
    "heart": ("heart",), "skin": ("skin",), "together": ("heart", "skin", "breathing"),
}  # fmt: skip
BODY: Final = ("heart", "skin", "breathing")
FACE: Final = ("face",)
WITH_FACE: Final[dict[str, tuple[str, ...]]] = {
    "face": ("face",), "together_and_face": ("heart", "skin", "breathing", "face"),
}  # fmt: skip
VERDICT_PEOPLE: Final = 8
"""Fewest people for a verdict about the face: with fewer, an interval over people says little."""
RESAMPLES: Final = 2000
SEED: Final = 1


def count_people(number: int, which: str = "") -> str:
    """Return the beginning of a sentence: ``1 person is``, ``3 people with a face are``."""
    words = (
        str(number),
        "person" if number == 1 else "people",
        which,
        "is" if number == 1 else "are",
    )
    return " ".join(filter(None, words))


@dataclass(frozen=True)
class Gain:
    """What the face adds to heart and skin: difference of areas under the ROC curve."""

    mean: float
    """Mean over people."""
    low: float
    """Lower end of the 95 % interval, from resampling people."""
    high: float
    people: int
    """Number of people with both a face and heart, skin or breathing."""

    @property
    def verdict(self) -> str:
        """What the interval says."""
        if self.people < VERDICT_PEOPLE:
            return (
                f"{count_people(self.people)} too few to say whether the face adds anything: "
                f"{VERDICT_PEOPLE} are needed"
            )
        if self.low > 0:
            return "the face adds something: fusion.face_weight above 0 uses it, see docs/state.md"
        if self.high < 0:
            return "the face makes it worse: leave fusion.face_weight at 0"
        return "it cannot be told whether the face adds anything: leave fusion.face_weight at 0"


@dataclass(frozen=True)
class SessionsResult:
    """The outcome of a validation."""

    people: tuple[LabelledEvidence, ...]
    sessions: int
    scores: dict[str, dict[str, Vector]]
    """By set of signals and person: nervousness from a model chosen and fitted without them."""
    shipped: dict[str, dict[str, Vector]]
    """The same from the shipped model, without the face."""
    gain: Gain | None
    """None if nobody has both a face and other signals."""
    face_weight: float | None
    """Mean of the fitted log-odds for one standard deviation of the face; None without a face."""
    notes: tuple[str, ...] = ()
    """Notes on sessions that could not be used."""

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        labels = np.concatenate([person.labels for person in self.people])
        best = "together" if "together" in self.scores else next(iter(self.scores))
        pooled = np.concatenate([self.scores[best][person.name] for person in self.people])
        return {
            "dataset": "sessions",
            "people": len(self.people),
            "sessions": self.sessions,
            "seconds": len(labels),
            "stress_seconds": int(labels.sum()),
            "fitted_to": "models chosen and fitted without the person who is scored",
            "sets": self._figures(self.scores),
            "shipped_model": self._figures(self.shipped),
            "face": None if self.gain is None else {
                "mean_difference": self.gain.mean, "low": self.gain.low, "high": self.gain.high,
                "people": self.gain.people, "verdict": self.gain.verdict,
                "fitted_weight": self.face_weight,
            },
            "reliability": reliability_curve(labels, pooled),
            "notes": list(self.notes),
        }  # fmt: skip

    def _figures(self, sets: Mapping[str, Mapping[str, Vector]]) -> dict[str, Any]:
        labels = np.concatenate([person.labels for person in self.people])
        figures = {}
        for name, scores in sets.items():
            pooled = np.concatenate([scores[person.name] for person in self.people])
            each = {person.name: auc(person.labels, scores[person.name]) for person in self.people}
            figures[name] = {
                "auc_pooled": nan_to_none(auc(labels, pooled)),
                "auc_mean": nan_to_none(nan_mean(each.values())),
                "auc_by_person": {k: nan_to_none(v) for k, v in each.items()},
            }
        return figures


def validate(
    folders: Iterable[Path],
    stress: Sequence[str],
    rest: Sequence[str],
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> SessionsResult:
    """Validate on sessions; everything is chosen and fitted without the person who is scored.

    Args:
        folders: Session folders; sessions of one participant count as one person.
        stress: Names of parts under stress, see `read_session`.
        rest: The same of parts at rest.
        progress: Called with the number of people done and the total.

    Raises:
        AffectlineError: A name is wrong, or there are too few people with seconds of both kinds.
    """
    notes: list[str] = []
    sessions = _label_all(_read_all(folders, notes), stress, rest, notes)
    by_person: dict[str, list[LabelledSession]] = {}
    for session in sessions:
        by_person.setdefault(session.recorded.person, []).append(session)
    everybody: list[Evidence] = []
    for name, own in by_person.items():
        labels = [label for session in own for label in session.labels]
        if all(labels) or not any(labels):
            kind, other = ("stress", rest) if any(labels) else ("rest", stress)
            notes.append(
                f"{name}: left out, all labelled seconds are {kind}, none of {', '.join(other)}"
            )
            continue
        everybody.append(
            {
                settings: join([collect_session(session, settings) for session in own])
                for settings in SETTINGS
            }
        )
    if len(everybody) < MIN_PEOPLE:
        raise AffectlineError(
            f"{count_people(len(everybody), 'with seconds of stress and of rest')} too few: "
            "nothing can be fitted without the one who is scored",
            f"record {MIN_PEOPLE} people or more, {VERDICT_PEOPLE} for a verdict about the face",
            tuple(notes),
        )
    thinned = [thin(person) for person in everybody]
    plain = [next(iter(person.values())) for person in everybody]
    has_body = any(_has(moment, BODY) for person in plain for moment in person.evidence)
    has_face = any(_has(moment, FACE) for person in plain for moment in person.evidence)
    scores: dict[str, dict[str, Vector]] = {}
    if has_body:
        scores |= score_held_out(everybody, leave_one_out(thinned, progress=progress), WITHOUT_FACE)
    weight = None
    if has_face:
        models = leave_one_out(thinned, ("face",), progress)
        sets = WITH_FACE if has_body else {"face": WITH_FACE["face"]}
        scores |= score_held_out(everybody, models, sets)
        weight = float(np.mean([held.model.terms["face"].weight for held in models]))
    if not scores:
        raise AffectlineError(
            "nobody's heart, skin, breathing or face was measured in the labelled seconds",
            "record sessions with sensors or a camera",
        )
    default = load_default_model()
    if default.settings in SETTINGS:
        ours = [person[default.settings] for person in everybody]
    else:
        ours = [
            join([collect_session(session, default.settings) for session in by_person[one.name]])
            for one in plain
        ]
    shipped = {
        name: {person.name: score_seconds(person, default, signals) for person in ours}
        for name, signals in WITHOUT_FACE.items()
    }
    gain = _compare_face(plain, scores, notes)
    return SessionsResult(
        tuple(plain), len(sessions), scores, shipped if has_body else {}, gain, weight,
        tuple(notes),
    )  # fmt: skip


def _has(moment: Mapping[str, object], measures: Sequence[str]) -> bool:
    return any(name in moment for name in measures)


def _has_both(person: LabelledEvidence) -> bool:
    """Whether a person's face was seen in a second with heart, skin or breathing."""
    return any(_has(moment, BODY) and _has(moment, FACE) for moment in person.evidence)


def _compare_face(
    people: Sequence[LabelledEvidence],
    scores: Mapping[str, Mapping[str, Vector]],
    notes: list[str],
) -> Gain | None:
    """Return what the face adds for those who have one and sensors; a note names the others."""
    if "together_and_face" not in scores:
        return None
    both = [person for person in people if _has_both(person)]
    others = [person.name for person in people if not _has_both(person)]
    if others:
        notes.append(
            "not in the comparison with and without the face, because no labelled second has both "
            f"a face and heart, skin or breathing: {', '.join(others)}"
        )
    return measure_gain(both, scores["together"], scores["together_and_face"]) if both else None


def _read_all(folders: Iterable[Path], notes: list[str]) -> list[RecordedSession]:
    """Read sessions; those that cannot be read, and copies of others, are left out with a note."""
    sessions: list[RecordedSession] = []
    for folder in folders:
        try:
            session = read_session(folder)
        except AffectlineError as error:
            notes.append(f"left out: {error}")
            continue
        original = next((one for one in sessions if session.is_copy_of(one)), None)
        if original is None:
            sessions.append(session)
        else:
            notes.append(f"left out: {folder}: a copy, with the measurements of {original.folder}")
    notes += [f"{session.folder}: {note}" for session in sessions for note in session.notes]
    notes += find_similar(session.participant for session in sessions if session.participant)
    names = name_people([(session.participant, session.folder) for session in sessions])
    return [replace(session, person=name) for session, name in zip(sessions, names, strict=True)]


def _label_all(
    sessions: Sequence[RecordedSession], stress: Sequence[str], rest: Sequence[str],
    notes: list[str],
) -> list[LabelledSession]:  # fmt: skip
    """Find the labelled seconds of sessions; those without any are left out with a note."""
    if not sessions:
        return []
    tense, calm = parse_parts("--stress", stress, sessions), parse_parts("--rest", rest, sessions)
    found: list[LabelledSession] = []
    for session in sessions:
        try:
            found.append(label_session(session, tense, calm))
        except AffectlineError as error:
            notes.append(f"left out: {error}")
    unnamed = [one.recorded.person for one in found if not one.recorded.participant]
    if unnamed:
        notes.append(
            "without a participant, and each counted as a person of its own: "
            f"{', '.join(unnamed)}. If two are of one person, who is scored is also in the fit, "
            "and the figures are too good: record with --participant"
        )
    return found


def measure_gain(
    people: Sequence[LabelledEvidence],
    without: Mapping[str, Vector],
    with_face: Mapping[str, Vector],
) -> Gain:
    """Return how much the area under the curve grows, with an interval over people.

    Args:
        people: Their labels.
        without: Nervousness by person, without the face.
        with_face: The same with the face.
    """
    differences = np.array([
        auc(person.labels, with_face[person.name]) - auc(person.labels, without[person.name])
        for person in people
    ])  # fmt: skip
    random = np.random.default_rng(SEED)
    drawn = random.integers(0, len(differences), (RESAMPLES, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), [2.5, 97.5])
    return Gain(float(differences.mean()), float(low), float(high), len(people))
