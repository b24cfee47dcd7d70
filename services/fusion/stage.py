"""The stage of the fusion process: assigns messages to subjects, and publishes their states."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Final

from pydantic import JsonValue

from affectline.common.clock import monotonic
from affectline.common.runtime.event_time import SILENCE_S as LOST_S
from affectline.common.runtime.event_time import EventTimeMerger, RepeatFilter, SourceAlignment
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.settings.biometrics import SIGNALS
from affectline.common.settings.fusion import DEFAULT_SUBJECT
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.control import Calibrate, Control
from affectline.common.wire.messages import (
    Emotion,
    FaceEmotion,
    Marker,
    Packet,
    StreamDone,
    StreamStart,
)
from affectline.common.wire.watermark import Watermark
from affectline.services.fusion.baseline import CALIBRATION_S
from affectline.services.fusion.skin_signal import SKIN_SIGNAL, is_skin_signal
from affectline.services.fusion.spec import FusionProcess
from affectline.services.fusion.subject import SILENCE_S, Sighting, SubjectState

CALIBRATE: Final = "calibrate"
"""Label of a marker that starts a calibration: the person is at rest now."""
MAX_CALIBRATION_S: Final = 3600.0
MOST_SUBJECTS: Final = 64
"""The most people whose state is kept, and the most calibrations for people not seen yet."""
LARGER: Final = 2.0
"""A face replaces the one whose direction and eyes are followed when its box is this many times as
large: a passenger who leans forward is not the driver."""
UNIT_DEPENDENT: Final = tuple(
    SIGNALS[name] for name in ("heart_rate", "rr_interval", "skin_conductance")
)
"""Signals whose values depend on the unit; for waves only the shape matters."""


class Fusion(Stage):
    """Publishes a `State` for every subject that is measured or seen.

    A `Marker` labelled ``calibrate`` starts a timed calibration; its ``extra`` may name
    ``seconds`` (60) and ``subject`` (all).

    In live delivery, states continue once a second while no messages arrive, with falling quality.

    Args:
        process: Which signals belong to which subject.
        clock: Returns seconds of a clock for intervals.
    """

    outputs: ClassVar[Mapping[type[Message], Route]] = {
        State: "bus", StreamDone: "bus", Watermark: "bus",
    }  # fmt: skip
    tick_ms = 250
    gather_ms = 20

    def __init__(self, process: FusionProcess, clock: Callable[[], float] = monotonic) -> None:
        self._settings, self._clock = process.settings, clock
        self._recorded_sources = process.recorded_sources
        self._session_start = process.session_start
        self._streams_are_people = process.streams_are_people
        self._subjects: dict[str, SubjectState] = {}
        self._measured: set[str] = set()
        """Subjects that sensors have named."""
        self._last_frames: dict[str, tuple[int, int]] = {}
        """Epoch and sequence number of the last frame, by stream."""
        self._followed_tracks: dict[str, int] = {}
        """The face whose direction and eyes are followed, by stream."""
        self._unnamed: dict[str, str] = {}
        """The first stream that was taken to show a person by default, by subject."""
        self._told_shared: set[str] = set()
        """Further ones, which were logged."""
        self._starts: dict[str, StreamStart] = {}
        """The newest start, by stream."""
        self._calibrations: dict[object, Marker] = {}
        """The last calibration by subject, None for all; applies to later subjects as well."""
        self._last_message_s: dict[str, float] = {}
        """Time of the last message on the local clock, by subject."""

    def topic(self, kind: type[Message]) -> str | None:
        return "control/fusion" if kind is Control else super().topic(kind)

    def setup(self) -> None:
        if self.context.delivery == "live":
            self._recorded_sources = ()  # live delivery waits for nobody
        self._merger = EventTimeMerger(self._recorded_sources, self.context.delivery)
        self._progress = SourceAlignment(self.context.service, ())
        self._unfinished: dict[str, StreamDone] = {}
        """The sink's message about the end of a stream, by stream."""
        self._held_results: Counter[str] = Counter()
        """Results that wait for their turn, by stream."""
        self._told_lost: set[str] = set()
        self._repeats = RepeatFilter()

    @on(Samples, Emotion, Marker)
    def on_event(self, packet: Packet) -> Iterator[Packet]:
        """Process a message when it is its turn in event time; publish the states that follow."""
        message = packet.message
        # Without recorded sources it may be a replay that starts again
        if self._recorded_sources and self._repeats.is_repeated(message):
            return
        self._merger.push(packet, self._clock())
        if isinstance(message, Emotion):
            self._held_results[message.stream] += 1
        yield from self._handle_ready()

    @on(Watermark)
    def on_watermark(self, packet: Packet[Watermark]) -> Iterator[Packet]:
        """Note the progress of a recorded source."""
        if packet.message.source != self.context.service:
            self._merger.observe(packet.message, self._clock())
            yield from self._handle_ready()

    def _handle_ready(self) -> Iterator[Packet]:
        for packet in self._merger.pop_ready(self._clock()):
            yield from self._update_state(packet.message)
        self.context.counters["late"] = self._merger.late
        yield from self._announce_progress()

    def _announce_progress(self) -> Iterator[Packet]:
        """Announce how far the states have come, and for which streams they are complete."""
        for stream in [name for name in self._unfinished if not self._held_results[name]]:
            done = {"by": "fusion", "done_at": self.context.now()}
            yield Packet(self._unfinished.pop(stream).model_copy(update=done))
        if not self._recorded_sources:
            return
        have_all_ended = self._merger.have_all_ended and not self._merger.is_waiting
        if self._merger.now >= 0 or have_all_ended:
            self._progress.reach(self._merger.now, ended=have_all_ended)
        yield from self._progress.announcements(self._clock())

    def _update_state(self, message: Message) -> Iterator[Packet]:
        """Update the state of the subject that a message is about."""
        state = None
        match message:
            case Samples():
                state = self._add_samples(message)
            case Emotion(stream=stream):
                self._held_results[stream] -= 1
                state = self._add_expression(message)
            case Marker(label=label) if label == CALIBRATE:
                self._calibrate(message)
        if state is not None:
            yield Packet(state)

    @on(Control)
    def on_control(self, packet: Packet[Control]) -> Iterable[Packet]:
        """Start a calibration, as a marker labelled ``calibrate`` does."""
        action = packet.message.action
        if isinstance(action, Calibrate):
            extra: dict[str, JsonValue] = {"seconds": action.seconds}
            if action.subject is not None:
                extra["subject"] = action.subject
            # When recordings are analysed, "now" is how far they have come
            recorded = self._recorded_sources and self._merger.now >= 0
            at = self._merger.now if recorded else packet.message.at
            self._calibrate(Marker(session="session", at=at, label=CALIBRATE, extra=extra))
        return ()

    @on(StreamStart)
    def on_stream_start(self, packet: Packet[StreamStart]) -> Iterable[Packet]:
        """Rewind all subjects if a replay starts again."""
        self._rewind_if_replayed_again(packet.message)
        return ()

    @on(StreamDone)
    def on_stream_done(self, packet: Packet[StreamDone]) -> Iterator[Packet]:
        """Confirm that all states up to the end of a stream have been published."""
        if packet.message.by == "sink":
            self._unfinished[packet.message.stream] = packet.message
            yield from self._announce_progress()

    def tick(self) -> Iterator[Packet]:
        yield from self._handle_ready()
        for source in self._merger.lost:
            if source not in self._told_lost:
                text = "%s has been silent for %d s: the run no longer waits for it"
                self.context.log.warning(text, source, LOST_S)
        self._told_lost = set(self._merger.lost)
        if self.context.delivery != "live":
            return  # to be reproducible, silence must not depend on the speed of processing
        for subject, person in self._subjects.items():
            silent_s = self._clock() - self._last_message_s.get(subject, math.inf)
            state = person.extrapolate(silent_s) if silent_s >= SILENCE_S else None
            if state is not None:
                yield Packet(state)

    def _rewind_if_replayed_again(self, start: StreamStart) -> None:
        """Rewind all subjects if a replay starts again: it goes back in time."""
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
        if not self._measured:
            self._name_whom_cameras_show(subject)
        self._measured.add(subject)
        return self._find_or_create(subject, samples.at)

    def _name_whom_cameras_show(self, subject: str) -> None:
        """From here on, streams that settings leave unnamed show the person with sensors."""
        for name in self._unnamed:
            person = self._subjects.pop(name, None)
            self._last_message_s.pop(name, None)
            if person is not None and subject not in self._subjects:
                person.subject = subject
                self._subjects[subject] = person
        self._unnamed.clear()

    def _name_of_stream(self, stream: str) -> str:
        if named := self._settings.streams.get(stream) or self._settings.subject:
            return named
        if len(self._measured) == 1:
            return next(iter(self._measured))
        return stream if self._streams_are_people else DEFAULT_SUBJECT

    def _find_or_create(self, subject: str, at: int) -> SubjectState:
        if subject not in self._subjects:
            if len(self._subjects) >= MOST_SUBJECTS:
                self._forget_most_silent()
            person = self._subjects[subject] = SubjectState(
                subject, self._settings, origin_ns=self._session_start
            )
            for requested in (None, subject):
                marker = self._calibrations.get(requested)
                if marker and at < marker.at + round(_calibration_seconds(marker) * 1e9):
                    person.calibrate(marker.at, _calibration_seconds(marker))
        return self._subjects[subject]

    def _forget_most_silent(self) -> None:
        silent = min(self._subjects, key=lambda name: self._last_message_s.get(name, -math.inf))
        del self._subjects[silent]
        self._last_message_s.pop(silent, None)
        self._measured.discard(silent)

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
        self._say_who_shares(emotion.stream, subject)
        # The person in front of the camera has the largest face
        face = max(seen, key=_area, default=None)
        return person.add_expression(
            face.probabilities if face else None,
            emotion.captured_at,
            face.doubts if face else (),
            self._sighting(emotion),
        )

    def _say_who_shares(self, stream: str, subject: str) -> None:
        """Log once that several streams are taken to show one person, unless settings say so."""
        if stream in self._settings.streams or self._settings.subject:
            return
        first = self._unnamed.setdefault(subject, stream)
        if first != stream and stream not in self._told_shared:
            self._told_shared.add(stream)
            self.context.log.warning(
                "%s and %s are taken to show the same person, %s; if they do not, set "
                "fusion: {streams: {%s: NAME}}",
                first, stream, subject, stream, extra={"stream": stream},
            )  # fmt: skip

    def _sighting(self, emotion: Emotion) -> Sighting | None:
        """The face whose direction and eyes are followed: the same one as long as it is present."""
        if emotion.missing is not None:
            return None  # the frame was not analysed
        largest = max(emotion.faces, key=_area, default=None)
        if largest is None:
            return Sighting(emotion.stream, None)
        followed = self._followed_tracks.get(emotion.stream)
        face = next((face for face in emotion.faces if face.track == followed), largest)
        if _area(largest) >= LARGER * _area(face):
            face = largest
        self._followed_tracks[emotion.stream] = face.track
        return Sighting(emotion.stream, face)

    def _calibrate(self, marker: Marker) -> None:
        requested = marker.extra.get("subject")
        if not 0 < _calibration_seconds(marker) <= MAX_CALIBRATION_S or not isinstance(
            requested, str | None
        ):
            self.context.counters["invalid"] += 1
            return
        is_new = self._calibrations.pop(requested, None) is None
        self._calibrations[requested] = marker
        if is_new and requested is not None and requested not in self._subjects:
            self.context.log.warning(
                "calibrate: nobody called %s is measured or seen; there are: %s",
                requested[:64], ", ".join(sorted(self._subjects)) or "none",
            )  # fmt: skip
        if len(self._calibrations) > MOST_SUBJECTS:
            del self._calibrations[next(iter(self._calibrations))]
        for subject, person in self._subjects.items():
            if requested in (None, subject):
                person.calibrate(marker.at, _calibration_seconds(marker))


def _area(face: FaceEmotion) -> int:
    return face.box[2] * face.box[3]


def convert_unit(samples: Samples) -> Samples | None:
    """Convert samples to the unit of the project's own drivers; return None for an unknown unit.

    Signals that do not depend on their unit are returned as they are.
    """
    usual = SIGNALS.get(SKIN_SIGNAL if is_skin_signal(samples.signal) else samples.signal)
    if usual is None or usual not in UNIT_DEPENDENT or samples.unit == usual.unit:
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
