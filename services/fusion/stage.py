"""The fusion process' stage: sorts messages by person, publishes each person's state."""

from collections.abc import Iterator
from typing import Final

from common.config import Delivery, HubSettings
from common.fusion_settings import DEFAULT_SUBJECT, FusionSettings
from common.messages import Emotion, Marker, Packet, StreamDone
from common.runtime import Stage, run_service
from common.senses import Samples, State
from services.fusion.state import Person

CALIBRATE: Final = "calibrate"
"""Label of the marker that says: now this person is at rest."""
CALIBRATION_S: Final = 60.0
LONGEST_S: Final = 3600.0


class Fusion(Stage):
    """Publishes a `State` for every person that is measured or seen.

    A `Marker` labelled ``calibrate`` starts a timed calibration; its ``extra`` may name
    ``seconds`` (60) and ``subject`` (everybody).
    """

    subscriptions = ("bio/", "emotion/", "marker/", "stream/")
    measured = Emotion

    def __init__(self, settings: FusionSettings) -> None:
        self._settings = settings
        self._people: dict[str, Person] = {}
        self._sensed: set[str] = set()
        """Subjects that sensors have named."""
        self._seen: dict[str, tuple[int, int]] = {}
        """By stream: epoch and number of the last picture."""
        self._waiting: Marker | None = None
        """A calibration asked for before anybody was there."""

    def process(self, packet: Packet) -> Iterator[Packet]:
        message = packet.message
        state = None
        if isinstance(message, Samples):
            state = self._of_sensor(message).hear(message)
        elif isinstance(message, Emotion):
            state = self._look(message)
        elif isinstance(message, Marker) and message.label == CALIBRATE:
            self._calibrate(message)
        elif isinstance(message, StreamDone) and message.by == "sink":
            done = {"by": "fusion", "done_at": self.around.now()}
            yield Packet(message.model_copy(update=done))
        if state is not None:
            yield Packet(state)

    def _of_sensor(self, samples: Samples) -> Person:
        subject = self._settings.subject or samples.subject
        if not self._sensed and subject not in self._people and DEFAULT_SUBJECT in self._people:
            # Whose face we have been seeing has a name now
            person = self._people.pop(DEFAULT_SUBJECT)
            person.subject = subject
            self._people[subject] = person
        self._sensed.add(subject)
        return self._person(subject)

    def _of_stream(self, stream: str) -> Person:
        named = self._settings.streams.get(stream) or self._settings.subject
        only = next(iter(self._sensed)) if len(self._sensed) == 1 else DEFAULT_SUBJECT
        return self._person(named or only)

    def _person(self, subject: str) -> Person:
        if subject not in self._people:
            self._people[subject] = Person(subject, self._settings)
            if self._waiting:
                waiting, self._waiting = self._waiting, None
                self._calibrate(waiting)
        return self._people[subject]

    def _look(self, emotion: Emotion) -> State | None:
        if self._seen.get(emotion.stream, (0, -1)) >= (emotion.epoch, emotion.seq):
            return None  # said again for somebody who missed it
        self._seen[emotion.stream] = emotion.epoch, emotion.seq
        seen = [face for face in emotion.faces if face.smoothed or face.probabilities]
        if not seen:
            return None
        # Whoever sits before the camera fills most of its picture
        face = max(seen, key=lambda face: face.box[2] * face.box[3])
        distribution = face.smoothed or face.probabilities or ()
        return self._of_stream(emotion.stream).see(distribution, emotion.captured_at)

    def _calibrate(self, marker: Marker) -> None:
        seconds = marker.extra.get("seconds", CALIBRATION_S)
        wanted = marker.extra.get("subject")
        if not _is_number(seconds) or not 0 < float(str(seconds)) <= LONGEST_S:
            self.around.counters["invalid"] += 1
            return
        if not self._people:
            self._waiting = marker
        for subject, person in self._people.items():
            if wanted in (None, subject):
                person.calibrate(marker.at, float(str(seconds)))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def run(settings: FusionSettings, hub: HubSettings, delivery: Delivery) -> int:
    """Be the fusion process; return the exit code."""
    return run_service(Fusion(settings), "fusion", hub, delivery)
