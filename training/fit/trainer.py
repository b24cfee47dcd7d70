"""The strong recipe's training: all of VGG16 is fine-tuned, from the ImageNet weights.

Everything random depends only on the seed, the step and the row. So a run that was killed and
resumed ends like an uninterrupted one, and a batch may be divided among machines.
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

from affectline.training.data import degrade
from affectline.training.data.augment import DRAWS, augment
from affectline.training.fit.hyperparameters import FinetuneConfig, learning_rate_at
from affectline.training.fit.label_smoothing import temper_labels
from affectline.training.model.network import Network, load_imagenet_convolutions, to_input
from affectline.training.model.paper_network import FEATURES
from affectline.training.model.warm_start import Weights

MAX_GRADIENT_NORM: Final = 10.0
"""Norm to which longer gradients are clipped."""
MOMENTUM: Final = 0.9
AVERAGE_EVERY: Final = 8
"""Steps between updates of the average of the weights; each update costs as much as a picture or
two. The last step of a run is followed by another one."""
TINY: Final = 1e-12
LOW: Final = ("block1", "block2")
MOMENT_FACES: Final = 1024
"""Training faces on which the moments of the averaged weights are measured after an epoch."""


@dataclass(frozen=True)
class TrainingData:
    """Training faces with their labels and votes."""

    pixels: NDArray[np.uint8]
    """``(N, S, S)``."""
    emotions: NDArray[np.int64]
    """``(N,)``, indices into ``LABELS``."""
    votes: NDArray[np.float32]
    """FER+ votes as shares ``(N, 7)``; a row of zeros has no votes."""


class Trainer:
    """The state of a training between its first and its last epoch.

    Attributes:
        network: The network that is being trained.
        average: The network with the running average of its weights, which is used afterwards.
        epoch: A variable with the number of epochs done.
    """

    def __init__(
        self,
        data: TrainingData,
        recipe: FinetuneConfig,
        weights: Path | Literal["imagenet"] | Weights | None,
        strategy: Any = None,
    ) -> None:
        """Build the state before the first epoch.

        Args:
            data: The training faces.
            recipe: The hyperparameters.
            weights: VGG16's ImageNet weights, as ``Network`` takes them, or layers that were
                trained before.
            strategy: A ``tf.distribute`` strategy; every batch is divided among its replicas.
        """
        self.recipe = recipe
        self.count = len(data.pixels)
        self.steps_per_epoch = math.ceil(self.count / recipe.batch_size)
        self._strategy = strategy or tf.distribute.get_strategy()
        keras.utils.set_random_seed(recipe.seed)
        with self._strategy.scope():
            self.network, self.average = Network(recipe.mixed), Network(recipe.mixed)
            self._momenta = [
                tf.Variable(tf.zeros_like(variable.value))
                for variable in self.network.trainable_variables
            ]
            self.epoch = tf.Variable(0, dtype=tf.int64)
        self._sample = select_sample(data.pixels)
        if weights:
            known = weights if isinstance(weights, dict) else load_imagenet_convolutions(weights)
            self.network.load_layers(known, self._sample)
        self._start_values = self.network.weight_values()
        self.average.copy_from(self.network)
        self._pixels = tf.constant(data.pixels[..., np.newaxis])
        self._emotions = tf.constant(data.emotions.astype(np.int32))
        self._votes = tf.constant(data.votes)
        self._targets = tf.constant(
            temper_labels(data.emotions, data.votes, recipe.smoothing, recipe.votes_trust)
        )
        self._steps: dict[tuple[int, int], Any] = {}
        self._compiled_average_update = tf.function(self._update_average)

    def state(self) -> list[Any]:
        """Every variable that the rest of the run depends on, in a fixed order."""
        kept = [*self.network.weights, *self.average.weights]
        return [*(variable.value for variable in kept), *self._momenta, self.epoch]

    def run_epoch(self) -> Iterator[tuple[float, float]]:
        """Train for an epoch; yields loss and accuracy after each step.

        The average is updated after every ``AVERAGE_EVERY``-th step and after the run's last one,
        so that no step is lost. An update shrinks what the average was by the same share for each
        step since the update before: the last one, after fewer steps, moves the average less.
        """
        recipe, epoch = self.recipe, int(self.epoch.numpy())
        last = recipe.epochs * self.steps_per_epoch - 1
        order = np.random.default_rng((recipe.seed, epoch)).permutation(self.count)
        train = self._compiled_step(recipe.uses_whole_faces(epoch), self._first_trainable(epoch))
        for index in range(self.steps_per_epoch):
            rows = order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
            step = epoch * self.steps_per_epoch + index
            loss, hits = train(tf.constant(rows), *self._schedule(step))
            steps = step % AVERAGE_EVERY or AVERAGE_EVERY
            if steps == AVERAGE_EVERY or step == last:
                # At first, the average covers only the few steps so far.
                keep = min(recipe.averaging, (1 + step) / (10 + step)) ** steps
                self._compiled_average_update(tf.constant(keep, tf.float32))
            yield float(loss), float(hits)
        self.average.measure_moments(self._sample)
        self.epoch.assign(epoch + 1)

    def blend_with_start(self, share: float) -> Network:
        """The averaged network, with its weights moved a share of the way back to their start.

        The mean of the weights of two related models is often better than either model
        (Izmailov et al. 2018, Wortsman et al. 2022).
        """
        made = Network(self.recipe.mixed)
        made.copy_from(self.average)
        for variable, begun in zip(made.trainable_variables, self._start_values, strict=True):
            variable.assign(share * begun + (1 - share) * variable)
        made.measure_moments(self._sample)
        return made

    def _schedule(self, step: int) -> tuple[Any, Any]:
        """The step's seed and the learning rates ``(3,)`` of low blocks, backbone and head."""
        recipe, each = self.recipe, self.steps_per_epoch
        whole, warm = recipe.epochs * each, recipe.warm_epochs * each
        low = min(whole, warm + recipe.low_epochs * each)
        spans = ((low, warm), (whole, warm), (whole, 0))
        rates = [
            learning_rate_at(step, steps, first, recipe.learning_rate) for steps, first in spans
        ]
        return tf.constant([recipe.seed, step], tf.int32), tf.constant(rates, tf.float32)

    def _update_average(self, keep: Any) -> None:
        pairs = (self.average.trainable_variables, self.network.trainable_variables)
        for mine, theirs in zip(*pairs, strict=True):
            mine.assign(theirs + keep * (mine - theirs))

    def _first_trainable(self, epoch: int) -> int:
        """Index of the first variable that is trained in an epoch; so are all after it."""
        recipe = self.recipe
        if epoch < recipe.warm_epochs:
            return len(self.network.backbone.trainable_variables)
        return 0 if epoch < recipe.warm_epochs + recipe.low_epochs else self._count_low_variables()

    def _count_low_variables(self) -> int:
        """How many variables the first two blocks have."""
        low = (layer for layer in self.network.backbone.layers if layer.name.startswith(LOW))
        return sum(len(layer.trainable_variables) for layer in low)

    def _compiled_step(self, whole: bool, first: int) -> Any:
        if (whole, first) not in self._steps:

            def step(*given: Any) -> Any:
                found = self._strategy.run(self._train_step, args=(*given, whole, first))
                return [self._strategy.reduce("SUM", part, axis=None) for part in found]

            self._steps[whole, first] = tf.function(step)
        return self._steps[whole, first]

    def _train_step(
        self, rows: Any, seed: Any, rates: Any, whole: bool, first: int
    ) -> tuple[Any, Any]:
        """A replica's part of a step: train on its share of the batch."""
        batch = tf.size(rows)
        mine = _replica_rows(batch)
        draws = tf.random.stateless_uniform((batch, DRAWS + 1), seed, -1.0, 1.0)
        damage = tf.random.stateless_uniform((batch, degrade.DRAWS), seed + 2, -1.0, 1.0)
        mask = tf.random.stateless_uniform((batch, FEATURES), seed + 1)[mine]
        faces = tf.cast(tf.gather(self._pixels, rows), tf.float32)
        seen = augment(faces, draws[:, :DRAWS], self.recipe.side(whole), self.recipe.changes)
        if self.recipe.degraded:
            seen = degrade.degrade(seen, damage, self.recipe.degraded)
        given = [
            seen,
            *(tf.gather(labels, rows) for labels in (self._targets, self._votes)),
        ]
        if not whole:
            share = self.recipe.mixing * tf.square((draws[:, DRAWS] + 1) / 2)
            given = [_mix(each, share) for each in given]
        pictures, wanted, votes_wanted = (each[mine] for each in given)
        base, head = self.network.backbone, self.network.head
        variables = [each.value for each in self.network.trainable_variables[first:]]

        def differentiate() -> tuple[Any, Any, list[Any]]:
            with tf.GradientTape() as tape:
                features = self._apply_dropout(base(to_input(pictures), training=True), mask)
                labels, votes = head(features, training=True)
                losses = tf.nn.softmax_cross_entropy_with_logits(wanted, labels)
                losses += tf.nn.softmax_cross_entropy_with_logits(votes_wanted, votes)
                loss = tf.reduce_sum(losses) / tf.cast(batch, tf.float32)
            return loss, labels, _sum_over_replicas(tape.gradient(loss, variables))

        loss, labels, gradients = differentiate()
        if whole and self.recipe.sharpness:
            # The slope is taken where the loss is highest nearby, and followed from here
            scale = self.recipe.sharpness / (tf.linalg.global_norm(gradients) + TINY)
            steps = [scale * gradient for gradient in gradients]
            for variable, step in zip(variables, steps, strict=True):
                variable.assign_add(step)
            gradients = differentiate()[2]
            for variable, step in zip(variables, steps, strict=True):
                variable.assign_sub(step)
        low = self._count_low_variables()
        counts = low, len(base.trainable_variables) - low, len(head.trainable_variables)
        of_each = [rates[part] for part, count in enumerate(counts) for _ in range(count)]
        self._apply_gradients(variables, gradients, of_each, first)
        emotions = tf.gather(self._emotions, rows[mine])
        right = tf.argmax(labels, axis=1, output_type=tf.int32) == emotions
        return loss, tf.reduce_sum(tf.cast(right, tf.float32)) / tf.cast(batch, tf.float32)

    def _apply_gradients(
        self, variables: list[Any], gradients: list[Any], rates: list[Any], first: int
    ) -> None:
        """Apply a Nesterov step to the variables, which are all from the ``first`` on."""
        # One overlong step can undo ten epochs; it did before gradients were clipped.
        gradients, _ = tf.clip_by_global_norm(gradients, MAX_GRADIENT_NORM)
        steps = zip(variables, self._momenta[first:], gradients, rates[first:], strict=True)
        for variable, momentum, gradient, highest in steps:
            if len(variable.shape) > 1:
                gradient += self.recipe.decay * variable
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.handle,
                accum=momentum.handle,
                lr=highest,
                grad=gradient,
                momentum=MOMENTUM,
                use_nesterov=True,
            )

    def _apply_dropout(self, features: Any, mask: Any) -> Any:
        kept = tf.cast(mask >= self.recipe.dropout, tf.float32)
        return features * kept / (1 - self.recipe.dropout)


def select_sample(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Some of the training faces ``(N, S, S)``, to measure moments on."""
    return pixels[:: max(1, len(pixels) // MOMENT_FACES)]


def _sum_over_replicas(gradients: list[Any]) -> list[Any]:
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return gradients
    summed: list[Any] = context.all_reduce("SUM", gradients)
    return summed


def _mix(values: Any, share: Any) -> Any:
    """Mix a share ``(N,)`` of the previous one into each of ``(N, ...)``."""
    share = tf.reshape(share, (-1, *[1] * (len(values.shape) - 1)))
    return values + share * (tf.roll(values, 1, axis=0) - values)


def _replica_rows(batch: Any) -> Any:
    """The replica's rows of a batch: all of them when there is one replica."""
    context = tf.distribute.get_replica_context()
    place, count = context.replica_id_in_sync_group, context.num_replicas_in_sync
    return slice(place * batch // count, (place + 1) * batch // count)
