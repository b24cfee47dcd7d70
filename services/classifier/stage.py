"""The stage of the classifier process: face crops in, probabilities of seven emotions out.

Classifiers share one work queue and keep no state between messages, so there can be any number of
them. The stream's detector puts their results in order.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.measurements import Measurements
from affectline.common.model import artifact
from affectline.common.model.artifact import to_probabilities
from affectline.common.model.calibration import calibrated_id
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.vision.preprocessing import FER_SIZE, to_square
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Faces, Missing, Packet, Scores, crops_of
from affectline.services.classifier.backends import open_model
from affectline.services.classifier.spec import ClassifierProcess

LARGEST_BATCH: Final = 32
"""If a frame has more faces than this, they are classified in several runs, to limit memory."""


class Classifier(Stage):
    """Classifies all faces of a message in one batch."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Scores: "bus"}

    def __init__(self, process: ClassifierProcess) -> None:
        self._settings, self._threads = process.settings, process.threads
        self.measurements: Measurements | None = None
        """Earlier classifications, set before `setup` (decision 19)."""

    def setup(self) -> None:
        loaded = artifact.load(self._settings.model)
        self._answer = loaded.choose_answer(self._settings.answer)
        self._manifest = loaded.manifest
        model_id = loaded.model_id_for(self._answer)
        calibration = self._settings.calibration
        if calibration:
            calibration.require_model(model_id)
        self._model_id = calibrated_id(model_id, calibration)
        self._shift = calibration.offsets() if calibration else None
        self._model = open_model(loaded, self._settings.backend, self._threads)
        size = (1, self._manifest.input_height, self._manifest.input_width)
        self._model.predict(np.zeros(size, np.uint8))  # the first run is slow: do it now

    @on(Faces, route="work_queue", newest_only=True)
    def on_faces(self, packet: Packet[Faces]) -> Iterable[Packet]:
        """Classify all faces of a frame."""
        faces = packet.message
        age_ms = (self.context.now() - faces.received_at) / 1e6
        if self.context.delivery == "live" and age_ms > self._settings.max_age_ms:
            yield self._decline(faces, "stale")
            return
        with self.context.span("classify", faces, count=len(faces.faces)):
            distributions = self._classify(packet) if faces.faces else ()
        self.context.counters["faces"] += len(distributions)
        yield self._scores_of(faces, distributions)

    def on_superseded(self, packet: Packet) -> Iterable[Packet]:
        if isinstance(packet.message, Faces):
            yield self._decline(packet.message, "behind")

    def _decline(self, faces: Faces, why: Missing) -> Packet:
        self.context.counters["skipped"] += 1
        return self._scores_of(faces, (), why)

    def _scores_of(
        self, faces: Faces, distributions: tuple[tuple[float, ...], ...], why: Missing | None = None
    ) -> Packet:
        return Packet(
            Scores(
                stream=faces.stream,
                epoch=faces.epoch,
                seq=faces.seq,
                classified_at=self.context.now(),
                model=self._model_id,
                missing=why,
                distributions=distributions,
            )
        )

    def _classify(self, packet: Packet[Faces]) -> tuple[tuple[float, ...], ...]:
        if self.measurements is None:
            return self._measure(packet)
        # A stored result holds for the whole batch only, with its faces in the same order
        self.measurements.begin_frame(b"".join(bytes(part) for part in packet.parts))
        return self.measurements.find(self._model_id, lambda: self._measure(packet))

    def _measure(self, packet: Packet[Faces]) -> tuple[tuple[float, ...], ...]:
        batch = np.stack([self._image(native, small) for native, small in crops_of(packet)])
        runs = [batch[i : i + LARGEST_BATCH] for i in range(0, len(batch), LARGEST_BATCH)]
        outputs = np.concatenate([self._model.predict(run) for run in runs])
        probabilities = to_probabilities(outputs, self._manifest, self._answer, self._shift)
        return tuple(tuple(row) for row in probabilities.round(6).tolist())

    def _image(self, native: bytes | memoryview, small: bytes | memoryview) -> NDArray[np.uint8]:
        """A face at the size that the model expects, from the message part that suits it better."""
        size = self._manifest.input_height
        if size == FER_SIZE:
            return np.frombuffer(small, np.uint8).reshape(FER_SIZE, FER_SIZE)
        side = round(len(native) ** 0.5)
        return to_square(np.frombuffer(native, np.uint8).reshape(side, side), size)
