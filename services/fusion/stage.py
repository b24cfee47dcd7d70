"""The fusion process' stage: sorts messages by person, publishes each person's state."""

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
from affectline.services.fusion.baseline import CALIBRATED_S
from affectline.services.fusion.spec import FusionProcess
from affectline.services.fusion.subject import WAIT_S, SubjectState

CALIBRATE: Final = "calibrate"
"""Label of the marker that says: now this person is at rest."""
LONGEST_S: Final = 3600.0
FIGURES: Final = ("heart_rate", "rr_interval", "skin_conductance")
"""Signals whose figures say something only together with their unit."""


class Fusion(Stage):
    """Publishes a `State` for every person that is measured or seen.

    A `Marker` labelled ``calibrate`` starts a timed calibration; its ``extra`` may name
    ``seconds`` (60) and ``subject`` (everybody).

    In live delivery states go on where nobody says anything any more: once a second, and less and
    less sure.

    Args:
        process: Whose signals are whose.
        clock: Seconds for intervals.
    """

    outputs: ClassVar[Mapping[type[Message], Route]] = {State: "bus", StreamDone: "bus"}
    tick_ms = 250

    def __init__(self, process: FusionProcess, clock: Callable[[], float] = monotonic) -> None:
        self._settings, self._clock = process.settings, clock
        self._people: dict[str, SubjectState] = {}
        self._sensed: set[str] = set()
        """Subjects that sensors have named."""
        self._seen: dict[str, tuple[int, int]] = {}
        """By stream: epoch and number of the last picture."""
        self._begun: dict[str, StreamStart] = {}
        """By stream."""
        self._calibrations: dict[object, Marker] = {}
        """By the subject named, None for everybody: the last one, for people who come later."""
        self._heard: dict[str, float] = {}
        """By subject: when something was last heard, by our own clock."""

    def topic(self, kind: type[Message]) -> str | None:
        return "control/fusion" if kind is Control else super().topic(kind)

    @on(Samples)
    def on_samples(self, packet: Packet[Samples]) -> Iterator[Packet]:
        """Update the state of the subject that was measured."""
        state = self._feel(packet.message)
        if state is not None:
            yield Packet(state)

    @on(Emotion)
    def on_emotion(self, packet: Packet[Emotion]) -> Iterator[Packet]:
        """Update the state of the subject that was seen."""
        state = self._look(packet.message)
        if state is not None:
            yield Packet(state)

    @on(Marker)
    def on_marker(self, packet: Packet[Marker]) -> Iterable[Packet]:
        """Calibrate where the marker says so."""
        if packet.message.label == CALIBRATE:
            self._calibrate(packet.message)
        return ()

    @on(Control)
    def on_control(self, packet: Packet[Control]) -> Iterable[Packet]:
        """Calibrate, as a marker labelled ``calibrate`` would have it."""
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
        """A stream begins, perhaps again."""
        self._begin(packet.message)
        return ()

    @on(StreamDone)
    def on_stream_done(self, packet: Packet[StreamDone]) -> Iterator[Packet]:
        """All states up to the end of a stream have been published."""
        if packet.message.by == "sink":
            done = {"by": "fusion", "done_at": self.context.now()}
            yield Packet(packet.message.model_copy(update=done))

    def tick(self) -> Iterator[Packet]:
        if self.context.delivery != "live":
            return  # the same messages give the same states, however slowly they come
        for subject, person in self._people.items():
            silent_s = self._clock() - self._heard.get(subject, math.inf)
            state = person.wait(silent_s) if silent_s >= WAIT_S else None
            if state is not None:
                yield Packet(state)

    def _begin(self, start: StreamStart) -> None:
        """A replay that has begun again goes back in time, with everybody in it."""
        before = self._begun.get(start.stream)
        self._begun[start.stream] = start
        again = before and start.epoch > before.epoch and start.started_at <= before.started_at
        if again and start.replay:
            for person in self._people.values():
                person.go_back()

    def _feel(self, said: Samples) -> State | None:
        samples = in_usual_unit(said)
        if samples is None:
            self.context.counters["invalid"] += 1
            return None
        person = self._of_sensor(samples)
        self._heard[person.subject] = self._clock()
        return person.hear(samples)

    def _of_sensor(self, samples: Samples) -> SubjectState:
        subject = self._settings.subject or samples.subject
        if not self._sensed and subject not in self._people and DEFAULT_SUBJECT in self._people:
            # Whose face we have been seeing has a name now
            person = self._people.pop(DEFAULT_SUBJECT)
            person.subject = subject
            self._people[subject] = person
        self._sensed.add(subject)
        return self._person(subject, samples.at)

    def _of_stream(self, stream: str) -> str:
        named = self._settings.streams.get(stream) or self._settings.subject
        only = next(iter(self._sensed)) if len(self._sensed) == 1 else DEFAULT_SUBJECT
        return named or only

    def _person(self, subject: str, at: int) -> SubjectState:
        if subject not in self._people:
            person = self._people[subject] = SubjectState(subject, self._settings)
            for wanted in (None, subject):
                marker = self._calibrations.get(wanted)
                if marker and at < marker.at + round(_seconds(marker) * 1e9):
                    person.calibrate(marker.at, _seconds(marker))
        return self._people[subject]

    def _look(self, emotion: Emotion) -> State | None:
        if self._seen.get(emotion.stream, (0, -1)) >= (emotion.epoch, emotion.seq):
            return None  # said again for somebody who missed it
        self._seen[emotion.stream] = emotion.epoch, emotion.seq
        seen = [face for face in emotion.faces if face.smoothed or face.probabilities]
        subject = self._of_stream(emotion.stream)
        if not seen and subject not in self._people:
            return None
        person = self._person(subject, emotion.captured_at)
        self._heard[subject] = self._clock()
        # Whoever sits before the camera fills most of its picture
        face = max(seen, key=lambda face: face.box[2] * face.box[3], default=None)
        distribution = (face.smoothed or face.probabilities) if face else None
        return person.see(distribution, emotion.captured_at)

    def _calibrate(self, marker: Marker) -> None:
        wanted = marker.extra.get("subject")
        if not 0 < _seconds(marker) <= LONGEST_S or not isinstance(wanted, str | None):
            self.context.counters["invalid"] += 1
            return
        self._calibrations[wanted] = marker
        for subject, person in self._people.items():
            if wanted in (None, subject):
                person.calibrate(marker.at, _seconds(marker))


def in_usual_unit(samples: Samples) -> Samples | None:
    """Samples whose figures count, in the unit that our own drivers use; None for an unknown unit.

    Of waves the shape counts, whatever their unit.
    """
    usual = SIGNALS.get(samples.signal)
    if usual is None or samples.signal not in FIGURES or samples.unit == usual.unit:
        return samples
    if samples.unit not in usual.others:
        return None
    factor, summand = usual.others[samples.unit]
    values = tuple(value * factor + summand for value in samples.values)
    return samples.model_copy(update={"unit": usual.unit, "values": values})


def _seconds(marker: Marker) -> float:
    """How long a calibration shall last; NaN where that is no number."""
    value = marker.extra.get("seconds", CALIBRATED_S)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value)
