"""Reads a lab's own sessions: what the estimator saw, with labels from markers and annotations."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Samples, sample_times
from affectline.common.wire.messages import Emotion, FaceEmotion, Marker, Packet, StreamStart
from affectline.services.fusion.baseline import CALIBRATION_S
from affectline.services.fusion.feature_settings import FeatureSettings
from affectline.services.fusion.stage import CALIBRATE, convert_unit
from affectline.services.fusion.stress_model import Evidence, StressModel
from affectline.services.fusion.subject import SubjectState
from affectline.services.sessions.edits import SessionEdits, read_edits
from affectline.services.sessions.main_person import MainPerson, SessionPeople, join_names
from affectline.services.sessions.marker_ranges import (
    MarkerRange,
    find_labelled,
    find_ranges,
    parse_range,
)
from affectline.services.sessions.recording import open_recording, session_folder, session_name
from affectline.services.validation.fitting import LabelledEvidence

SECOND: Final = 1_000_000_000
NO_STATES: Final = FusionSettings(rate=0.001, face_weight=0)


@dataclass(frozen=True)
class RecordedSession:
    """A session's messages for the estimator, and what its parts can be named by."""

    folder: Path
    participant: str
    """Empty if it was recorded without one."""
    packets: tuple[Packet, ...]
    """The main person's samples and results, and markers, in order of time."""
    begin: int
    """Zero of its time line, in ns since the Unix epoch."""
    end_s: float
    markers: tuple[tuple[float, str], ...]
    """Time in s and label, without those that begin a calibration."""
    edits: SessionEdits
    person: str
    """Who is taken to have been recorded: the participant, else a person of its own."""
    subject: str | None = None
    """What the person is called in ``packets``; None without signals."""
    notes: tuple[str, ...] = ()
    """Notes on other people's faces and signals, which are left out."""

    def is_copy_of(self, other: "RecordedSession") -> bool:
        """Whether most of what was measured in the shorter session is in the other one, too."""
        mine, theirs = self._measurements, other._measurements
        return 2 * len(mine & theirs) > min(len(mine), len(theirs))

    @cached_property
    def _measurements(self) -> frozenset[int]:
        found = set()
        for message in (packet.message for packet in self.packets):
            if isinstance(message, Samples):
                found.add(hash((message.at, message.signal, message.values)))
            elif isinstance(message, Emotion) and message.faces:
                shares = tuple(face.probabilities for face in message.faces)
                found.add(hash((message.captured_at, shares)))
        return frozenset(found)


@dataclass(frozen=True)
class LabelledSession:
    """A session, and which of its seconds are labelled."""

    recorded: RecordedSession
    seconds: tuple[int, ...]
    """The labelled seconds, counted from its begin."""
    labels: tuple[bool, ...]
    """True in seconds of stress."""


def read_session(folder: Path) -> RecordedSession:
    """Read what a session has of its main person, whose face is in most frames.

    Raises:
        AffectlineError: It cannot be read, or is empty.
    """
    recording = open_recording(folder, lambda *_: None)
    kept = (Emotion, Samples, Marker)
    packets: list[Packet] = []
    begin = recording.session_start
    edits = read_edits(session_folder(folder))
    people = SessionPeople(recording.about, edits)
    for packet in recording.read():
        if isinstance(packet.message, StreamStart) and begin is None:
            begin = packet.message.session_start
        if isinstance(packet.message, kept):
            packets.append(people.rename(Packet(packet.message)))
            people.add(packets[-1].message)
    packets.sort(key=lambda packet: _time(packet.message))
    main = people.main()
    theirs = tuple(_of_main_person(packets, people, main))
    if all(isinstance(packet.message, Marker) for packet in theirs):
        raise AffectlineError(
            "; ".join((f"{folder}: nothing was seen or measured in it", *main.notes)),
            "leave it out",
        )
    begin = _time(packets[0].message) if begin is None else begin
    markers = sorted(
        ((message.at - begin) / SECOND, message.label)
        for message in (packet.message for packet in packets)
        if isinstance(message, Marker) and message.label != CALIBRATE
    )
    study: dict[str, Any] = recording.about.get("study") or {}
    # Markers may be far off: a tool may be wrong about the time
    measured = [packet for packet in packets if not isinstance(packet.message, Marker)]
    end_s = (_time((measured or packets)[-1].message) - begin) / SECOND
    participant = str(study.get("participant") or "")
    return RecordedSession(
        folder, participant, theirs, begin, end_s,
        tuple(markers), edits, participant or session_name(folder), main.subject,
        (*main.notes, *_note_streams(people, main)),
    )  # fmt: skip


def _of_main_person(
    packets: Iterable[Packet], people: SessionPeople, main: MainPerson
) -> Iterator[Packet]:
    """Yield the messages without those of other people's sensors and streams."""
    for packet in packets:
        message = packet.message
        match message:
            case Samples():
                is_theirs = message.subject == main.subject
            case Emotion():
                is_theirs = people.shows(message.stream, main)
            case _:
                is_theirs = True
        if is_theirs:
            yield packet


def _note_streams(people: SessionPeople, main: MainPerson) -> Iterator[str]:
    others = [stream for stream in people.streams if not people.shows(stream, main)]
    if others:
        yield (
            f"faces of {join_names(others)} are left out: the face in most frames is in "
            f"{main.stream}"
        )


