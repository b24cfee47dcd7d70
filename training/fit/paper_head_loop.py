"""The head's training loop, compiled: one call runs a whole epoch, reproducibly.

It does what ``keras.Model.fit`` does with ``Adamax`` and categorical cross-entropy, written out so
that XLA can fuse a step into a few loops. Nothing depends on the number of epochs to come: a run of
10,000 epochs passes through the same states as a run of 500.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

BETAS: Final = (0.9, 0.999)
"""Adamax's decay rates, as in the paper (and Kingma & Ba 2014)."""
EPSILON: Final = 1e-7
"""Keras' default, added to Adamax's divisor."""

Arrays = tuple[NDArray[np.float32], ...]
Rows = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Features ``(N, F)`` and one-hot targets ``(N, 7)``."""


@dataclass(frozen=True)
class HeadState:
    """Everything that the next epoch depends on, apart from data and settings."""

    weights: Arrays
    """Kernel and bias of each dense layer in turn, as Keras' ``get_weights`` returns them."""
    momenta: Arrays
    """Adamax's decaying mean of each gradient."""
    norms: Arrays
    """Adamax's decaying maximum of each gradient's magnitude."""
    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Batches done."""


@dataclass(frozen=True)
class HeadScores:
    """Mean loss in nats and accuracy, 0 to 1."""

    loss: float
    accuracy: float


def use_one_thread() -> None:
    """Limit TensorFlow to one thread; must be called before its first operation.

    A step of the head is too small to be divided: two threads use a quarter more CPU time.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def initial_state(weights: list[NDArray[np.float32]]) -> HeadState:
    """The state before the first epoch."""
    none = tuple(np.zeros_like(array) for array in weights)
    return HeadState(tuple(weights), none, none)


