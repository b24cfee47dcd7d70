"""The served file of an artifact at work, on faces whose emotions are known."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.errors import AffectlineError, first_line
from affectline.common.labels import LABELS
from affectline.common.model.artifact import Artifact
from affectline.common.vision.preprocessing import (
    Preprocessing,
    prepare,
    to_square,
    to_three_channels,
)
from affectline.training.data.dataset import LabelledFaces
from affectline.training.silence_output import quiet

BATCH: Final = 64


@dataclass(frozen=True)
class Predictions:
    """What a model said to faces whose emotions are known."""

    faces: LabelledFaces
    probabilities: NDArray[np.float64]
    """``(N, 7)``."""

    @property
    def given(self) -> NDArray[np.int64]:
        """The answers, ``(N,)``, 0 to 6."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Their probabilities, ``(N,)``."""
        return np.asarray(self.probabilities.max(axis=1))


class LiteRtModel:
    """A LiteRT file at work on batches of faces; reads and writes int8 or float32 tensors.

    Args:
        path: The file.
        preprocessing: As in the manifest.
        threads: How many LiteRT may use.
        size: Side in pixels that faces are scaled to; without it they are taken as they are.
    """

    def __init__(
        self,
        path: Path,
        preprocessing: Preprocessing = "vgg16",
        threads: int = 2,
        size: int | None = None,
    ) -> None:
        with quiet():
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()  # this is when it talks
        self._preprocessing = preprocessing
        self._size = size
        self._batch = 0

    def run(self, pixels: NDArray[np.uint8], progress: Progress) -> NDArray[np.float32]:
        """Outputs ``(N, 7 or 14) float32`` for faces ``(N, S, S) uint8``."""
        task = progress.add_task("LiteRT", total=len(pixels))
        outputs = []
        for start in range(0, len(pixels), BATCH):
            part = pixels[start : start + BATCH]
            if self._size:
                part = np.stack([to_square(face, self._size) for face in part])
            outputs.append(self._run_batch(part))
            progress.advance(task, len(part))
        return np.concatenate(outputs)

    def _run_batch(self, gray: NDArray[np.uint8]) -> NDArray[np.float32]:
        colour = to_three_channels(gray)
        pictures = prepare(colour, self._preprocessing)
        entry = self._interpreter.get_input_details()[0]
        if len(gray) != self._batch:
            self._interpreter.resize_tensor_input(entry["index"], pictures.shape)
            self._interpreter.allocate_tensors()
            self._batch = len(gray)
        self._interpreter.set_tensor(entry["index"], _quantize(pictures, entry))
        self._interpreter.invoke()
        result = self._interpreter.get_output_details()[0]
        return _dequantize(self._interpreter.get_tensor(result["index"]), result)


def _quantize(values: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[Any]:
    if tensor["dtype"] == np.float32:
        return values
    scale, zero = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    rounded = np.clip(np.rint(values / scale + zero), limits.min, limits.max)
    return np.asarray(rounded, dtype=tensor["dtype"])


def _dequantize(values: NDArray[Any], tensor: dict[str, Any]) -> NDArray[np.float32]:
    if tensor["dtype"] == np.float32:
        return values
    scale, zero = tensor["quantization"]
    return np.asarray((values.astype(np.float32) - zero) * scale, dtype=np.float32)


def open_served(artifact: Artifact) -> LiteRtModel:
    """The int8 file of an artifact, fed as the classifier feeds it.

    Raises:
        AffectlineError: The artifact has no int8 file, or a damaged one.
    """
    manifest = artifact.manifest
    path = artifact.verified("litert-int8")
    try:
        return LiteRtModel(path, manifest.preprocessing, size=manifest.input_height)
    except (ValueError, RuntimeError) as error:
        raise AffectlineError(
            f"{path} is no LiteRT model that can be read ({first_line(error)})",
            "export it again with affectline-train export",
        ) from error


def predictions(answers: Predictions) -> str:
    """Every answer as CSV: source, label, given, confidence and the seven probabilities."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("source", "label", "given", "confidence", *LABELS))
    rows = zip(
        answers.faces.sources,
        answers.faces.emotions,
        answers.given,
        answers.confidence,
        answers.probabilities,
        strict=True,
    )
    for source, right, given, confidence, shares in rows:
        numbers = (f"{value:.6f}" for value in (confidence, *shares))
        table.writerow((source, LABELS[right], LABELS[given], *numbers))
    return text.getvalue()
