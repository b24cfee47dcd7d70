"""A session's data for a study: fields, figures, and curves around events."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.settings.study import STUDY_FIELDS
from affectline.common.wire.biometrics import USABLE_QUALITY, Samples, State, sample_times
from affectline.common.wire.messages import Emotion, Marker, Packet, StreamStart
from affectline.services.sessions.edits import SessionEdits, read_edits
from affectline.services.sessions.face_measures import FaceMeasures, Window
from affectline.services.sessions.main_person import SessionPeople
from affectline.services.sessions.marker_ranges import MarkerRange
from affectline.services.sessions.offline_features import CollectedSignals, offline_features
from affectline.services.sessions.recording import open_recording, session_folder, session_name


class Measure(NamedTuple):
    """A figure by which sessions are compared."""

    name: str
    title: str
    scale: str
    """Unit or range, for display."""

    @property
    def unit(self) -> str:
        """UCUM unit; ``1`` for none."""
        return "1" if " to " in self.scale else self.scale


MEASURES: Final = (
    Measure("valence", "valence", "-1 to 1"), Measure("arousal", "arousal", "-1 to 1"),
    *(Measure(f"mean_{label}", f"probability of {label}", "0 to 1") for label in LABELS),
    Measure("nervousness", "nervousness", "0 to 100"),
    Measure("heart_rate", "heart rate", "/min"),
    Measure("skin_conductance", "skin conductance", "uS"),
    Measure("hrv_sdnn_ms", "heart rate variability, SDNN", "ms"),
    Measure("hrv_rmssd_ms", "heart rate variability, RMSSD", "ms"),
    Measure("hrv_pnn50", "heart rate variability, pNN50", "0 to 1"),
    Measure("hrv_lf_hf", "heart rate variability, LF/HF", "1"),
    Measure("eda_tonic_us", "skin conductance, tonic", "uS"),
    Measure("scr_per_min", "skin conductance responses", "/min"),
    Measure("blinks_per_minute", "blinks", "/min"), Measure("perclos", "PERCLOS", "0 to 1"),
    Measure("drowsiness", "drowsiness", "0 to 100"),
    Measure("looks_away", "share of looks away", "0 to 1"),
)  # fmt: skip
"""Measures that sessions are compared by, in the order of the page."""
SIGNALS: Final = ("heart_rate", "skin_conductance")
CURVES: Final = ("valence", "arousal", "nervousness", *SIGNALS)
"""Curves averaged around events."""
QUALITY: Final = ("frames", "faces", "coverage", "doubted", "confidence", "state_quality")
"""Figures on how reliable the others are."""


@dataclass
class StudySession:
    """A session of a study.

    Attributes:
        folder: Session folder.
        name: Name of the session.
        fields: Study fields, such as the participant.
        figures: By measure: figures over the session, without the baseline and excluded parts.
        baseline: By measure: figures over the baseline; empty without one.
        quality: `QUALITY`, over the session.
        curves: By name: times in s of the session, and values.
        markers: Times in s of the session, and labels.
        notes: Remarks, such as a missing baseline.
        session_start: Zero of its time line in ns since the Unix epoch, if known; a replay has that
            of its recording.
        replay_of: Name of the session that it is a replay of; empty if it is none.
        participant: Who was recorded; a session without a participant is of a person of its own.
    """

    folder: Path
    name: str
    fields: dict[str, str]
    figures: dict[str, float | None] = field(default_factory=dict)
    baseline: dict[str, float | None] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)
    markers: list[tuple[float, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    session_start: int | None = None
    replay_of: str = ""
    participant: str = ""

    @property
    def condition(self) -> str:
        """The condition, else the task."""
        return self.fields.get("condition") or self.fields.get("task") or "all"

    def label(self) -> str:
        """The five study fields in one line."""
        return ", ".join(self.fields[name] for name in STUDY_FIELDS if self.fields.get(name))


def read_study_session(folder: Path, baseline: MarkerRange | None) -> StudySession:
    """Read a session.

    Args:
        folder: Session folder.
        baseline: The session's rest.

    Raises:
        AffectlineError: The session cannot be read, or has no faces or measurements.
    """
    problems: list[str] = []
    recording = open_recording(folder, lambda _, problem: problems.append(problem))
    edits = read_edits(session_folder(folder))
    study: dict[str, str] = recording.about.get("study") or {}
    found = StudySession(folder, session_name(folder), {k: str(v) for k, v in study.items()})
    found.participant = found.fields.get("participant") or found.name
    found.session_start = recording.session_start
    found.replay_of = recording.about.get("replay_of", "")
    people = SessionPeople(recording.about, edits)
    packets = [people.rename(packet) for packet in _usable(recording.read())]
    found.notes += dict.fromkeys(f"{problem}; the rest was read" for problem in problems)
    packets = _of_main_person(packets, people, found.notes)
    curves = _Curves(recording.session_start, edits)
    for packet in packets:
        curves.add(packet)
    found.markers = curves.markers
    rest = _resolve(baseline, curves.markers, found)
    excluded = [*edits.excluded, *([rest] if rest else [])]
    found.figures, found.quality = _figures(packets, recording.session_start, edits, Window(
        excluded=tuple(excluded)
    ), people.by_stream)  # fmt: skip
    if rest:
        window = Window(*rest, excluded=edits.excluded)
        found.baseline, _ = _figures(
            packets, recording.session_start, edits, window, people.by_stream
        )
    found.curves = curves.build()
    if not any(value is not None for value in found.figures.values()):
        raise AffectlineError("; ".join(["nothing was seen or measured in it", *found.notes]), "")
    return found


def _of_main_person(
    packets: Sequence[Packet], people: SessionPeople, notes: list[str]
) -> list[Packet]:
    """The messages without the signals and states of other people than the main face's."""
    for packet in packets:
        people.add(packet.message)
    main = people.main()
    notes += main.notes
    return [
        packet for packet in packets
        if not isinstance(packet.message, Samples | State) or packet.message.subject == main.subject
    ]  # fmt: skip


