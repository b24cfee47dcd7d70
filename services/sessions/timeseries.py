"""A session's messages as series over time."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State, sample_times
from affectline.common.wire.messages import Emotion, FaceEmotion, Frame, Marker, Packet

STATE_FIGURES: Final = ("nervousness", "arousal", "valence")
STRAY_S: Final = 300.0
"""A marker this far before or after all else, and as far as all else is long, has a wrong time."""


@dataclass(frozen=True)
class Series:
    """One quantity over time.

    Attributes:
        name: As people call it, such as ``person heart_rate``.
        unit: Its unit, empty for none.
        times: Nanoseconds since the Unix epoch, rising, ``(N,) int64``.
        values: ``(N,) float64``, all finite.
    """

    name: str
    unit: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]


class FaceObservation(NamedTuple):
    """A face in a picture: where a thumbnail can be cut out."""

    at: int
    """When the picture was taken, nanoseconds since the Unix epoch."""
    stream: str
    epoch: int
    seq: int
    box: tuple[int, int, int, int]


@dataclass
class SessionSeries:
    """What a session's messages say over time.

    Attributes:
        series: By name, in the order in which they were first heard of.
        states: Every `State`, in order.
        markers: In the order of their times.
        emotions: By stream: the seven smoothed probabilities of the largest face, as series.
        first: Time of the first message that has one, save for `strays`; None while there is none.
        last: Time of the last one.
        synthetic: Some signal was made up.
    """

    series: dict[str, Series] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    emotions: dict[str, dict[str, Series]] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    synthetic: bool = False
    frames: dict[str, int] = field(default_factory=dict)
    """By stream: pictures that were answered."""
    faceless: dict[str, int] = field(default_factory=dict)
    """By stream: answers without a face."""
    sightings: list[FaceObservation] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """From the first message to the last."""
        return 0.0 if self.first is None or self.last is None else (self.last - self.first) / 1e9

    def is_stray(self, marker: Marker) -> bool:
        """Whether its time is so wrong that it belongs on no time axis with the rest."""
        first, last = self.first, self.last
        return first is not None and last is not None and not first <= marker.at <= last

    @property
    def strays(self) -> list[Marker]:
        """Markers with such a time: of a tool that counts in seconds, for example."""
        return [marker for marker in self.markers if self.is_stray(marker)]


def gather(packets: Iterable[Packet]) -> SessionSeries:
    """Read a session's messages once, and sort what they say by quantity."""
    gathering = Gathering()
    for _ in gathering.watch(packets):
        pass
    return gathering.finish()


def largest(emotion: Emotion) -> FaceEmotion | None:
    """The face with the largest box: the one that the session is about."""
    return max(emotion.faces, key=lambda face: face.box[2] * face.box[3], default=None)


class Gathering:
    """A session while it is read."""

    def __init__(self) -> None:
        self._session = SessionSeries()
        self._units: dict[tuple[str, str], str] = {}
        self._times: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._values: dict[tuple[str, str], list[float]] = defaultdict(list)

    def watch(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Take in what is said, and pass it on to somebody else who reads it."""
        for packet in packets:
            self._take(packet.message)
            yield packet

    def _take(self, message: Message) -> None:
        if isinstance(message, Samples):
            self._session.synthetic |= message.synthetic
            name = ("", f"{message.subject} {message.signal}")
            self._grow(name, message.unit, sample_times(message), message.values)
        elif isinstance(message, State):
            self._take_state(message)
        elif isinstance(message, Emotion):
            self._take_emotion(message)
        elif isinstance(message, Marker):
            self._session.markers.append(message)
        elif isinstance(message, Frame):
            self._see(message.captured_at)

    def _take_state(self, state: State) -> None:
        self._session.states.append(state)
        for figure in STATE_FIGURES:
            value = getattr(state, figure)
            if value is not None:
                self._grow(("", f"{state.subject} {figure}"), "", [state.at], [value])

    def _take_emotion(self, emotion: Emotion) -> None:
        stream, session = emotion.stream, self._session
        session.frames[stream] = session.frames.get(stream, 0) + 1
        session.faceless[stream] = session.faceless.get(stream, 0) + (not emotion.faces)
        face = largest(emotion)
        if face is not None:
            at = emotion.captured_at
            session.sightings.append(
                FaceObservation(at, stream, emotion.epoch, emotion.seq, face.box)
            )
        if face is not None and face.smoothed:
            for label, share in zip(LABELS, face.smoothed, strict=True):
                self._grow((stream, label), "", [emotion.captured_at], [share])

    def _grow(
        self, name: tuple[str, str], unit: str, times: list[int], values: Iterable[float]
    ) -> None:
        self._units[name] = unit
        self._times[name] += times
        self._values[name] += values
        self._see(times[0])
        self._see(times[-1])

    def _see(self, time: int) -> None:
        session = self._session
        session.first = time if session.first is None else min(session.first, time)
        session.last = time if session.last is None else max(session.last, time)

    def _see_markers(self) -> None:
        """Let them count for the session's beginning and end, save for strays."""
        session = self._session
        first, last = session.first, session.last
        near = session.markers
        if first is not None and last is not None:
            slack = max(round(STRAY_S * 1e9), last - first)
            near = [m for m in near if first - slack <= m.at <= last + slack]
        for marker in near:
            self._see(marker.at)

    def finish(self) -> SessionSeries:
        """The whole session, once it is read."""
        session = self._session
        session.markers.sort(key=lambda marker: marker.at)
        self._see_markers()
        for (stream, name), unit in self._units.items():
            times = np.array(self._times[stream, name], np.int64)
            order = np.argsort(times, kind="stable")
            values = np.array(self._values[stream, name])[order]
            kept = session.emotions.setdefault(stream, {}) if stream else session.series
            kept[name] = Series(name, unit, times[order], values)
        return session
