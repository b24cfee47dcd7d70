"""The strong recipe's training: all of VGG16 goes on learning, from the ImageNet weights.

What is random depends on the seed, the step and the row alone. So a run that was killed and taken
up again ends where an undisturbed one ends, and a batch may be divided among machines.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from common.labels import LABELS
from training.augment import DRAWS, augment
from training.model import FEATURES
from training.network import Network, to_input
from training.start import Convolutions

LONGEST: Final = 10.0
"""Norm to which longer gradients of the convolutions, or of the head, are cut. Usual ones are 9 and
2 (measured at 48x48)."""


@dataclass(frozen=True)
class Recipe:
    """What a run of the strong recipe is made of."""

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 3e-5
    """Highest rate of the convolutions, whose deep kernels have a spread of 0.008."""
    seed: int = 0
    image_size: int = 48
    """Side of the pictures that the model will be given."""
    head_rate: float = 5e-4
    """Highest rate of the head."""
    warm_epochs: int = 1
    """First epochs, in which only the head learns."""
    whole_epochs: int = 3
    """Last epochs, which see whole faces; those before see windows that cost a third less."""
    window: float = 5 / 6
    """Side of a window, as a share of the picture's."""
    dropout: float = 0.3
    """Share of the features that a step leaves at their mean."""
    smoothing: float = 0.1
    """Share of a label that is spread over all seven (Szegedy et al. 2016)."""
    averaging: float = 0.999
    """Share of the running average of the weights that a step keeps (Polyak & Juditsky 1992)."""
    mixed: bool = True
    """Compute in bfloat16; weights and sums stay float32."""

    def side(self, epoch: int) -> int:
        """Side of the pictures in an epoch, counted from 0."""
        whole = epoch >= self.epochs - self.whole_epochs
        return self.image_size if whole else round(self.image_size * self.window)


@dataclass(frozen=True)
class Material:
    """Training faces and what is said of them."""

    pixels: NDArray[np.uint8]
    """``(N, S, S)``."""
    emotions: NDArray[np.int64]
    """``(N,)``, indices into ``LABELS``."""
    votes: NDArray[np.float32]
    """FER+ votes as shares ``(N, 7)``; a row of zeros has none."""


