"""The classifier process: face crops in, probabilities of seven emotions out.

Classifiers share one work queue and keep nothing from one message to the next, so there can be
any number of them. The stream's detector puts their answers in order.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.model import artifact
from affectline.common.model.artifact import Artifact, Manifest, to_probabilities
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.settings.pipeline import Backend
from affectline.common.vision.preprocessing import FER_SIZE, prepare, to_square, to_three_channels
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Faces, Missing, Packet, Scores
from affectline.services.classifier.spec import ClassifierProcess

LARGEST_BATCH: Final = 32
"""More faces than this in one frame are judged in several runs, to bound the memory."""


class EmotionModel(Protocol):
    """Something that judges faces."""

    def predict(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Judge ``(N, H, W) uint8`` upright gray faces.

        Returns:
            Model outputs ``(N, 7) float32``, or ``(N, 14)`` of a model with two answers.
        """


class LiteRtModel:
    """The served model: int8 (or float32) LiteRT on one thread."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with _hushed():
            self._interpreter = Interpreter(model_path=str(path), num_threads=2)
            self._interpreter.allocate_tensors()
        self._batch = 0
        self._table = self._quantised(manifest)

    def _quantised(self, manifest: Manifest) -> NDArray[Any]:
        """What each gray value 0..255 becomes at the model's input, per channel: ``(256, 3)``.

        Preprocessing works pixel by pixel, so it and the quantisation are one look-up.
        """
        details = self._interpreter.get_input_details()[0]
        grays = np.arange(256, dtype=np.uint8).reshape(1, 256, 1)
        table = preprocess(grays, manifest).reshape(256, 3)
        if details["dtype"] == np.float32:
            return table
        scale, zero = details["quantization"]
        limits = np.iinfo(details["dtype"])
        quantised = np.round(table / scale + zero).clip(limits.min, limits.max)
        return np.asarray(quantised, dtype=details["dtype"])

    def predict(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        interpreter = self._interpreter
        if len(faces) != self._batch:
            index = interpreter.get_input_details()[0]["index"]
            interpreter.resize_tensor_input(index, (*faces.shape, 3))
            interpreter.allocate_tensors()
            self._batch = len(faces)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], self._table[faces])
        interpreter.invoke()
        details = interpreter.get_output_details()[0]
        output = interpreter.get_tensor(details["index"]).astype(np.float32)
        if details["dtype"] != np.float32:
            scale, zero = details["quantization"]
            output = (output - np.float32(zero)) * np.float32(scale)
        return np.asarray(output, dtype=np.float32)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep LiteRT's note about its delegate off standard error; it cannot be told to be quiet."""
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


class TensorFlowModel:
    """The reference: the Keras file or the SavedModel that the served model was made from."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        try:
            import keras
            import tensorflow as tf
        except ImportError as error:
            raise AffectlineError(
                f"--backend tensorflow: {error.name} is not installed",
                "install it with: pip install 'affectline[training]'",
            ) from error
        self._manifest = manifest
        if path.is_dir():
            served = tf.saved_model.load(str(path))
            signature = served.signatures["serving_default"]
            self._run: Any = lambda x: next(iter(signature(tf.constant(x)).values()))
        else:
            model = keras.models.load_model(path, compile=False)
            self._run = lambda x: model(x, training=False)

    def predict(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(self._run(preprocess(faces, self._manifest)), dtype=np.float32)


def preprocess(faces: NDArray[np.uint8], manifest: Manifest) -> NDArray[np.float32]:
    """Turn ``(N, H, W) uint8`` faces into the ``(N, H, W, 3) float32`` that the model wants."""
    pictures = to_three_channels(faces)
    return prepare(pictures, manifest.preprocessing)


def open_model(model: Artifact, backend: Backend) -> EmotionModel:
    """Load an artifact's model after its checksum was found right.

    Raises:
        AffectlineError: The artifact lacks a file for this backend, or the file is damaged.
    """
    files = model.manifest.files
    if backend == "litert":
        kind = "litert-int8" if "litert-int8" in files else "litert-float32"
        return LiteRtModel(model.verified(kind), model.manifest)  # type: ignore[arg-type]
    reference = "keras" if "keras" in files else "saved_model"
    return TensorFlowModel(model.verified(reference), model.manifest)  # type: ignore[arg-type]


class Classifier(Stage):
    """Judges all faces of a message in one batch."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Scores: "bus"}

    def __init__(self, process: ClassifierProcess) -> None:
        self._settings = process.settings

    def setup(self) -> None:
        loaded = artifact.load(self._settings.model)
        loaded.require(self._settings.answer)
        self._manifest, self._model_id = loaded.manifest, loaded.named(self._settings.answer)
        self._model = open_model(loaded, self._settings.backend)
        size = (1, self._manifest.input_height, self._manifest.input_width)
        self._model.predict(np.zeros(size, np.uint8))  # the first run is slow: have it now

    @on(Faces, route="work_queue", newest_only=True)
    def on_faces(self, packet: Packet[Faces]) -> Iterable[Packet]:
        """Classify all faces of a frame."""
        faces = packet.message
        age_ms = (self.context.now() - faces.captured_at) / 1e6
        if self.context.delivery == "live" and age_ms > self._settings.max_age_ms:
            yield self._decline(faces, "stale")
            return
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

    def _classify(self, packet: Packet) -> tuple[tuple[float, ...], ...]:
        batch = np.stack([self._face(packet, i) for i in range(len(packet.parts) // 2)])
        runs = [batch[i : i + LARGEST_BATCH] for i in range(0, len(batch), LARGEST_BATCH)]
        outputs = np.concatenate([self._model.predict(run) for run in runs])
        probabilities = to_probabilities(outputs, self._manifest, self._settings.answer)
        return tuple(tuple(row) for row in probabilities.round(6).tolist())

    def _face(self, packet: Packet, index: int) -> NDArray[np.uint8]:
        """A face at the size that the model wants, from the part that suits it better."""
        native, small = packet.parts[2 * index : 2 * index + 2]
        size = self._manifest.input_height
        if size == FER_SIZE:
            return np.frombuffer(small, np.uint8).reshape(FER_SIZE, FER_SIZE)
        side = round(len(native) ** 0.5)
        return to_square(np.frombuffer(native, np.uint8).reshape(side, side), size)
