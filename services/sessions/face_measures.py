"""A row of figures for each face of a session, for summaries of archives and for studies.

The figures are those of the report and of ``session.json``: labels and affect come from
`expression_figures`, blinks and PERCLOS from `sign_figures`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from affectline.common.labels import LABELS
from affectline.common.wire.biometrics import State
from affectline.common.wire.messages import Emotion, FaceEmotion, Packet, StreamStart
from affectline.services.sessions.expression_figures import ExpressionFigures
from affectline.services.sessions.sign_figures import SignFigures

DIGITS: Final = 4
MEASURES: Final = (
    "stream", "track", "first_s", "last_s", "frames", "frames_with_face", "coverage", "faces",
    *(f"share_{label}" for label in LABELS), *(f"mean_{label}" for label in LABELS),
    "valence", "arousal", "confidence", "doubted", "blinks", "blinks_per_minute",
    "blink_median_ms", "perclos", "subject", "nervousness", "drowsiness", "looks_away",
    "state_quality",
)  # fmt: skip
"""The columns of a row, in order; docs/archives.md describes them."""


@dataclass(frozen=True)
class Window:
    """A part of a session, in seconds from its start.

    Attributes:
        begin_s: Start.
        end_s: End, exclusive.
        excluded: Excluded parts, as (begin, end).
    """

    begin_s: float = -math.inf
    end_s: float = math.inf
    excluded: Sequence[tuple[float, float]] = ()

    def holds(self, at_s: float) -> bool:
        """Whether a moment counts."""
        return self.begin_s <= at_s < self.end_s and not any(
            begin <= at_s < end for begin, end in self.excluded
        )


@dataclass
class _FaceTally:
    """Counts of one face of a stream."""

    frames: int = 0
    first_s: float = math.inf
    last_s: float = -math.inf
    expressions: ExpressionFigures = field(default_factory=ExpressionFigures)
    signs: SignFigures = field(default_factory=SignFigures)
    confidence: float = 0.0
    last_at: int | None = None

    def add(self, face: FaceEmotion, at: int, at_s: float) -> None:
        self.frames += 1
        self.first_s, self.last_s = min(self.first_s, at_s), max(self.last_s, at_s)
        self.expressions.add(face)
        self.confidence += face.confidence or 0.0
        self.signs.add(face, at - (self.last_at or at))
        self.last_at = at


@dataclass
class _StreamFaces:
    frames: int = 0
    """Frames that were analysed."""
    frames_with_face: int = 0
    faces: dict[int | None, _FaceTally] = field(default_factory=lambda: defaultdict(_FaceTally))


class _Mean:
    """A mean of the known values."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, value: float | None) -> None:
        if value is not None:
            self._sum += value
            self._count += 1

    @property
    def value(self) -> float | None:
        return self._sum / self._count if self._count else None


