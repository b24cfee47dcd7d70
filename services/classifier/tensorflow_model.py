"""The reference backend: TensorFlow, which serving itself does not need."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.model.artifact import Artifact
from affectline.common.vision.preprocessing import Preprocessing, prepare_faces


class TensorFlowModel:
    """The Keras file or the SavedModel that the served LiteRT file was converted from."""

    def __init__(self, path: Path, preprocessing: Preprocessing) -> None:
        try:
            import keras
            import tensorflow as tf
        except ImportError as error:
            raise AffectlineError(
                f"--backend tensorflow: {error.name} is not installed",
                "install it with: pip install 'affectline[training]'",
            ) from error
        self._preprocessing = preprocessing
        if path.is_dir():
            loaded = tf.saved_model.load(str(path))
            signature = loaded.signatures["serving_default"]
            self._run: Any = lambda x: next(iter(signature(tf.constant(x)).values()))
        else:
            model = keras.models.load_model(path, compile=False)
            self._run = lambda x: model(x, training=False)

    def predict(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Like ``LiteRtModel.predict``."""
        return np.asarray(self._run(prepare_faces(faces, self._preprocessing)), dtype=np.float32)


def open_tensorflow(artifact: Artifact) -> TensorFlowModel:
    """Open an artifact's reference model: its Keras file if it has one, else its SavedModel.

    Raises:
        AffectlineError: The artifact has neither, a file is damaged, or TensorFlow is missing.
    """
    only_saved_model = "keras" not in artifact.manifest.files
    path = artifact.verified("saved_model" if only_saved_model else "keras")
    return TensorFlowModel(path, artifact.manifest.preprocessing)
