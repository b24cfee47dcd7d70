"""The head's training on made features; no picture goes through VGG16 here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.progress import Progress

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

import keras
import tensorflow as tf

from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.fit import paper_head_run
from affectline.training.model import features
from affectline.training.model.paper_network import (
    build_head,
    input_batches,
    merge_models,
    remove_softmax,
)

SETTINGS = paper_head_run.HeadSettings(epochs=4, batch_size=32, hidden=(16, 16, 16))
Data = tuple[NDArray[np.float32], NDArray[np.float32]]


@pytest.fixture(scope="module")
def data() -> Data:
    """Seven easy clusters; 100 rows do not divide into batches of 32."""
    chance = np.random.default_rng(0)
    emotions = np.arange(100) % 7
    centres = chance.normal(size=(7, 512))
    points = centres[emotions] + chance.normal(scale=0.3, size=(100, 512))
    return points.astype(np.float32), np.eye(7, dtype=np.float32)[emotions]


def fit(data: Data, settings: paper_head_run.HeadSettings) -> list[paper_head_run.HeadEpoch]:
    keras.utils.set_random_seed(settings.seed)
    head = build_head(settings.hidden)
    return list(paper_head_run.train_head(head, data, data, settings))


def test_the_head_learns(data: Data) -> None:
    epochs = fit(data, replace(SETTINGS, epochs=20))
    assert [epoch.epoch for epoch in epochs] == list(range(1, 21))
    assert epochs[-1].loss < epochs[0].loss / 4
    assert epochs[-1].test_accuracy > 0.95


def test_a_seed_gives_the_same_head_again(data: Data) -> None:
    def losses(seed: int) -> list[float]:
        return [epoch.loss for epoch in fit(data, replace(SETTINGS, seed=seed))]

    assert losses(3) == losses(3)
    assert losses(3) != losses(4)


def test_the_loop_does_what_keras_fit_does(data: Data) -> None:
    # One batch holds all rows, so that the order of shuffling does not matter.
    settings = replace(SETTINGS, batch_size=100)
    losses = [epoch.loss for epoch in fit(data, settings)]
    keras.utils.set_random_seed(settings.seed)
    head = build_head(settings.hidden)
    head.compile(keras.optimizers.Adamax(0.002, 0.9, 0.999), "categorical_crossentropy")
    history = head.fit(*data, batch_size=100, epochs=4, verbose=0).history["loss"]
    assert losses == pytest.approx(history, rel=1e-4)


def test_steps_are_those_of_keras_adamax(data: Data) -> None:
    settings = replace(SETTINGS, epochs=2, seed=5)
    keras.utils.set_random_seed(settings.seed)
    head = build_head(settings.hidden)
    other = keras.models.clone_model(head)
    other.set_weights(head.get_weights())
    list(paper_head_run.train_head(head, data, data, settings))
    optimizer = keras.optimizers.Adamax(settings.learning_rate, 0.9, 0.999)
    for epoch in (1, 2):
        order = np.random.default_rng((settings.seed, epoch)).permutation(100)
        for rows in np.split(order, [32, 64, 96]):
            with tf.GradientTape() as tape:
                losses = keras.losses.categorical_crossentropy(
                    data[1][rows], other(data[0][rows], training=True)
                )
                loss = tf.reduce_mean(losses)
            slopes = tape.gradient(loss, other.trainable_variables)
            optimizer.apply(slopes, other.trainable_variables)
    for ours, theirs in zip(head.get_weights(), other.get_weights(), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_more_epochs_to_come_change_nothing(data: Data) -> None:
    short = fit(data, replace(SETTINGS, epochs=2))
    long = fit(data, replace(SETTINGS, epochs=4))
    assert [epoch.loss for epoch in short] == [epoch.loss for epoch in long[:2]]


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


def test_epochs_are_logged_as_they_end(tmp_path: Path) -> None:
    epochs = iter(
        [
            paper_head_run.HeadEpoch(1, 1.5, 0.25, 2.0, 0.2, 0.1),
            paper_head_run.HeadEpoch(2, 1.0, 0.5, 2.1, 0.3, 0.1),
        ]
    )
    with Progress(disable=True) as progress:
        paper_head_run.log_epochs(epochs, tmp_path / "history.csv", 2, progress)
    assert (tmp_path / "history.csv").read_text().splitlines() == [
        "epoch,loss,accuracy,test_loss,test_accuracy,seconds",
        "1,1.5,0.25,2,0.2,0.1",
        "2,1,0.5,2.1,0.3,0.1",
    ]