def rate(step: int, steps: int, warm: int, highest: float) -> float:
    """Learning rate: nothing for ``warm`` steps, a rise half as long, then half a cosine."""
    if step < warm:
        return 0.0
    rise = max(1, warm // 2)
    done = (step - warm) / max(1, steps - warm)
    return highest * min(1.0, (step - warm + 1) / rise) * 0.5 * (1 + math.cos(math.pi * done))


class Trainer:
    """A training at some place between its first and its last epoch.

    Attributes:
        network: What is being trained.
        average: The running average of its weights, which is what will be used.
        epoch: Epochs done, a variable.
    """

    def __init__(
        self,
        material: Material,
        recipe: Recipe,
        weights: Path | Literal["imagenet"] | Convolutions | None,
        strategy: Any = None,
    ) -> None:
        """Build everything at its beginning.

        Args:
            material: What is learnt.
            recipe: How.
            weights: VGG16's ImageNet weights, as ``Network`` takes them, or convolutions that
                were trained before.
            strategy: A ``tf.distribute`` strategy among whose replicas every batch is divided.
        """
        self.recipe = recipe
        self.count = len(material.pixels)
        self.steps_per_epoch = math.ceil(self.count / recipe.batch_size)
        self._strategy = strategy or tf.distribute.get_strategy()
        keras.utils.set_random_seed(recipe.seed)
        with self._strategy.scope():
            known = weights if isinstance(weights, dict) else None
            self.network = Network(None if isinstance(weights, dict) else weights, recipe.mixed)
            self.average = Network(None, recipe.mixed)
            self._base_optimizer, self._head_optimizer = (
                _adam(part.trainable_variables)
                for part in (self.network.backbone, self.network.head)
            )
            self.epoch = tf.Variable(0, dtype=tf.int64)
        if known:
            self.network.adopt(known)
        self.network.standardise(material.pixels[:: max(1, self.count // 2048)])
        self.average.copy_from(self.network)
        self._pixels = tf.constant(material.pixels[..., np.newaxis])
        self._emotions = tf.one_hot(material.emotions, len(LABELS))
        self._votes = tf.constant(material.votes)
        self._steps: dict[tuple[int, bool], Any] = {}

    def state(self) -> list[Any]:
        """Every variable that the rest of the run depends on, in a fixed order."""
        kept = [*self.network.weights, *self.average.weights]
        kept += [*self._base_optimizer.variables, *self._head_optimizer.variables]
        return [variable.value for variable in kept] + [self.epoch]

    def run_epoch(self) -> Iterator[tuple[float, float]]:
        """Train for an epoch; yields loss and share of right answers after each step."""
        recipe, epoch = self.recipe, int(self.epoch.numpy())
        order = np.random.default_rng((recipe.seed, epoch)).permutation(self.count)
        train = self._compiled(recipe.side(epoch), epoch >= recipe.warm_epochs)
        for index in range(self.steps_per_epoch):
            rows = order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
            loss, hits = train(tf.constant(rows), *self._schedule(epoch, index))
            yield float(loss), float(hits)
        self.epoch.assign(epoch + 1)

    def _schedule(self, epoch: int, index: int) -> tuple[Any, Any]:
        """Set the learning rates; returns the step's seed and the average's share to keep."""
        recipe, each = self.recipe, self.steps_per_epoch
        step, steps, warm = epoch * each + index, recipe.epochs * each, recipe.warm_epochs * each
        base = rate(step, steps, warm, recipe.learning_rate)
        self._base_optimizer.learning_rate.assign(base)
        self._head_optimizer.learning_rate.assign(rate(step, steps, 0, recipe.head_rate))
        # At first the average is over the few steps there were.
        keep = min(recipe.averaging, (1 + step) / (10 + step))
        return tf.constant([recipe.seed, step], tf.int32), tf.constant(keep, tf.float32)

    def _compiled(self, side: int, whole: bool) -> Any:
        if (side, whole) not in self._steps:

            def step(rows: Any, seed: Any, keep: Any) -> Any:
                given = self._strategy.run(self._learn, args=(rows, seed, side, whole))
                pairs = zip(self.average.weights, self.network.weights, strict=True)
                for mine, theirs in pairs:
                    mine.assign(theirs + keep * (mine - theirs))
                return [self._strategy.reduce("SUM", part, axis=None) for part in given]

            self._steps[side, whole] = tf.function(step)
        return self._steps[side, whole]

    def _learn(self, rows: Any, seed: Any, side: int, whole: bool) -> tuple[Any, Any]:
        """A replica's part of a step: learn from its share of the batch."""
        batch = tf.size(rows)
        mine = _share(batch)
        draws = tf.random.stateless_uniform((batch, DRAWS), seed, -1.0, 1.0)[mine]
        mask = tf.random.stateless_uniform((batch, FEATURES), seed + 1)[mine]
        rows = rows[mine]
        faces = tf.cast(tf.gather(self._pixels, rows), tf.float32)
        pictures = to_input(augment(faces, draws, side))
        wanted = tf.gather(self._emotions, rows), tf.gather(self._votes, rows)
        base, head = self.network.backbone, self.network.head
        with tf.GradientTape() as tape:
            features = self._drop(base(pictures, training=True), mask)
            labels, votes = head(features, training=True)
            loss = self._loss(labels, votes, *wanted) / tf.cast(batch, tf.float32)
        parts = [(self._base_optimizer, base)] if whole else []
        parts.append((self._head_optimizer, head))
        gradients = tape.gradient(loss, [part.trainable_variables for _, part in parts])
        context = tf.distribute.get_replica_context()
        for (optimizer, part), slopes in zip(parts, gradients, strict=True):
            # One overlong step can undo ten epochs: it did, before steps were clipped.
            summed, _ = tf.clip_by_global_norm(context.all_reduce("SUM", slopes), LONGEST)
            # Keras sums over the replicas once more.
            divided = [slope / context.num_replicas_in_sync for slope in summed]
            optimizer.apply(divided, part.trainable_variables)
        right = tf.argmax(labels, axis=1) == tf.argmax(wanted[0], axis=1)
        return loss, tf.reduce_sum(tf.cast(right, tf.float32)) / tf.cast(batch, tf.float32)

    def _drop(self, features: Any, mask: Any) -> Any:
        kept = tf.cast(mask >= self.recipe.dropout, tf.float32) / (1 - self.recipe.dropout)
        mean = self.network.head.get_layer("standard").moving_mean
        return mean + (features - mean) * kept

    def _loss(self, labels: Any, votes: Any, emotions: Any, shares: Any) -> Any:
        """Summed cross entropy in nats of both last layers."""
        smooth = emotions * (1 - self.recipe.smoothing) + self.recipe.smoothing / len(LABELS)
        losses = tf.nn.softmax_cross_entropy_with_logits(smooth, labels)
        losses += tf.nn.softmax_cross_entropy_with_logits(shares, votes)
        return tf.reduce_sum(losses)


def _adam(variables: list[Any]) -> Any:
    optimizer = keras.optimizers.Adam(0.0)
    optimizer.build(variables)
    return optimizer


def _share(batch: Any) -> Any:
    """The replica's rows of a batch: all of them when there is one replica."""
    context = tf.distribute.get_replica_context()
    place, count = context.replica_id_in_sync_group, context.num_replicas_in_sync
    return slice(place * batch // count, (place + 1) * batch // count)
