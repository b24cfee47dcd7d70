"""The stage of the fusion process: assigns messages to subjects, publishes each one's state."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Final

from pydantic import JsonValue

from affectline.common.clock import monotonic
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.settings.biometrics import SIGNALS
from affectline.common.settings.fusion import DEFAULT_SUBJECT
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.control import Calibrate, Control
from affectline.common.wire.messages import Emotion, Marker, Packet, StreamDone, StreamStart
from affectline.services.fusion.baseline import CALIBRATION_S
from affectline.services.fusion.spec import FusionProcess
from affectline.services.fusion.subject import SILENCE_S, SubjectState

CALIBRATE: Final = "calibrate"
"""Label of a marker that starts a calibration: the person is at rest now."""
MAX_CALIBRATION_S: Final = 3600.0
UNIT_DEPENDENT: Final = ("heart_rate", "rr_interval", "skin_conductance")
"""Signals whose values depend on the unit; of waves only the shape counts."""


class Fusion(Stage):
    """Publishes a `State` for every subject that is measured or seen.

    A `Marker` labelled ``calibrate`` starts a timed calibration; its ``extra`` may name
    ``seconds`` (60) and ``subject`` (all).

    In live delivery states continue once a second while no messages arrive, with falling quality.

    Args:
        process: Which signals belong to which subject.
        clock: Returns seconds, for intervals.
    """

    outputs: ClassVar[Mapping[type[Message], Route]] = {State: "bus", StreamDone: "bus"}
    tick_ms = 250

    def __init__(self, process: FusionProcess, clock: Callable[[], float] = monotonic) -> None:
        self._settings, self._clock = process.settings, clock
        self._subjects: dict[str, SubjectState] = {}
        self._measured: set[str] = set()
        """Subjects that sensors have named."""
        self._last_frames: dict[str, tuple[int, int]] = {}
        """By stream: epoch and sequence number of the last frame."""
        self._starts: dict[str, StreamStart] = {}
        """By stream: the newest start."""
        self._calibrations: dict[object, Marker] = {}
        """The last one by subject, None for all; also applied to subjects that appear later."""
        self._last_message_s: dict[str, float] = {}
        """By subject: time of the last message on the local clock."""

    def topic(self, kind: type[Message]) -> str | None:
        return "control/fusion" if kind is Control else super().topic(kind)

    @on(Samples)
    def on_samples(self, packet: Packet[Samples]) -> Iterator[Packet]:
        """Update the state of the subject that was measured."""
        state = self._add_samples(packet.message)
        if state is not None:
            yield Packet(state)

    @on(Emotion)
    def on_emotion(self, packet: Packet[Emotion]) -> Iterator[Packet]:
        """Update the state of the subject that was seen."""
        state = self._add_expression(packet.message)
        if state is not None:
            yield Packet(state)

    @on(Marker)
    def on_marker(self, packet: Packet[Marker]) -> Iterable[Packet]:
        """Start a calibration if the marker is labelled ``calibrate``."""
        if packet.message.label == CALIBRATE:
            self._calibrate(packet.message)
        return ()

    @on(Control)
    def on_control(self, packet: Packet[Control]) -> Iterable[Packet]:
        """Start a calibration, as a marker labelled ``calibrate`` does."""
        action = packet.message.action
        if isinstance(action, Calibrate):
            extra: dict[str, JsonValue] = {"seconds": action.seconds}
            if action.subject is not None:
                extra["subject"] = action.subject
            at = packet.message.at
            self._calibrate(Marker(session="session", at=at, label=CALIBRATE, extra=extra))
        return ()

    @on(StreamStart)
    def on_stream_start(self, packet: Packet[StreamStart]) -> Iterable[Packet]:
        """Rewind all subjects if a replay begins again."""
        self._rewind_if_replayed_again(packet.message)
        return ()

    @on(StreamDone)
    def on_stream_done(self, packet: Packet[StreamDone]) -> Iterator[Packet]:
        """Confirm that all states up to the end of a stream have been published."""
        if packet.message.by == "sink":
            done = {"by": "fusion", "done_at": self.context.now()}
            yield Packet(packet.message.model_copy(update=done))

    def tick(self) -> Iterator[Packet]:
        if self.context.delivery != "live":
            return  # reproducible: silence must not depend on the speed of processing
        for subject, person in self._subjects.items():
            silent_s = self._clock() - self._last_message_s.get(subject, math.inf)
            state = person.extrapolate(silent_s) if silent_s >= SILENCE_S else None
            if state is not None:
                yield Packet(state)

    def _rewind_if_replayed_again(self, start: StreamStart) -> None:
        """A replay that begins again goes back in time, with all of its subjects."""
        before = self._starts.get(start.stream)
        self._starts[start.stream] = start
        replayed_again = (
            before and start.epoch > before.epoch and start.started_at <= before.started_at
        )
        if replayed_again and start.replay:
            for person in self._subjects.values():
                person.rewind()

    def _add_samples(self, message: Samples) -> State | None:
        samples = convert_unit(message)
        if samples is None:
            self.context.counters["invalid"] += 1
            return None
        person = self._subject_of_samples(samples)
        self._last_message_s[person.subject] = self._clock()
        return person.add_samples(samples)

    def _subject_of_samples(self, samples: Samples) -> SubjectState:
        subject = self._settings.subject or samples.subject
        if (
            not self._measured
            and subject not in self._subjects
            and DEFAULT_SUBJECT in self._subjects
        ):
            # The unnamed person whose face has been seen now has a name
            person = self._subjects.pop(DEFAULT_SUBJECT)
            person.subject = subject
            self._subjects[subject] = person
        self._measured.add(subject)
        return self._find_or_create(subject, samples.at)

    def _name_of_stream(self, stream: str) -> str:
        named = self._settings.streams.get(stream) or self._settings.subject
        only = next(iter(self._measured)) if len(self._measured) == 1 else DEFAULT_SUBJECT
        return named or only

    def _find_or_create(self, subject: str, at: int) -> SubjectState:
        if subject not in self._subjects:
            person = self._subjects[subject] = SubjectState(subject, self._settings)
            for requested in (None, subject):
                marker = self._calibrations.get(requested)
                if marker and at < marker.at + round(_calibration_seconds(marker) * 1e9):
                    person.calibrate(marker.at, _calibration_seconds(marker))
        return self._subjects[subject]

    def _add_expression(self, emotion: Emotion) -> State | None:
        if self._last_frames.get(emotion.stream, (0, -1)) >= (emotion.epoch, emotion.seq):
            return None  # repeated for a consumer that missed it
        self._last_frames[emotion.stream] = emotion.epoch, emotion.seq
        seen = [face for face in emotion.faces if face.probabilities]
        subject = self._name_of_stream(emotion.stream)
        if not seen and subject not in self._subjects:
            return None
        person = self._find_or_create(subject, emotion.captured_at)
        self._last_message_s[subject] = self._clock()
        # The person in front of the camera has the largest face
        face = max(seen, key=lambda face: face.box[2] * face.box[3], default=None)
        distribution = face.probabilities if face else None
        return person.add_expression(distribution, emotion.captured_at)

    def _calibrate(self, marker: Marker) -> None:
        requested = marker.extra.get("subject")
        if not 0 < _calibration_seconds(marker) <= MAX_CALIBRATION_S or not isinstance(
            requested, str | None
        ):
            self.context.counters["invalid"] += 1
            return
        self._calibrations[requested] = marker
        for subject, person in self._subjects.items():
            if requested in (None, subject):
                person.calibrate(marker.at, _calibration_seconds(marker))


def convert_unit(samples: Samples) -> Samples | None:
    """Convert samples to the unit of the project's own drivers; return None for an unknown unit.

    Signals that do not depend on their unit are returned as they are.
    """
    usual = SIGNALS.get(samples.signal)
    if usual is None or samples.signal not in UNIT_DEPENDENT or samples.unit == usual.unit:
        return samples
    if samples.unit not in usual.others:
        return None
    factor, summand = usual.others[samples.unit]
    values = tuple(value * factor + summand for value in samples.values)
    return samples.model_copy(update={"unit": usual.unit, "values": values})


def _calibration_seconds(marker: Marker) -> float:
    """Return the length of a calibration; NaN if it is not a number."""
    value = marker.extra.get("seconds", CALIBRATION_S)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value)
