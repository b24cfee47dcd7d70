"""A session's messages as time series."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.recording.time_line import stray_limits
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import USABLE_QUALITY, Samples, State, sample_times
from affectline.common.wire.messages import (
    Emotion,
    FaceEmotion,
    Frame,
    Marker,
    Missing,
    Packet,
    StreamEnd,
    StreamStart,
)
from affectline.services.sessions.sign_series import SignSeries
from affectline.services.sessions.stream_stats import StreamSummary

BODY_SIGNALS: Final = ("heart", "skin")
"""Signals of a state that show how calm a person is; a face alone does not."""
AFFECT_FIGURES: Final = ("valence", "arousal")
STATE_FIGURES: Final = ("nervousness", "arousal", "valence")


@dataclass(frozen=True)
class Series:
    """One quantity over time.

    Attributes:
        name: Subject and quantity, such as ``anna heart_rate``.
        unit: Unit, empty for none.
        times: Nanoseconds since the Unix epoch, non-decreasing, ``(N,) int64``.
        values: ``(N,) float64``, all finite.
        synthetic: Some of it was simulated.
    """

    name: str
    unit: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    synthetic: bool = False


class FaceObservation(NamedTuple):
    """A face in a frame, from which a thumbnail can be cropped."""

    at: int
    """Capture time of the frame in nanoseconds since the Unix epoch."""
    stream: str
    epoch: int
    seq: int
    box: tuple[int, int, int, int]


class PictureResult(NamedTuple):
    """One picture of a folder: analysed on its own, without a time."""

    stream: str
    file: str
    """Path below the folder."""
    faces: tuple[FaceEmotion, ...]
    missing: Missing | None
    """Why the picture was not analysed."""


@dataclass
class SessionSeries:
    """A session's messages as time series.

    Attributes:
        session_start: Zero of the session's time line, ns since the Unix epoch; None if unknown.
        series: Series by name, in the order of their first messages; without unusable samples.
        states: Every `State`, in order.
        markers: Markers sorted by time.
        emotions: By stream: the seven probabilities of the largest face, as series.
        affects: By stream: valence and arousal of the largest face, as series.
        signs: By stream: head pose, eyes and doubts of the largest face; empty if nothing was
            measured.
        pictures: Pictures of folders, in order; they are not on the time line.
        streams: Counts and figures of each stream, as in ``session.json``.
        starts: The first start message of each stream, if the session has one.
        labels: By stream: the label of the largest face, as an index into ``LABELS``.
        sampled: Subjects with recorded signals.
        measured: Subjects with heart or skin values, not only a face.
        first: Time of the first message, `strays` aside; None without messages.
        last: Time of the last message, `strays` aside.
        synthetic: Some signal was simulated.
    """

    series: dict[str, Series] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    emotions: dict[str, dict[str, Series]] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    synthetic: bool = False
    session_start: int | None = None
    affects: dict[str, dict[str, Series]] = field(default_factory=dict)
    signs: dict[str, SignSeries] = field(default_factory=dict)
    pictures: list[PictureResult] = field(default_factory=list)
    streams: dict[str, StreamSummary] = field(default_factory=dict)
    starts: dict[str, StreamStart] = field(default_factory=dict)
    labels: dict[str, Series] = field(default_factory=dict)
    sampled: set[str] = field(default_factory=set)
    measured: set[str] = field(default_factory=set)
    most_faces: dict[str, int] = field(default_factory=dict)
    """By stream: the largest number of faces in one frame."""
    observations: list[FaceObservation] = field(default_factory=list)
    """The largest face of each frame, in the order of the messages."""

    @property
    def seconds(self) -> float:
        """Seconds from the first message to the last."""
        return 0.0 if self.first is None or self.last is None else (self.last - self.first) / 1e9

    @property
    def zero(self) -> int:
        """Second 0 of all reported times: the session's start, else its first event."""
        return self.session_start if self.session_start is not None else self.first or 0

    def seconds_of(self, stream: str) -> float:
        """Seconds from a stream's first frame to its last."""
        summary = self.streams[stream]
        first, last = summary.first_captured_at, summary.last_captured_at
        return 0.0 if first is None or last is None else (last - first) / 1e9

    def length_of(self, stream: str) -> float:
        """Length of a stream in s: the film's own if known, else (or in a loop) of its frames."""
        start, seen_s = self.starts.get(stream), self.seen_seconds(stream)
        declared_s = start.duration_s if start is not None else None
        return seen_s if declared_s is None or seen_s > 1.1 * declared_s else declared_s

    def seen_seconds(self, stream: str) -> float:
        """Seconds from a stream's first frame to the end of its last one."""
        seconds, frames = self.seconds_of(stream), self.streams[stream].frames
        return seconds * frames / (frames - 1) if frames > 1 else seconds

    @property
    def told_series(self) -> list[Series]:
        """All series except the states of subjects without heart or skin measurements.

        What their face alone shows is in `affects`; it does not measure calmness.
        """
        unmeasured = {state.subject for state in self.states} - self.measured
        untold = {f"{subject} {figure}" for subject in unmeasured for figure in STATE_FIGURES}
        return [series for name, series in self.series.items() if name not in untold]

    def is_stray(self, marker: Marker) -> bool:
        """Whether a marker's time is too wrong to share a time axis with the rest."""
        first, last = self.first, self.last
        return first is not None and last is not None and not first <= marker.at <= last

    @property
    def strays(self) -> list[Marker]:
        """Markers with a wrong time, for example from a tool that counts in seconds."""
        return [marker for marker in self.markers if self.is_stray(marker)]


