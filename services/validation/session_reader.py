"""Reads a lab's own sessions: what the estimator saw, with labels from markers and annotations."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from affectline.services.sessions.edits import read_edits
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
class LabelledSession:
    """A session's messages for the estimator, and which of its seconds are labelled."""

    name: str
    participant: str
    packets: tuple[Packet, ...]
    """Samples, results and markers, in order of time."""
    begin: int
    """Zero of its time line, in ns since the Unix epoch."""
    seconds: tuple[int, ...]
    """The labelled seconds, counted from ``begin``."""
    labels: tuple[bool, ...]
    """True in seconds of stress."""


def read_session(folder: Path, stress: Sequence[str], rest: Sequence[str]) -> LabelledSession:
    """Read a session.

    Args:
        folder: Session folder.
        stress: Names of parts under stress: the label of annotations or markers, or ``FROM..TO``.
        rest: The same of parts at rest.

    Raises:
        AffectlineError: The session cannot be read, or has no labelled second.
    """
    recording = open_recording(folder, lambda *_: None)
    edits = read_edits(session_folder(folder))
    kept = (Emotion, Samples, Marker)
    packets: list[Packet] = []
    begin = recording.session_start
    for packet in recording.read():
        if isinstance(packet.message, StreamStart) and begin is None:
            begin = packet.message.session_start
        if isinstance(packet.message, kept):
            packets.append(Packet(packet.message))
    if not packets:
        raise AffectlineError(f"{folder}: nothing was seen or measured in it", "leave it out")
    packets.sort(key=lambda packet: _time(packet.message))
    begin = _time(packets[0].message) if begin is None else begin
    markers = sorted(
        ((message.at - begin) / SECOND, message.label)
        for message in (packet.message for packet in packets)
        if isinstance(message, Marker) and message.label != CALIBRATE
    )
    annotations = [(one.begin_s, one.end_s, one.label) for one in edits.annotations]
    end_s = (_time(packets[-1].message) - begin) / SECOND
    calm = _find_parts(rest, "--rest", markers, annotations, end_s)
    tense = _find_parts(stress, "--stress", markers, annotations, end_s)
    seconds, labels = [], []
    for second in range(1, int(end_s) + 1):
        is_tense, is_calm = _holds(tense, second), _holds(calm, second)
        if is_tense != is_calm and not _holds(edits.excluded, second):
            seconds.append(second)
            labels.append(is_tense)
    if not seconds:
        raise AffectlineError(
            f"{folder}: no second of {', '.join((*stress, *rest))} in it",
            f"its markers are {', '.join(sorted({label for _, label in markers})) or 'none'}: name "
            "them by --stress and --rest, or annotate the session",
        )
    study: dict[str, Any] = recording.about.get("study") or {}
    name = session_name(folder)
    participant = str(study.get("participant") or name)
    return LabelledSession(name, participant, tuple(packets), begin, tuple(seconds), tuple(labels))


def _find_parts(
    names: Sequence[str],
    option: str,
    markers: Sequence[tuple[float, str]],
    annotations: Sequence[tuple[float, float, str]],
    end_s: float,
) -> list[tuple[float, float]]:
    """Return the parts of a session that names stand for, in s."""
    found: list[tuple[float, float]] = []
    for name in names:
        found += [(begin, end) for begin, end, label in annotations if label == name]
        if ".." in name and name not in {label for _, label in markers}:
            wanted: MarkerRange = parse_range(option, name)
            found += find_ranges(wanted, markers)
        else:
            found += find_labelled(name, markers, end_s)
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

    The signals are those of the subject with most samples, the face is the largest of each frame.
    """
    person = SubjectState(
        session.participant, NO_STATES, StressModel(0.0, {}, settings), session.begin
    )
    subject = _main_subject(session.packets)
    waiting: Iterator[Packet] = iter(session.packets)
    pending = next(waiting, None)
    evidence: list[dict[str, Evidence]] = []
    for second in session.seconds:
        now = session.begin + second * SECOND
        while pending is not None and _time(pending.message) <= now:
            _add(person, pending.message, subject)
            pending = next(waiting, None)
        evidence.append(person.evidence(now))
    return LabelledEvidence(session.participant, tuple(evidence), np.array(session.labels, bool))


def _main_subject(packets: Iterable[Packet]) -> str | None:
    counts: Counter[str] = Counter()
    for packet in packets:
        if isinstance(packet.message, Samples):
            counts[packet.message.subject] += len(packet.message.values)
    return counts.most_common(1)[0][0] if counts else None


def _add(person: SubjectState, message: object, subject: str | None) -> None:
    if isinstance(message, Samples):
        samples = convert_unit(message) if message.subject == subject else None
        if samples is not None:
            person.add_samples(samples)
    elif isinstance(message, Emotion):
        face = max((one for one in message.faces if one.probabilities), key=_area, default=None)
        person.add_expression(
            face.probabilities if face else None, message.captured_at, face.doubts if face else ()
        )
    elif isinstance(message, Marker) and message.label == CALIBRATE:
        seconds = message.extra.get("seconds", CALIBRATION_S)
        if isinstance(seconds, int | float) and seconds > 0:
            person.calibrate(message.at, float(seconds))


def _area(face: FaceEmotion) -> int:
    return face.box[2] * face.box[3]


def join(parts: Sequence[LabelledEvidence]) -> LabelledEvidence:
    """Return several sessions of one person as one."""
    evidence = tuple(moment for part in parts for moment in part.evidence)
    return LabelledEvidence(
        parts[0].name, evidence, np.concatenate([part.labels for part in parts])
    )
