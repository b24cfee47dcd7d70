"""Compares sessions by measure, condition and event."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from affectline.common.errors import AffectlineError
from affectline.services.sessions.marker_ranges import MarkerRange, parse_range
from affectline.services.sessions.participants import find_similar, name_people
from affectline.services.sessions.removal import is_session
from affectline.services.study.session_data import (
    CURVES,
    MEASURES,
    Measure,
    StudySession,
    read_study_session,
)
from affectline.services.study.statistics import (
    MeanInterval,
    average_events,
    bootstrap_mean,
    cut_around,
    event_grid,
    mean_by_participant,
    paired_difference,
)


@dataclass
class EventAverage:
    """A curve around an event, averaged over participants.

    Attributes:
        event: Label of the markers.
        condition: Condition, such as rain.
        curve: Name of the curve.
        seconds: Seconds from the event, ``(N,)``.
        mean: Change from the mean before the event, ``(N,)``.
        low: Lower end of the 95 % interval, NaN without one.
        high: Upper end.
        participants: Number of participants.
        events: Number of events.
    """

    event: str
    condition: str
    curve: str
    seconds: Any
    mean: Any
    low: Any
    high: Any
    participants: int
    events: int


@dataclass
class Study:
    """All sessions, and their comparison.

    Attributes:
        sessions: The compared sessions.
        left_out: The other session folders, with the reason.
        has_baseline: Figures are changes from each session's baseline.
        events: Averages around events.
        notes: Remarks on the sessions as a whole.
    """

    sessions: list[StudySession] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    has_baseline: bool = False
    events: list[EventAverage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def conditions(self) -> list[str]:
        """Conditions sorted by name."""
        return sorted({session.condition for session in self.sessions}, key=natural_order)

    @property
    def participants(self) -> list[str]:
        """Participants sorted by name."""
        return sorted({session.participant for session in self.sessions}, key=natural_order)

    @property
    def measures(self) -> list[Measure]:
        """Measures that at least one session has."""
        return [
            measure for measure in MEASURES
            if any(self.value(session, measure) is not None for session in self.sessions)
        ]  # fmt: skip

    def value(self, session: StudySession, measure: Measure) -> float | None:
        """A session's figure; with a baseline, its change from the baseline."""
        value = session.figures.get(measure.name)
        if not self.has_baseline or value is None:
            return value
        rest = session.baseline.get(measure.name)
        return None if rest is None else value - rest

    def by_participant(self, measure: Measure, condition: str) -> dict[str, float]:
        """Each participant's figure under a condition."""
        pairs = (
            (session.participant, value)
            for session in self.sessions
            if session.condition == condition
            and (value := self.value(session, measure)) is not None
        )
        return mean_by_participant(pairs)

    def mean(self, measure: Measure, condition: str) -> MeanInterval | None:
        """The mean over participants under a condition; None if nobody has the measure."""
        values = self.by_participant(measure, condition)
        return bootstrap_mean(list(values.values())) if values else None

    def differences(self, measure: Measure) -> Iterator[tuple[str, str, MeanInterval]]:
        """Yield the differences between any two conditions, over participants with both."""
        for first, second in combinations(self.conditions, 2):
            pair = self.by_participant(measure, first), self.by_participant(measure, second)
            found = paired_difference(*pair)
            if found is not None:
                yield first, second, found


def find_sessions(path: Path) -> list[Path]:
    """The session folders below a path, at any depth, sorted by path.

    Raises:
        AffectlineError: There are none.
    """
    if not path.is_dir():
        raise AffectlineError(f"PATH {path}: no such folder", "name a folder of session folders")
    if is_session(path):
        return [path]
    found: list[Path] = []
    waiting = [path]
    while waiting:
        for child in sorted(waiting.pop(0).iterdir()):
            if child.name.startswith(".") or child.is_symlink() or not child.is_dir():
                continue
            if is_session(child):
                found.append(child)
            else:
                waiting.append(child)
    if not found:
        raise AffectlineError(
            f"PATH {path}: no session below it", "record some with affectline up, or analyse"
        )
    return sorted(found)


def parse_baseline(text: str) -> MarkerRange:
    """Parse ``FROM..TO``, where both are times or labels of markers.

    Raises:
        AffectlineError: The text has another form.
    """
    return parse_range("--baseline", text)


def make_study(
    folders: Iterable[Path],
    *,
    baseline: MarkerRange | None = None,
    events: Sequence[str] = (),
    before_s: float = 5.0,
    after_s: float = 20.0,
    observe: Callable[[], None] = lambda: None,
) -> Study:
    """Read and compare sessions; unreadable ones are left out, with the reason.

    Args:
        folders: Session folders.
        baseline: Each session's rest; figures are changes from it.
        events: Labels of markers; curves are averaged around them.
        before_s: Seconds before an event.
        after_s: Seconds after an event.
        observe: Called after every session.

    Raises:
        AffectlineError: No session can be used.
    """
    study = Study(has_baseline=baseline is not None)
    for folder in folders:
        try:
            session = read_study_session(folder, baseline)
        except AffectlineError as error:
            study.left_out.append((folder, str(error)))
        else:
            if baseline is not None and not session.baseline:
                study.left_out.append((folder, "; ".join(session.notes)))
            else:
                study.sessions.append(session)
        observe()
    if not study.sessions:
        reasons = "; ".join(dict.fromkeys(reason for _, reason in study.left_out))
        raise AffectlineError(f"no session can be compared: {reasons}", "")
    _name_participants(study)
    _note_replays(study)
    for event in events:
        study.events += _average(study, event, before_s, after_s)
    return study


def _name_participants(study: Study) -> None:
    """Tell sessions without a participant apart, and note participants that may be one person."""
    given = [one.fields.get("participant", "") for one in study.sessions]
    folders = [one.folder for one in study.sessions]
    names = name_people(list(zip(given, folders, strict=True)))
    for session, name in zip(study.sessions, names, strict=True):
        session.participant = name
    study.notes += find_similar(filter(None, given))


def _note_replays(study: Study) -> None:
    """Note in each session if the one that it is a replay of is in the study too."""
    originals = {(one.name, one.session_start) for one in study.sessions if not one.replay_of}
    for session in study.sessions:
        if (session.replay_of, session.session_start) in originals:
            session.notes.append(
                f"a replay of {session.replay_of}, which is compared too, so the same measurements "
                "count twice: move one of the two out of the folder"
            )


def _average(study: Study, event: str, before_s: float, after_s: float) -> Iterator[EventAverage]:
    grid = event_grid(before_s, after_s)
    for condition in study.conditions:
        for curve in CURVES:
            cuts: dict[str, list[Any]] = {}
            for session in study.sessions:
                if session.condition != condition or curve not in session.curves:
                    continue
                times, values = session.curves[curve]
                moments = [at for at, label in session.markers if label == event]
                found = [cut_around(times, values, at, grid) for at in moments]
                kept = [one for one in found if one is not None]
                if kept:
                    cuts.setdefault(session.participant, []).extend(kept)
            if cuts:
                mean, low, high, count = average_events(cuts)
                number = sum(map(len, cuts.values()))
                yield EventAverage(event, condition, curve, grid, mean, low, high, count, number)


def natural_order(text: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``P2`` before ``P10``."""
    parts = re.findall(r"\d+|\D+", text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def event_labels(study: Study) -> dict[str, int]:
    """How often each marker label occurs, most frequent first."""
    counts: dict[str, int] = {}
    for session in study.sessions:
        for _, label in session.markers:
            counts[label] = counts.get(label, 0) + 1
    return dict(sorted(counts.items(), key=lambda one: -one[1]))
