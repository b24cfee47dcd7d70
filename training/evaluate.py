"""How good a model is, and how well it knows that."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from rich.progress import Progress

from common.artifact import Artifact, Manifest
from common.images import to_three_channels, to_vgg16
from common.labels import LABELS
from training.quiet import quiet

BATCH: Final = 64
BINS: Final = 15
"""Bins of the expected calibration error, as in Guo et al. (2017)."""

Scores = NDArray[np.float32] | NDArray[np.float64]


def softmax(logits: Scores, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities ``(N, K)`` of logits ``(N, K)`` divided by a temperature above 0."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def accuracy(scores: Scores, emotions: NDArray[np.int64]) -> float:
    """Share of rows, 0 to 1, whose highest score is the right one."""
    return float((scores.argmax(axis=1) == emotions).mean())


def log_loss(logits: Scores, emotions: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean negative log-likelihood in nats of the right emotions."""
    scaled = logits.astype(np.float64) / temperature
    top = scaled.max(axis=1)
    norm = top + np.log(np.exp(scaled - top[:, np.newaxis]).sum(axis=1))
    return float((norm - scaled[np.arange(len(emotions)), emotions]).mean())


def calibration_error(probabilities: Scores, emotions: NDArray[np.int64]) -> float:
    """Expected calibration error, 0 to 1: how far confidence is from accuracy, on average.

    Confidences fall into ``BINS`` bins of equal width (Guo et al. 2017, equation 3).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == emotions
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(float(right[bins == index].sum()) - float(confidence[bins == index].sum()))
        for index in range(BINS)
    ]
    return sum(gaps) / len(emotions)


def fit_temperature(logits: Scores, emotions: NDArray[np.int64]) -> float:
    """The temperature between 0.01 and 100 with the least log loss (Guo et al. 2017).

    Log loss is convex in 1/T, so thirds of an interval of 1/T are cut away until it is narrow.
    """
    low, high = 0.01, 100.0
    while high - low > 1e-6 * low:
        third = (high - low) / 3
        lower, upper = low + third, high - third
        if log_loss(logits, emotions, 1 / lower) < log_loss(logits, emotions, 1 / upper):
            high = upper
        else:
            low = lower
    return 2 / (low + high)


def confusion(scores: Scores, emotions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts ``(7, 7)``: rows are true emotions, columns given ones."""
    size = len(LABELS)
    counts = np.bincount(emotions * size + scores.argmax(axis=1), minlength=size * size)
    return counts.reshape(size, size).astype(np.int64)


class LiteRtModel:
    """A LiteRT file at work on batches of faces; reads and writes int8 or float32 tensors."""

    def __init__(self, path: Path, preprocessing: str = "vgg16", threads: int = 2) -> None:
        with quiet():
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._preprocessing = preprocessing
        self._batch = 0

    def run(self, pixels: NDArray[np.uint8], progress: Progress) -> NDArray[np.float32]:
        """Outputs ``(N, 7) float32`` for faces ``(N, 48, 48) uint8``."""
        task = progress.add_task("LiteRT", total=len(pixels))
        outputs = []
        for start in range(0, len(pixels), BATCH):
            part = pixels[start : start + BATCH]
            outputs.append(self._run_batch(part))
            progress.advance(task, len(part))
        return np.concatenate(outputs)

    def _run_batch(self, gray: NDArray[np.uint8]) -> NDArray[np.float32]:
        colour = to_three_channels(gray)
        vgg16 = self._preprocessing == "vgg16"
        pictures = to_vgg16(colour) if vgg16 else colour.astype(np.float32)
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
    rounded = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
    return np.asarray(rounded, dtype=tensor["dtype"])


def _dequantize(values: NDArray[Any], tensor: dict[str, Any]) -> NDArray[np.float32]:
    if tensor["dtype"] == np.float32:
        return values
    scale, zero = tensor["quantization"]
    return np.asarray((values.astype(np.float32) - zero) * scale, dtype=np.float32)


def to_probabilities(outputs: Scores, manifest: Manifest) -> NDArray[np.float64]:
    """What a model says, as its manifest tells to read it."""
    if manifest.output == "probabilities":
        return outputs.astype(np.float64)
    return softmax(outputs, manifest.temperature)


def open_served(artifact: Artifact) -> LiteRtModel:
    """The file of an artifact that the classifier serves."""
    return LiteRtModel(artifact.verified("litert-int8"), artifact.manifest.preprocessing)


def report(probabilities: Scores, emotions: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy, calibration error, recall and precision of each emotion, confusion counts.

    Recall is ``None`` for an emotion that never occurs, precision for one that is never given.
    """
    counts = confusion(probabilities, emotions)
    return {
        "rows": len(emotions),
        "accuracy": accuracy(probabilities, emotions),
        "calibration_error": calibration_error(probabilities, emotions),
        "mean_confidence": float(probabilities.max(axis=1).mean()),
        "emotions": {
            label: {"recall": recall, "precision": precision}
            for label, recall, precision in zip(
                LABELS, _shares(counts), _shares(counts.T), strict=True
            )
        },
        "confusion": counts.tolist(),
    }


def _shares(counts: NDArray[np.int64]) -> Iterator[float | None]:
    for index, row in enumerate(counts):
        yield float(row[index] / row.sum()) if row.sum() else None
