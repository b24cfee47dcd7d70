"""The curves of the last minutes: their history, and updates as new points arrive."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import singledispatchmethod
from typing import Any, Final

from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import USABLE_QUALITY, Samples, State, sample_times
from affectline.common.wire.face_signs import DOUBTS
from affectline.common.wire.messages import Emotion, Marker, StreamStart
from affectline.services.sessions.timeseries import largest_face

KEPT_MS: Final = 300_000
STEP_MS: Final = 200
"""Minimum interval between a curve's points: a curve of a minute cannot show more."""
BACK_MS: Final = 2_000
"""A point earlier than the last one by more than this starts a new time line, as when a looped film
restarts."""
MARKERS_KEPT: Final = 200
FACES: Final = "emotion/"
"""Prefix of the names of faces' curves, before stream and track."""
FROM_BEATS: Final = "bpm, from beats"
SIGNALS: Final = ("heart_rate", "skin_conductance")
UNITS: Final = {"/min": "bpm", "uS": "µS"}
"""Display units of these signals."""

Point = list[float | None]
"""Milliseconds since the Unix epoch, and one value, two (valence and arousal; per cent that each
eye is open), three (yaw, pitch and roll of the head) or eight (per cent of the seven emotions, and
the doubts as bits)."""


class SignalCurve:
    """One curve."""

    def __init__(self, unit: str = "", *, synthetic: bool = False) -> None:
        self.unit, self.synthetic = unit, synthetic
        self.points: deque[Point] = deque()
        self.unsent: list[Point] = []

    def add(self, at_ms: float, values: list[float | None]) -> bool:
        """Add a point, unless it is too close to the last one; False if time went back."""
        last = self.points[-1][0] if self.points else None
        if last is not None and at_ms < last - BACK_MS:
            return False
        if last is not None and at_ms < last + STEP_MS:
            return True
        point: Point = [round(at_ms), *values]
        self.points.append(point)
        self.unsent.append(point)
        while self.points[-1][0] - self.points[0][0] > KEPT_MS:  # type: ignore[operator]
            self.points.popleft()
        return True

    @property
    def last_ms(self) -> float:
        """Time of its last point."""
        return self.points[-1][0] or 0.0

    def to_dict(self) -> dict[str, Any]:
        """The attributes that the browser shows."""
        return {"unit": self.unit, "synthetic": self.synthetic}


class EmotionCurve(SignalCurve):
    """Seven percentages, followed by the doubts about the face as bits, in order.

    A doubt between two points is added to the later one, because a blink is shorter than a step.
    """

    def __init__(self) -> None:
        super().__init__("%")
        self._doubts = 0

    def add(self, at_ms: float, values: list[float | None]) -> bool:
        self._doubts |= int(values[-1] or 0)
        before = self.points[-1] if self.points else None
        is_later = super().add(at_ms, [*values[:-1], self._doubts])
        if self.points and self.points[-1] is not before:
            self._doubts = 0
        return is_later


CurvePoint = tuple[str, SignalCurve, float, list[float | None]]
"""Name of a curve, the curve to use if it is new, the time in ms, and the values."""


