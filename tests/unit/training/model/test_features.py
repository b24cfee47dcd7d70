"""Features and their cache."""

from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

import keras

from affectline.training.model import features


def test_features_come_from_the_cache_until_weights_or_preprocessing_change(tmp_path: Path) -> None:
    inputs = keras.Input((48, 48, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(512, 1)(inputs))
    backbone = keras.Model(inputs, pooled)
    pixels = np.zeros((2, 48, 48), np.uint8)
    with Progress(disable=True) as progress:
        first = features.extract_features(backbone, pixels, progress, tmp_path)
        (file,) = tmp_path.iterdir()
        np.save(file, first + 1)
        again = features.extract_features(backbone, pixels, progress, tmp_path)
        backbone.layers[1].set_weights([array + 1 for array in backbone.layers[1].get_weights()])
        features.extract_features(backbone, pixels, progress, tmp_path)
        features.extract_features(backbone, pixels, progress, tmp_path, "raw")
    assert again.tolist() == (first + 1).tolist()
    assert len(list(tmp_path.iterdir())) == 3
