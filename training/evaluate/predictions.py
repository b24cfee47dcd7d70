"""Predictions of an artifact's served file for labelled faces."""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.labels import LABELS
from affectline.common.model.litert import LiteRtModel
from affectline.common.spreadsheet import escape_text, row_writer
from affectline.common.vision.preprocessing import to_square
from affectline.training.data.faces import LabelledFaces

BATCH: Final = 64


@dataclass(frozen=True)
class Predictions:
    """A model's probabilities for labelled faces."""

    faces: LabelledFaces
    probabilities: NDArray[np.float64]
    """``(N, 7)``."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The most probable emotions, ``(N,)``, 0 to 6."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Their probabilities, ``(N,)``."""
        return np.asarray(self.probabilities.max(axis=1))


def predict_faces(
    model: LiteRtModel, pixels: NDArray[np.uint8], progress: Progress, size: int | None = None
) -> NDArray[np.float32]:
    """Run a model on many faces, in batches.

    Args:
        model: The runner that the classifier uses, too.
        pixels: Faces ``(N, S, S) uint8``.
        progress: Where a bar is shown.
        size: Side in pixels to which faces are scaled; ``None`` leaves them unscaled.

    Returns:
        Outputs ``(N, 7 or 14) float32``.
    """
    task = progress.add_task("LiteRT", total=len(pixels))
    outputs = []
    for start in range(0, len(pixels), BATCH):
        batch = pixels[start : start + BATCH]
        if size:
            batch = np.stack([to_square(face, size) for face in batch])
        outputs.append(model.predict(batch))
        progress.advance(task, len(batch))
    return np.concatenate(outputs)


def to_csv(predictions: Predictions) -> str:
    """Every prediction as CSV: source, label, prediction, confidence, seven probabilities."""
    text = io.StringIO(newline="")
    table = row_writer(text)
    table.writerow(("source", "label", "given", "confidence", *LABELS))
    rows = zip(
        predictions.faces.sources,
        predictions.faces.emotions,
        predictions.labels,
        predictions.confidence,
        predictions.probabilities,
        strict=True,
    )
    for source, emotion, predicted, confidence, shares in rows:
        numbers = (f"{value:.6f}" for value in (confidence, *shares))
        table.writerow((escape_text(source), LABELS[emotion], LABELS[predicted], *numbers))
    return text.getvalue()