class HeadLoop:
    """Training and scoring of one head on rows that stay in memory.

    Args:
        train: The training rows.
        batch_size: Rows in a step; the last step of an epoch takes the rest.
        learning_rate: Adamax's learning rate.
        seed: Seed for the order of the rows in each epoch.
    """

    def __init__(self, train: Rows, batch_size: int, learning_rate: float, seed: int) -> None:
        self._features, self._targets = (tf.constant(array) for array in train)
        self._seed = seed
        self._size = min(batch_size, len(train[0]))
        self._batches = -(-len(train[0]) // self._size)
        self._run = _compile_epoch(len(train[0]), self._size, learning_rate)

    def run_epoch(self, state: HeadState) -> tuple[HeadState, HeadScores]:
        """Train for one epoch.

        Returns:
            The new state, and loss and accuracy as Keras reports them: of each batch before its
            step.
        """
        rows = self._features.shape[0]
        # Depends only on the seed and the epoch, so that a resumed run has the same order.
        order = np.random.default_rng((self._seed, state.epoch + 1)).permutation(rows)
        arrays = (state.weights, state.momenta, state.norms)
        arrays, loss, hits = self._run(
            arrays, tf.constant(float(state.step)), *self._in_batches(order.astype(np.int32))
        )
        weights, momenta, norms = (tuple(array.numpy() for array in kind) for kind in arrays)
        after = HeadState(weights, momenta, norms, state.epoch + 1, state.step + self._batches)
        return after, HeadScores(float(loss) / rows, float(hits) / rows)

    def _in_batches(self, order: NDArray[np.int32]) -> tuple[Any, Any]:
        """Features and targets in this order; the last batch is padded with arbitrary rows."""
        order = np.resize(order, self._batches * self._size)
        return tf.gather(self._features, order), tf.gather(self._targets, order)


def compile_score(rows: Rows) -> Callable[[Arrays], HeadScores]:
    """Compile the scoring of weights on rows that are not trained on."""
    features, targets = (tf.constant(array) for array in rows)

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def score(weights: Any, features: Any, targets: Any) -> Any:
        losses, hits, _ = _score_rows(_forward(weights, features)[-1], targets)
        return tf.reduce_mean(losses), tf.reduce_mean(hits)

    def run(weights: Arrays) -> HeadScores:
        loss, hits = score(weights, features, targets)
        return HeadScores(float(loss), float(hits))

    return run


def _compile_epoch(rows: int, size: int, rate: float) -> Callable[..., Any]:
    batches = -(-rows // size)

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def run(arrays: Any, step: Any, features: Any, targets: Any) -> Any:
        def one(batch: Any, arrays: Any, loss: Any, hits: Any) -> Any:
            # Slices of unknown start but known size: XLA needs every shape in advance.
            part = tuple(
                tf.slice(array, [batch * size, 0], [size, array.shape[1]])
                for array in (features, targets)
            )
            # In the last batch, the padding rows do not count.
            real = tf.cast(batch * size + tf.range(size) < rows, tf.float32)
            now = step + tf.cast(batch + 1, tf.float32)
            arrays, losses, right = _step(arrays, now, part, real, rate)
            return batch + 1, arrays, loss + losses, hits + right

        state = (tf.constant(0), arrays, tf.constant(0.0), tf.constant(0.0))
        return tf.while_loop(lambda batch, *_: batch < batches, one, state)[1:]

    return run  # type: ignore[no-any-return]


def _step(arrays: Any, step: Any, batch: Any, real: Any, rate: float) -> Any:
    """Train on one batch; returns new arrays, the sum of its losses and the number of hits.

    Args:
        arrays: Weights, momenta and norms.
        step: Batches so far, this one included.
        batch: Features ``(B, F)`` and targets ``(B, 7)``.
        real: 1 for the rows that count, 0 for the others, ``(B,) float32``.
        rate: The learning rate.
    """
    features, targets = batch
    weights, momenta, norms = arrays
    values = _forward(weights, features)
    losses, hits, slope = _score_rows(values[-1], targets)
    share = real / tf.reduce_sum(real)
    slopes = _backward(weights, values, slope * share[:, tf.newaxis])
    # Kingma & Ba 2014, algorithm 2, in the order of Keras' operations.
    momenta = [m + (g - m) * (1 - BETAS[0]) for m, g in zip(momenta, slopes, strict=True)]
    norms = [tf.maximum(BETAS[1] * u, tf.abs(g)) for u, g in zip(norms, slopes, strict=True)]
    left = 1 - tf.pow(BETAS[0], step)
    weights = [
        weight - (rate * momentum) / (left * (norm + EPSILON))
        for weight, momentum, norm in zip(weights, momenta, norms, strict=True)
    ]
    new = tuple(weights), tuple(momenta), tuple(norms)
    return new, tf.reduce_sum(losses * real), tf.reduce_sum(hits * real)


def _forward(weights: Any, features: Any) -> list[Any]:
    """The input of each layer, and last the logits ``(N, 7)``."""
    values = [features]
    for layer in range(0, len(weights), 2):
        sums = tf.matmul(values[-1], weights[layer]) + weights[layer + 1]
        values.append(tf.nn.relu(sums) if layer + 2 < len(weights) else sums)
    return values


def _score_rows(logits: Any, targets: Any) -> tuple[Any, Any, Any]:
    """Loss and hit of each row ``(N,)``, and the gradient of the loss at the logits ``(N, 7)``."""
    likelihoods = tf.nn.log_softmax(logits)
    losses = -tf.reduce_sum(targets * likelihoods, axis=1)
    right = tf.equal(tf.argmax(logits, axis=1), tf.argmax(targets, axis=1))
    return losses, tf.cast(right, tf.float32), tf.exp(likelihoods) - targets


def _backward(weights: Any, values: list[Any], slope: Any) -> list[Any]:
    """Gradients of the loss for each kernel and bias, in the order of the weights."""
    slopes: list[Any] = []
    for layer in range(len(weights) - 2, -1, -2):
        given = values[layer // 2]
        slopes = [tf.matmul(given, slope, transpose_a=True), tf.reduce_sum(slope, 0), *slopes]
        if layer:
            slope = tf.matmul(slope, weights[layer], transpose_b=True)
            slope *= tf.cast(given > 0, tf.float32)
    return slopes