class FaceMeasures:
    """Counts the messages of a session within a time window.

    Args:
        zero: The session's start in ns since the Unix epoch; None: taken from the first stream.
        window: The part of the session that counts.
        subjects: By stream: the subject in view, as in ``fusion.streams``.
        track_of: Maps a stream and a track to the track that the face counts as, if tracks were
            merged afterwards.
    """

    def __init__(
        self,
        zero: int | None = None,
        window: Window = Window(),
        subjects: dict[str, str] | None = None,
        track_of: Any = None,
    ) -> None:
        self._zero, self._window, self._subjects = zero, window, subjects or {}
        self._track_of = track_of or (lambda _stream, track: track)
        self._streams: dict[str, _StreamFaces] = {}
        self._states: dict[str, dict[str, _Mean]] = {}

    def add_all(self, packets: Iterable[Packet]) -> "FaceMeasures":
        """Count messages and return self."""
        for packet in packets:
            self.add(packet)
        return self

    def add(self, packet: Packet) -> None:
        """Count a message; kinds that are not about a face or person are ignored."""
        message = packet.message
        if isinstance(message, StreamStart):
            self._zero = message.session_start if self._zero is None else self._zero
            self._streams.setdefault(message.stream, _StreamFaces())
        elif isinstance(message, Emotion):
            self._add_emotion(message)
        elif isinstance(message, State):
            self._add_state(message)

    def _seconds(self, at: int) -> float:
        self._zero = at if self._zero is None else self._zero
        return (at - self._zero) / 1e9

    def _add_emotion(self, emotion: Emotion) -> None:
        at_s = self._seconds(emotion.captured_at)
        stream = self._streams.setdefault(emotion.stream, _StreamFaces())
        if emotion.missing is not None or not self._window.holds(at_s):
            return
        stream.frames += 1
        stream.frames_with_face += bool(emotion.faces)
        for face in emotion.faces:
            # Pictures of a folder have no tracks, so their faces are counted together
            track = None if emotion.file is not None else face.track
            track = track if track is None else self._track_of(emotion.stream, track)
            stream.faces[track].add(face, emotion.captured_at, at_s)

    def _add_state(self, state: State) -> None:
        if not self._window.holds(self._seconds(state.at)):
            return
        means = self._states.setdefault(state.subject, defaultdict(_Mean))
        means["nervousness"].add(state.nervousness)
        means["drowsiness"].add(state.drowsiness.level if state.drowsiness else None)
        means["looks_away"].add(state.off_road.share if state.off_road else None)
        means["state_quality"].add(state.quality if state.nervousness is not None else None)

    def rows(self) -> list[dict[str, Any]]:
        """A row, by column name, for each face; a stream without faces has one without a track.

        The state is a person's, not a face's, so only the stream's main face, the one in the most
        frames, gets it.
        """
        rows = []
        for name, stream in self._streams.items():
            faces = stream.faces or {None: _FaceTally()}
            main = max(faces, key=lambda track: faces[track].frames)
            for track in sorted(faces, key=lambda track: track or 0):
                row = _row(name, track, stream, faces[track])
                rows.append(dict.fromkeys(MEASURES) | row | self._state(name, track == main))
        return rows

    def _state(self, stream: str, is_main: bool) -> dict[str, Any]:
        subject = self._subjects.get(stream)
        if subject is None and len(self._states) == 1:
            (subject,) = self._states
        if not is_main or subject not in self._states:
            return {}
        means = {name: _rounded(mean.value) for name, mean in self._states[subject].items()}
        return {"subject": subject, **means}


def _row(name: str, track: int | None, stream: _StreamFaces, face: _FaceTally) -> dict[str, Any]:
    signs, has_face = face.signs, face.frames > 0
    affect = face.expressions.affect()
    rated = face.expressions.faces
    shares, means = face.expressions.share_of_frames(), face.expressions.mean_probability()
    row: dict[str, Any] = {
        "stream": name,
        "track": track,
        "frames": stream.frames,
        "frames_with_face": stream.frames_with_face,
        "faces": face.frames,
        "coverage": _rounded(face.frames / stream.frames if stream.frames else None),
    }
    if has_face:
        row |= {"first_s": round(face.first_s, 6), "last_s": round(face.last_s, 6)}
        row["doubted"] = _rounded(signs.share_of_faces(signs.doubted))
    if rated and affect is not None:
        row |= {f"share_{label}": shares[label] for label in LABELS}
        row |= {f"mean_{label}": means[label] for label in LABELS}
        row |= {"valence": _rounded(affect.valence), "arousal": _rounded(affect.arousal)}
        row["confidence"] = _rounded(face.confidence / rated)
    if signs.has_eyes:
        row |= {
            "blinks": signs.blink_count,
            "blinks_per_minute": _rounded(signs.blinks_per_minute),
            "blink_median_ms": signs.blink_median_ms,
            "perclos": _rounded(signs.perclos_mean),
        }
    return row


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
