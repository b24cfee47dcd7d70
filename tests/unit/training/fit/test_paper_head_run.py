"""The head's training on synthetic features; no picture goes through VGG16 here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.progress import Progress

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

import keras
import tensorflow as tf

from affectline.training.fit import paper_head_run
from affectline.training.fit.hyperparameters import HeadSettings
from affectline.training.model.paper_network import (
    build_head,
)

SETTINGS = HeadSettings(epochs=4, batch_size=32, hidden=(16, 16, 16))
Data = tuple[NDArray[np.float32], NDArray[np.float32]]


@pytest.fixture(scope="module")
def data() -> Data:
    """Seven easy clusters; 100 rows do not divide into batches of 32."""
    chance = np.random.default_rng(0)
    emotions = np.arange(100) % 7
    centres = chance.normal(size=(7, 512))
    points = centres[emotions] + chance.normal(scale=0.3, size=(100, 512))
    return points.astype(np.float32), np.eye(7, dtype=np.float32)[emotions]


def fit(data: Data, settings: HeadSettings) -> list[paper_head_run.HeadEpoch]:
    keras.utils.set_random_seed(settings.seed)
    head = build_head(settings.hidden)
    return list(paper_head_run.train_head(head, data, data, settings))


def test_the_head_learns(data: Data) -> None:
    epochs = fit(data, replace(SETTINGS, epochs=20))
    assert [epoch.epoch for epoch in epochs] == list(range(1, 21))
    assert epochs[-1].loss < epochs[0].loss / 4
    assert epochs[-1].test_accuracy > 0.95


@pytest.mark.slow
def test_a_seed_gives_the_same_head_again(data: Data) -> None:
    def losses(seed: int) -> list[float]:
        return [epoch.loss for epoch in fit(data, replace(SETTINGS, seed=seed))]

    assert losses(3) == losses(3)
    assert losses(3) != losses(4)


@pytest.mark.slow
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


@pytest.mark.slow
def test_more_epochs_to_come_change_nothing(data: Data) -> None:
    short = fit(data, replace(SETTINGS, epochs=2))
    long = fit(data, replace(SETTINGS, epochs=4))
    assert [epoch.loss for epoch in short] == [epoch.loss for epoch in long[:2]]


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