def parse_parts(
    option: str, names: Sequence[str], sessions: Sequence[RecordedSession]
) -> list[MarkerRange | str]:
    """Return what names stand for: ranges, and labels of annotations or markers.

    Args:
        option: The option that they were given to, for the error.
        names: A label, or ``FROM..TO``.
        sessions: All sessions.

    Raises:
        AffectlineError: A name is neither a range, nor a label that some session has.
    """
    markers = {label for session in sessions for _, label in session.markers}
    labels = markers | {one.label for session in sessions for one in session.edits.annotations}
    parts: list[MarkerRange | str] = []
    for name in names:
        if name in labels or ".." not in name:
            _require_labels(f"{option} {name}", (name,), labels, "label")
            parts.append(name)
        else:
            wanted = parse_range(option, name)
            _require_labels(f"{option} {name}", wanted, markers, "marker")
            parts.append(wanted)
    return parts


def _require_labels(
    what: str, names: Iterable[str | float], labels: Collection[str], kind: str
) -> None:
    for name in names:
        if isinstance(name, float) or name in labels:
            continue
        if name == CALIBRATE:
            raise AffectlineError(
                f"{what}: {CALIBRATE} begins the baseline that other seconds are compared with, so "
                "it cannot be scored",
                "mark the parts by other labels, or name them by times, as in 60s..120s",
            )
        raise AffectlineError(
            f"{what}: no session has the {kind} {name}",
            f"there are {', '.join(sorted(labels))}"
            if labels
            else "there are none: annotate the sessions, or name times, as in 0s..60s",
        )


def label_session(
    session: RecordedSession,
    stress: Sequence[MarkerRange | str],
    rest: Sequence[MarkerRange | str],
) -> LabelledSession:
    """Find the seconds of a session that are under stress, and those at rest.

    Args:
        session: The session.
        stress: What parts under stress are named by, as from `parse_parts`.
        rest: The same of parts at rest.

    Raises:
        AffectlineError: It has no such second.
    """
    calm, tense = _find_parts(rest, session), _find_parts(stress, session)
    seconds, labels = [], []
    for second in range(1, int(session.end_s) + 1):
        is_tense, is_calm = _holds(tense, second), _holds(calm, second)
        if is_tense != is_calm and not _holds(session.edits.excluded, second):
            seconds.append(second)
            labels.append(is_tense)
    if not seconds:
        there = {label for _, label in session.markers}
        there |= {one.label for one in session.edits.annotations}
        raise AffectlineError(
            f"{session.folder}: no second of {', '.join(map(format_part, (*stress, *rest)))} in it",
            f"its labels are {', '.join(sorted(there)) or 'none'}: name "
            "them by --stress and --rest, or annotate the session",
        )
    return LabelledSession(session, tuple(seconds), tuple(labels))


def format_part(part: MarkerRange | str) -> str:
    """Return what a part is named by, as it is typed."""
    if isinstance(part, str):
        return part
    return "..".join(end if isinstance(end, str) else f"{end:g}s" for end in part)


def _find_parts(
    parts: Sequence[MarkerRange | str], session: RecordedSession
) -> list[tuple[float, float]]:
    """Return the parts of a session, in s."""
    found: list[tuple[float, float]] = []
    for part in parts:
        if isinstance(part, MarkerRange):
            found += find_ranges(part, session.markers)
        else:
            found += [(one.begin_s, one.end_s) for one in session.edits.annotations
                      if one.label == part]  # fmt: skip
            found += find_labelled(part, session.markers, session.end_s)
    return found


def _holds(parts: Iterable[tuple[float, float]], second: float) -> bool:
    return any(begin < second <= end for begin, end in parts)


def _time(message: object) -> int:
    """Return the time of a message's last content in ns: what a live estimator has by then."""
    if isinstance(message, Samples):
        return sample_times(message)[-1]
    if isinstance(message, Emotion):
        return message.captured_at
    assert isinstance(message, Marker)  # noqa: S101 - others are not kept
    return message.at


def collect_session(session: LabelledSession, settings: FeatureSettings) -> LabelledEvidence:
    """Run a session through the live estimator; return its evidence at each labelled second.

    The face is the largest of each frame.
    """
    recorded = session.recorded
    person = SubjectState("person", NO_STATES, StressModel(0.0, {}, settings), recorded.begin)
    waiting: Iterator[Packet] = iter(recorded.packets)
    pending = next(waiting, None)
    evidence: list[dict[str, Evidence]] = []
    for second in session.seconds:
        now = recorded.begin + second * SECOND
        while pending is not None and _time(pending.message) <= now:
            _add(person, pending.message, recorded.subject)
            pending = next(waiting, None)
        evidence.append(person.evidence(now))
    return LabelledEvidence(recorded.person, tuple(evidence), np.array(session.labels, bool))


def _add(person: SubjectState, message: object, subject: str | None) -> None:
    if isinstance(message, Samples):
        samples = convert_unit(message)
        if samples is not None:
            person.add_samples(samples)
    elif isinstance(message, Emotion):
        face = max((one for one in message.faces if one.probabilities), key=_area, default=None)
        person.add_expression(
            face.probabilities if face else None, message.captured_at, face.doubts if face else ()
        )
    elif isinstance(message, Marker) and message.label == CALIBRATE:
        seconds = message.extra.get("seconds", CALIBRATION_S)
        is_theirs = message.extra.get("subject") in (None, subject)
        if is_theirs and isinstance(seconds, int | float) and seconds > 0:
            person.calibrate(message.at, float(seconds))


def _area(face: FaceEmotion) -> int:
    return face.box[2] * face.box[3]


def join(parts: Sequence[LabelledEvidence]) -> LabelledEvidence:
    """Return several sessions of one person as one."""
    evidence = tuple(moment for part in parts for moment in part.evidence)
    return LabelledEvidence(
        parts[0].name, evidence, np.concatenate([part.labels for part in parts])
    )