def read_series(packets: Iterable[Packet], session_start: int | None = None) -> SessionSeries:
    """Read all messages once and return their time series.

    Args:
        packets: The session's messages.
        session_start: Zero of its time line, ns since the Unix epoch; None: taken from the
            streams' start messages.
    """
    builder = SeriesBuilder(session_start)
    add = builder.add  # the lookup takes longer than most calls
    for packet in packets:
        add(packet.message)
    return builder.build()


def largest_face(emotion: Emotion) -> FaceEmotion | None:
    """The face with the largest box, which is most likely the session's subject."""
    return max(emotion.faces, key=lambda face: face.box[2] * face.box[3], default=None)


class SeriesBuilder:
    """Builds time series from messages, one at a time."""

    def __init__(self, session_start: int | None = None) -> None:
        self._session = SessionSeries(session_start=session_start)
        self._has_start = session_start is not None
        self._units: dict[str, str] = {}
        self._times: dict[str, array[int]] = defaultdict(lambda: array("q"))
        self._values: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._faces: dict[str, _FaceColumns] = defaultdict(_FaceColumns)
        self._simulated: set[str] = set()
        """Names of series."""

    def tap(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Add and yield every message, so that another consumer needs no second pass."""
        add = self.add
        for packet in packets:
            add(packet.message)
            yield packet

    @singledispatchmethod
    def add(self, message: Message) -> None:
        """Add a message; kinds that have no time series are ignored."""

    @add.register
    def _(self, samples: Samples) -> None:
        self._session.synthetic |= samples.synthetic
        self._session.sampled.add(samples.subject)
        times = sample_times(samples)
        if samples.quality < USABLE_QUALITY:
            self._extend_span(times[0])
            self._extend_span(times[-1])
            return
        name = f"{samples.subject} {samples.signal}"
        self._append(name, samples.unit, times, samples.values)
        if samples.synthetic:
            self._simulated.add(name)

    @add.register
    def _(self, marker: Marker) -> None:
        self._session.markers.append(marker)

    @add.register
    def _(self, start: StreamStart) -> None:
        session = self._session
        self._summary(start.stream).begin(start)
        session.starts.setdefault(start.stream, start)
        if not self._has_start:
            known = session.session_start
            begun = start.session_start
            session.session_start = begun if known is None else min(known, begun)
        if start.kind != "pictures":
            self._extend_span(start.started_at)

    @add.register
    def _(self, end: StreamEnd) -> None:
        self._summary(end.stream).finish(end)

    @add.register
    def _(self, frame: Frame) -> None:
        if frame.file is None:
            self._extend_span(frame.captured_at)

    @add.register
    def _(self, state: State) -> None:
        self._session.states.append(state)
        signals = (state.signals.get(name) for name in BODY_SIGNALS)
        if any(signal is not None and signal.value is not None for signal in signals):
            self._session.measured.add(state.subject)
        for figure in STATE_FIGURES:
            value = getattr(state, figure)
            if value is not None:
                name = f"{state.subject} {figure}"
                self._append(name, "", [state.at], [value])
                if state.synthetic:
                    self._simulated.add(name)

    @add.register
    def _(self, emotion: Emotion) -> None:
        stream, session = emotion.stream, self._session
        self._summary(stream).add(emotion)
        session.most_faces[stream] = max(session.most_faces.get(stream, 0), len(emotion.faces))
        if emotion.file is not None:
            session.pictures.append(
                PictureResult(stream, emotion.file, emotion.faces, emotion.missing)
            )
            return
        at = emotion.captured_at
        self._extend_span(at)
        face = largest_face(emotion)
        if face is None:
            return
        session.observations.append(
            FaceObservation(at, stream, emotion.epoch, emotion.seq, face.box)
        )
        session.signs.setdefault(stream, SignSeries()).add(face, at)
        self._faces[stream].add(face, at)

    def _summary(self, stream: str) -> StreamSummary:
        found = self._session.streams.get(stream)
        if found is None:
            found = self._session.streams[stream] = StreamSummary()
        return found

    def _append(self, name: str, unit: str, times: list[int], values: Iterable[float]) -> None:
        self._units[name] = unit
        self._times[name].extend(times)
        self._values[name].extend(values)
        self._extend_span(times[0])
        self._extend_span(times[-1])

    def _extend_span(self, time: int) -> None:
        session = self._session
        session.first = time if session.first is None else min(session.first, time)
        session.last = time if session.last is None else max(session.last, time)

    def _extend_span_to_markers(self) -> None:
        """Extend the session's span to all markers except strays."""
        session = self._session
        first, last = session.first, session.last
        near = session.markers
        if first is not None and last is not None:
            earliest, latest = stray_limits(first, last)
            near = [m for m in near if earliest <= m.at <= latest]
        for marker in near:
            self._extend_span(marker.at)

    def build(self) -> SessionSeries:
        """Return the time series of all messages. Call this once."""
        session = self._session
        session.markers.sort(key=lambda marker: marker.at)
        session.signs = {
            name: found
            for name, found in session.signs.items()
            if session.streams[name].signs.measured
        }
        self._extend_span_to_markers()
        for name, unit in self._units.items():
            times, order = _in_order(self._times[name])
            values = np.array(self._values[name])[order]
            session.series[name] = Series(name, unit, times, values, name in self._simulated)
        for stream, columns in self._faces.items():
            columns.store(stream, session)
        return session


class _FaceColumns:
    """Values of a stream's largest face, frame by frame."""

    def __init__(self) -> None:
        self._times = array("q")
        self._probabilities = array("d")
        self._labels = array("d")
        self._affect_times = array("q")
        self._affects = array("d")

    def add(self, face: FaceEmotion, at: int) -> None:
        """Add the face of one frame."""
        if face.probabilities is not None and face.label is not None:
            self._times.append(at)
            self._probabilities.extend(face.probabilities)
            self._labels.append(LABELS.index(face.label))
        if face.valence is not None and face.arousal is not None:
            self._affect_times.append(at)
            self._affects.extend((face.valence, face.arousal))

    def store(self, stream: str, session: SessionSeries) -> None:
        """Add the stream's series to a session."""
        if self._times:
            times, order = _in_order(self._times)
            table = np.array(self._probabilities).reshape(-1, len(LABELS))[order]
            session.emotions[stream] = {
                label: Series(label, "", times, table[:, i].copy())
                for i, label in enumerate(LABELS)
            }
            labels = np.array(self._labels)[order]
            session.labels[stream] = Series("label", "", times, labels)
        if self._affect_times:
            times, order = _in_order(self._affect_times)
            table = np.array(self._affects).reshape(-1, len(AFFECT_FIGURES))[order]
            session.affects[stream] = {
                name: Series(name, "", times, table[:, i].copy())
                for i, name in enumerate(AFFECT_FIGURES)
            }


def _in_order(times: "array[int]") -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Sorted times, and the index of each in the input."""
    found = np.array(times, np.int64)
    order = np.argsort(found, kind="stable")
    return found[order], order