def _usable(packets: Iterable[Packet]) -> Iterator[Packet]:
    """The messages that figures are computed from, without images and unusable samples."""
    for packet in packets:
        message = packet.message
        if isinstance(message, Samples) and message.quality < USABLE_QUALITY:
            continue
        if isinstance(message, Emotion | Samples | State | Marker | StreamStart):
            yield Packet(message)


def _resolve(
    baseline: MarkerRange | None, markers: Sequence[tuple[float, str]], session: StudySession
) -> tuple[float, float] | None:
    """The baseline in s; None, with a note, if one of its markers is missing."""
    if baseline is None:
        return None
    edges: list[float] = []
    for edge in baseline:
        if isinstance(edge, float):
            edges.append(edge)
            continue
        after = edges[0] if edges else -math.inf
        at = next((at for at, label in markers if label == edge and at > after), None)
        if at is None:
            session.notes.append(f"no marker “{edge}”: no baseline")
            return None
        edges.append(at)
    begin, end = edges
    if end <= begin:
        session.notes.append(f"the baseline ends at {end:g} s, before it begins")
        return None
    return begin, end


def _figures(
    packets: Sequence[Packet],
    zero: int | None,
    edits: SessionEdits,
    window: Window,
    subjects: dict[str, str],
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """The measures of a session's main face and person within a window, and their quality."""
    faces = FaceMeasures(zero, window, subjects, edits.track_of).add_all(packets)
    rows = faces.rows()
    row = max(rows, key=lambda one: one["faces"], default={})
    figures: dict[str, float | None] = {one.name: row.get(one.name) for one in MEASURES}
    signals, collected = _Signals(zero, window), CollectedSignals(zero)
    for packet in packets:
        signals.add(packet.message)
        collected.add(packet.message)
    figures |= signals.means()
    subject = next(iter(collected.subjects), None)
    if subject is not None:
        features = _features(collected, subject, window)
        figures |= {name: value for name, value in features.items() if name in figures}
    return figures, {name: row.get(name) for name in QUALITY}


def _features(collected: CollectedSignals, subject: str, window: Window) -> dict[str, float | None]:
    """Features of heart and skin; none if NeuroKit2 is not installed."""
    try:
        return offline_features(collected.of(subject), window)
    except AffectlineError:
        return {}


class _Signals:
    """Means of signals within a window."""

    def __init__(self, zero: int | None, window: Window) -> None:
        self._zero, self._window = zero, window
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, message: Any) -> None:
        if isinstance(message, StreamStart) and self._zero is None:
            self._zero = message.session_start
        if not isinstance(message, Samples) or message.signal not in SIGNALS:
            return
        self._zero = message.at if self._zero is None else self._zero
        total, count = self._sums.get(message.signal, (0.0, 0))
        for at, value in zip(sample_times(message), message.values, strict=True):
            if self._window.holds((at - self._zero) / 1e9):
                total, count = total + value, count + 1
        self._sums[message.signal] = total, count

    def means(self) -> dict[str, float | None]:
        return {name: total / count for name, (total, count) in self._sums.items() if count}


class _Curves:
    """Curves and markers of a session, with times in s, without excluded parts."""

    def __init__(self, zero: int | None, edits: SessionEdits) -> None:
        self._zero, self._edits = zero, edits
        self._window = Window(excluded=edits.excluded)
        self._points: dict[str, list[tuple[float, float]]] = {}
        self._faces: dict[tuple[str, int], list[tuple[float, float | None, float | None]]] = {}
        self.markers: list[tuple[float, str]] = []

    def add(self, packet: Packet) -> None:
        message = packet.message
        at = message.event_time
        if isinstance(message, StreamStart):
            self._zero = message.session_start if self._zero is None else self._zero
        if at is None:
            return
        self._zero = at if self._zero is None else self._zero
        at_s = (at - self._zero) / 1e9
        match message:
            case Marker():
                self.markers.append((at_s, message.label))
            case Emotion() if self._window.holds(at_s) and message.file is None:
                for face in message.faces:
                    key = message.stream, self._edits.track_of(message.stream, face.track)
                    point = at_s, face.valence, face.arousal
                    self._faces.setdefault(key, []).append(point)
            case State() if message.nervousness is not None and self._window.holds(at_s):
                self._points.setdefault("nervousness", []).append((at_s, message.nervousness))
            case Samples() if message.signal in SIGNALS:
                self._add_samples(message)

    def _add_samples(self, samples: Samples) -> None:
        for at, value in zip(sample_times(samples), samples.values, strict=True):
            at_s = (at - (self._zero or 0)) / 1e9
            if self._window.holds(at_s):
                self._points.setdefault(samples.signal, []).append((at_s, value))

    def build(self) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """By name of a curve: sorted times, and values."""
        self.markers.sort()
        points = dict(self._points)
        main = max(self._faces.values(), key=len, default=[])
        points["valence"] = [(at, value) for at, value, _ in main if value is not None]
        points["arousal"] = [(at, value) for at, _, value in main if value is not None]
        made = {}
        for name, pairs in points.items():
            if pairs:
                times, values = np.array(sorted(pairs)).T
                made[name] = (times, values)
        return made
