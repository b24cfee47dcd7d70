"""The backends with which the classifier runs a model."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.artifact import Artifact
from affectline.common.model.litert import THREADS, open_litert
from affectline.common.settings.pipeline import Backend
from affectline.services.classifier.tensorflow_model import open_tensorflow


class EmotionModel(Protocol):
    """A model that classifies faces."""

    def predict(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the model on ``(N, H, W) uint8`` upright gray faces.

        Returns:
            Outputs ``(N, 7) float32``, or ``(N, 14)`` for a model with two label sets.
        """


def open_model(artifact: Artifact, backend: Backend, threads: int = THREADS) -> EmotionModel:
    """Load an artifact's model after verifying its checksum.

    Args:
        artifact: The artifact.
        backend: What runs it.
        threads: Number of threads that LiteRT may use for one run; TensorFlow decides by itself.

    Raises:
        AffectlineError: The artifact lacks a file for this backend, or the file is damaged.
    """
    return open_litert(artifact, threads) if backend == "litert" else open_tensorflow(artifact)
