"""A session's messages as time series."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State, sample_times
from affectline.common.wire.messages import Emotion, FaceEmotion, Frame, Marker, Packet

STATE_FIGURES: Final = ("nervousness", "arousal", "valence")
STRAY_S: Final = 300.0
"""A marker this far outside of the rest, and as far as the rest is long, has a wrong time."""


@dataclass(frozen=True)
class Series:
    """One quantity over time.

    Attributes:
        name: Subject and quantity, such as ``anna heart_rate``.
        unit: Its unit, empty for none.
        times: Nanoseconds since the Unix epoch, not falling, ``(N,) int64``.
        values: ``(N,) float64``, all finite.
    """

    name: str
    unit: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]


class FaceObservation(NamedTuple):
    """A face in a frame: where a thumbnail can be cropped."""

    at: int
    """When the frame was captured, nanoseconds since the Unix epoch."""
    stream: str
    epoch: int
    seq: int
    box: tuple[int, int, int, int]


@dataclass
class SessionSeries:
    """A session's messages as time series.

    Attributes:
        series: By name, in the order of their first messages.
        states: Every `State`, in order.
        markers: In the order of their times.
        emotions: By stream: the seven smoothed probabilities of the largest face, as series.
        first: Time of the first message, except for `strays`; None if there is none.
        last: Time of the last one.
        synthetic: Some signal was simulated.
    """

    series: dict[str, Series] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    emotions: dict[str, dict[str, Series]] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    synthetic: bool = False
    frames: dict[str, int] = field(default_factory=dict)
    """By stream: frames with a result."""
    frames_without_face: dict[str, int] = field(default_factory=dict)
    """By stream: results without a face."""
    observations: list[FaceObservation] = field(default_factory=list)
    """Of the largest face of each frame, in the order of the messages."""

    @property
    def seconds(self) -> float:
        """From the first message to the last."""
        return 0.0 if self.first is None or self.last is None else (self.last - self.first) / 1e9

    def is_stray(self, marker: Marker) -> bool:
        """Whether its time is so wrong that it cannot share a time axis with the rest."""
        first, last = self.first, self.last
        return first is not None and last is not None and not first <= marker.at <= last

    @property
    def strays(self) -> list[Marker]:
        """Markers with a wrong time, for example of a tool that counts in seconds."""
        return [marker for marker in self.markers if self.is_stray(marker)]


def read_series(packets: Iterable[Packet]) -> SessionSeries:
    """Read all messages once and return their time series."""
    builder = SeriesBuilder()
    for packet in packets:
        builder.add(packet.message)
    return builder.build()


def largest_face(emotion: Emotion) -> FaceEmotion | None:
    """The face with the largest box: most likely the person that the session is about."""
    return max(emotion.faces, key=lambda face: face.box[2] * face.box[3], default=None)


class SeriesBuilder:
    """Builds time series from messages, one at a time."""

    def __init__(self) -> None:
        self._session = SessionSeries()
        self._units: dict[tuple[str, str], str] = {}
        self._times: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._values: dict[tuple[str, str], list[float]] = defaultdict(list)

    def tap(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Add every message and yield it, so that another consumer needs no second reading."""
        for packet in packets:
            self.add(packet.message)
            yield packet

    @singledispatchmethod
    def add(self, message: Message) -> None:
        """Add a message; kinds without a place in time series are ignored."""

    @add.register
    def _(self, samples: Samples) -> None:
        self._session.synthetic |= samples.synthetic
        name = ("", f"{samples.subject} {samples.signal}")
        self._append(name, samples.unit, sample_times(samples), samples.values)

    @add.register
    def _(self, marker: Marker) -> None:
        self._session.markers.append(marker)

    @add.register
    def _(self, frame: Frame) -> None:
        self._extend_span(frame.captured_at)

    @add.register
    def _(self, state: State) -> None:
        self._session.states.append(state)
        for figure in STATE_FIGURES:
            value = getattr(state, figure)
            if value is not None:
                self._append(("", f"{state.subject} {figure}"), "", [state.at], [value])

    @add.register
    def _(self, emotion: Emotion) -> None:
        stream, session = emotion.stream, self._session
        session.frames[stream] = session.frames.get(stream, 0) + 1
        without = session.frames_without_face
        without[stream] = without.get(stream, 0) + (not emotion.faces)
        face = largest_face(emotion)
        if face is not None:
            at = emotion.captured_at
            session.observations.append(
                FaceObservation(at, stream, emotion.epoch, emotion.seq, face.box)
            )
        if face is not None and face.probabilities:
            for label, probability in zip(LABELS, face.probabilities, strict=True):
                self._append((stream, label), "", [emotion.captured_at], [probability])

    def _append(
        self, name: tuple[str, str], unit: str, times: list[int], values: Iterable[float]
    ) -> None:
        self._units[name] = unit
        self._times[name] += times
        self._values[name] += values
        self._extend_span(times[0])
        self._extend_span(times[-1])

    def _extend_span(self, time: int) -> None:
        session = self._session
        session.first = time if session.first is None else min(session.first, time)
        session.last = time if session.last is None else max(session.last, time)

    def _extend_span_to_markers(self) -> None:
        """Let markers extend the session's span, except for strays."""
        session = self._session
        first, last = session.first, session.last
        near = session.markers
        if first is not None and last is not None:
            slack = max(round(STRAY_S * 1e9), last - first)
            near = [m for m in near if first - slack <= m.at <= last + slack]
        for marker in near:
            self._extend_span(marker.at)

    def build(self) -> SessionSeries:
        """Return the time series of all messages; call it once."""
        session = self._session
        session.markers.sort(key=lambda marker: marker.at)
        self._extend_span_to_markers()
        for (stream, name), unit in self._units.items():
            times = np.array(self._times[stream, name], np.int64)
            order = np.argsort(times, kind="stable")
            values = np.array(self._values[stream, name])[order]
            target = session.emotions.setdefault(stream, {}) if stream else session.series
            target[name] = Series(name, unit, times[order], values)
        return session
