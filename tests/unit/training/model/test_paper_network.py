"""The paper's network."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

import keras

from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.model.paper_network import (
    build_head,
    input_batches,
    merge_models,
    remove_softmax,
)


def test_the_paper_s_head_has_three_dense_layers_and_a_softmax() -> None:
    head = build_head()
    assert [layer.units for layer in head.layers[:-1]] == [256, 128, 64, 7]
    assert isinstance(head.layers[-1], keras.layers.Softmax)


def test_merged_and_cut_models_agree_with_their_parts() -> None:
    inputs = keras.Input((4, 4, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(512, 3)(inputs))
    backbone = keras.Model(inputs, pooled)
    head = build_head((8, 8, 8))
    model = merge_models(backbone, head)
    pictures = np.random.default_rng(0).normal(size=(3, 4, 4, 3)).astype(np.float32)
    given = np.asarray(model(pictures))
    assert given == pytest.approx(np.asarray(head(backbone(pictures))), abs=1e-6)
    powers = np.exp(np.asarray(remove_softmax(model)(pictures)))
    assert given == pytest.approx(powers / powers.sum(axis=1, keepdims=True), abs=1e-6)


def test_input_batches_cover_every_picture_in_order() -> None:
    pixels = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    batches = list(input_batches(pixels, 2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert np.concatenate(batches)[:, 0, 0, 0] == pytest.approx(np.arange(5) - 103.939)


@pytest.mark.parametrize(("preprocessing", "white"), [("raw", 255), ("unit", 1)])
def test_pixels_may_be_left_or_only_scaled(preprocessing: Preprocessing, white: float) -> None:
    pixels = np.full((1, 48, 48), 255, np.uint8)
    (batch,) = input_batches(pixels, 2, preprocessing)
    assert batch.dtype == np.float32
    assert batch == pytest.approx(np.full((1, 48, 48, 3), white))
