"""The runner of emotion models, used for serving by the classifier and for evaluation."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.artifact import Artifact
from affectline.common.model.interpreter import open_interpreter, release_file
from affectline.common.vision.preprocessing import Preprocessing, prepare_faces

THREADS: Final = 2
"""Number of threads that LiteRT may use for one run. Threads that wait for each other spin: where
other processes need the cores as well, one thread classifies more faces."""


class LiteRtModel:
    """A LiteRT file with int8 or float32 tensors, run on batches of gray faces.

    Args:
        path: The file.
        preprocessing: The model's preprocessing of pixels, from its manifest.
        threads: Number of threads that LiteRT may use for one run.

    Raises:
        AffectlineError: The file is not a LiteRT model.
    """

    def __init__(self, path: Path, preprocessing: Preprocessing, threads: int = THREADS) -> None:
        self._path = path
        self._interpreter = open_interpreter(
            path, threads, "export it again with affectline-train export"
        )
        self._batch_size = 0
        self._input_table = self._build_input_table(preprocessing)

    def _build_input_table(self, preprocessing: Preprocessing) -> NDArray[Any]:
        """The model's input for each gray value 0..255, per channel: ``(256, 3)``.

        Preprocessing works pixel by pixel, so it and the quantisation are one look-up.
        """
        details = self._interpreter.get_input_details()[0]
        grays = np.arange(256, dtype=np.uint8).reshape(1, 256, 1)
        table = prepare_faces(grays, preprocessing).reshape(256, 3)
        if details["dtype"] == np.float32:
            return table
        scale, zero_point = details["quantization"]
        limits = np.iinfo(details["dtype"])
        quantised = np.round(table / scale + zero_point).clip(limits.min, limits.max)
        return np.asarray(quantised, dtype=details["dtype"])

    def predict(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the model on ``(N, H, W) uint8`` upright gray faces of the model's input size.

        Returns:
            Dequantised outputs ``(N, 7) float32``, or ``(N, 14)`` from a model with two label sets.
        """
        interpreter = self._interpreter
        index = interpreter.get_input_details()[0]["index"]
        if len(faces) != self._batch_size:
            interpreter.resize_tensor_input(index, (*faces.shape, 3))
            interpreter.allocate_tensors()
            release_file(self._path)
            self._batch_size = len(faces)
        interpreter.set_tensor(index, self._input_table[faces])
        interpreter.invoke()
        details = interpreter.get_output_details()[0]
        output = interpreter.get_tensor(details["index"]).astype(np.float32)
        if details["dtype"] != np.float32:
            scale, zero_point = details["quantization"]
            output = (output - np.float32(zero_point)) * np.float32(scale)
        return np.asarray(output, dtype=np.float32)


def open_litert(artifact: Artifact, threads: int = THREADS) -> LiteRtModel:
    """Open the artifact's file for serving: int8 if there is one, else float32.

    Raises:
        AffectlineError: The artifact has neither, or the file is damaged.
    """
    files = artifact.manifest.files
    only_float32 = "litert-float32" in files and "litert-int8" not in files
    path = artifact.verified("litert-float32" if only_float32 else "litert-int8")
    return LiteRtModel(path, artifact.manifest.preprocessing, threads)