class Curves:
    """All curves of one hub, and its markers. An `Aggregator` of the hub's client."""

    def __init__(self) -> None:
        self._curves: dict[str, SignalCurve] = {}
        self._markers: deque[dict[str, Any]] = deque(maxlen=MARKERS_KEPT)
        self._unsent_markers: list[dict[str, Any]] = []
        self._is_reset = False
        self._zero_ms: float | None = None
        """Zero of the session's time line for films, whose axis counts seconds. None for cameras,
        whose axis shows the time of day."""

    def add(self, message: Message) -> None:
        self._find_zero(message)
        if isinstance(message, Marker):
            self._add_marker(message)
            return
        for name, curve, at_ms, values in self._points(message):
            if not self._curves.setdefault(name, curve).add(at_ms, values):
                self._restart()
                self._curves.setdefault(name, curve).add(at_ms, values)

    def clear(self) -> None:
        self._zero_ms = None
        self._restart()

    def _restart(self) -> None:
        """Remove all points and markers, when the same stream starts from its beginning."""
        self._curves.clear()
        self._markers.clear()
        self._unsent_markers.clear()
        self._is_reset = True

    def update(self) -> dict[str, Any] | None:
        self._forget()
        series = self._series(lambda curve: curve.unsent)
        for curve in self._curves.values():
            curve.unsent = []
        markers, self._unsent_markers = self._unsent_markers, []
        is_reset, self._is_reset = self._is_reset, False
        if not (series or markers or is_reset):
            return None
        return self._to_dict(series, markers, is_reset=is_reset)

    def history(self) -> dict[str, Any]:
        """Everything except what `update` will still return."""
        series = self._series(lambda curve: list(curve.points)[: -len(curve.unsent) or None])
        markers = list(self._markers)[: -len(self._unsent_markers) or None]
        return self._to_dict(series, markers, is_reset=True)

    def _to_dict(
        self, series: dict[str, Any], markers: list[dict[str, Any]], *, is_reset: bool
    ) -> dict[str, Any]:
        return {
            "kind": "curves", "reset": is_reset, "zero": self._zero_ms, "series": series,
            "markers": markers,
        }  # fmt: skip

    def _forget(self) -> None:
        """Remove the curves of faces that left: there is one for every face that ever came.

        They are compared with others of their stream, because clocks of streams may differ.
        """
        faces = {name: curve for name, curve in self._curves.items() if name.startswith(FACES)}
        newest: dict[str, float] = {}
        for name, curve in faces.items():
            stream = name.rpartition("/")[0]
            newest[stream] = max(curve.last_ms, newest.get(stream, curve.last_ms))
        for name, curve in faces.items():
            if newest[name.rpartition("/")[0]] - curve.last_ms > KEPT_MS:
                del self._curves[name]

    def _find_zero(self, message: Message) -> None:
        if isinstance(message, StreamStart) and message.kind in ("film", "pictures"):
            self._zero_ms = message.session_start / 1e6
        elif self._zero_ms is None and isinstance(message, Emotion):
            # The stream may have started before we listened
            into = message.media_time
            self._zero_ms = None if into is None else (message.captured_at - into) / 1e6

    def _series(self, points: Callable[[SignalCurve], list[Point]]) -> dict[str, Any]:
        """The curves that have such points, for the browser."""
        selected = {name: (curve, points(curve)) for name, curve in self._curves.items()}
        return {
            name: curve.to_dict() | {"points": some}
            for name, (curve, some) in selected.items()
            if some
        }

    def _add_marker(self, marker: Marker) -> None:
        entry = {"at": marker.at / 1e6, "label": marker.label, "source": marker.source}
        self._markers.append(entry)
        self._unsent_markers.append(entry)

    @singledispatchmethod
    def _points(self, message: Message) -> Iterator[CurvePoint]:
        """The points that a message adds; none for other kinds."""
        return iter(())

    @_points.register
    def _(self, emotion: Emotion) -> Iterator[CurvePoint]:
        at_ms = emotion.captured_at / 1e6
        for face in emotion.faces:
            if face.probabilities is not None:
                name = f"{FACES}{emotion.stream}/{face.track}"
                doubts = sum(1 << DOUBTS.index(doubt) for doubt in face.doubts)
                yield name, EmotionCurve(), at_ms, [*map(_percent, face.probabilities), doubts]
        largest = largest_face(emotion)
        if largest is None:
            return
        if largest.valence is not None and largest.arousal is not None:
            affect: list[float | None] = [round(largest.valence, 3), round(largest.arousal, 3)]
            yield f"affect/{emotion.stream}", SignalCurve("-1 to 1"), at_ms, affect
        if largest.yaw is not None and largest.pitch is not None and largest.roll is not None:
            angles: list[float | None] = [
                round(angle, 1) for angle in (largest.yaw, largest.pitch, largest.roll)
            ]
            yield f"pose/{emotion.stream}", SignalCurve("°"), at_ms, angles
        eyes = [largest.eye_opening_left, largest.eye_opening_right]
        if eyes != [None, None]:
            yield f"eyes/{emotion.stream}", SignalCurve("% open"), at_ms, [*map(_percent, eyes)]

    @_points.register
    def _(self, samples: Samples) -> Iterator[CurvePoint]:
        if samples.signal not in SIGNALS:
            return
        if samples.quality < USABLE_QUALITY:  # a gap: the page shows "sensor lost"
            return
        unit = UNITS.get(samples.unit, samples.unit)
        curve = SignalCurve(unit, synthetic=samples.synthetic)
        name = f"{samples.signal}/{samples.subject}"
        if name in self._curves:  # fusion's estimate may have come first
            self._curves[name].unit = unit
        for at, value in zip(sample_times(samples), samples.values, strict=True):
            yield name, curve, at / 1e6, [round(value, 3)]

    @_points.register
    def _(self, state: State) -> Iterator[CurvePoint]:
        at_ms = state.at / 1e6
        if state.nervousness is not None:
            curve = SignalCurve("0 to 100", synthetic=state.synthetic)
            yield f"nervousness/{state.subject}", curve, at_ms, [round(state.nervousness, 1)]
        heart = state.signals.get("heart")
        # For devices that send only beats or waves, show fusion's estimate
        if heart is None or heart.quality < USABLE_QUALITY:
            return
        if heart.value is not None and heart.unit == "/min":
            known = self._curves.get(f"heart_rate/{state.subject}")
            if known is None or known.unit == FROM_BEATS:
                curve = SignalCurve(FROM_BEATS, synthetic=state.synthetic)
                yield f"heart_rate/{state.subject}", curve, at_ms, [round(heart.value, 1)]


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)
