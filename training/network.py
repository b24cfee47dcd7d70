"""The network of the strong recipe: VGG16's thirteen convolutions with two poolings fewer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from common.images import VGG_MEAN_BGR
from common.labels import LABELS
from training.model import FEATURES, HIDDEN, load_vgg16
from training.start import Convolutions

LEFT_OUT: Final = ("block4_pool", "block5_pool")
SCORED: Final = 256
"""Pictures scored at once."""


class Network:
    """A backbone and a head with two last layers.

    At 48x48 VGG16 ends in a map of 1x1. Without the poolings after blocks 4 and 5 it ends in one
    of 6x6, which is averaged; nothing else about the convolutions changes, so the ImageNet
    weights fit, and any picture of 16x16 or more will do.

    One last layer is trained to give FER2013's labels, the other to give FER+'s votes: the two
    disagree on a third of the faces, and learning both says more about a face than either.

    Attributes:
        backbone: ``(N, S, S, 3) float32``, as VGG16 wants it, to features ``(N, 512) float32``.
        head: Features to two times logits ``(N, 7) float32``: FER2013's and FER+'s.
    """

    def __init__(self, weights: Path | Literal["imagenet"] | None, mixed: bool) -> None:
        """Build it.

        Args:
            weights: File of VGG16's ImageNet weights, ``imagenet`` to have Keras fetch them, or
                ``None`` for random ones.
            mixed: Compute in bfloat16; weights stay float32.

        Raises:
            AffectlineError: The weights cannot be read, fetched or fitted.
        """
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
        try:
            self.backbone = _build_backbone(weights)
        finally:
            keras.config.set_dtype_policy(before)
        self.head = _build_head()

    @property
    def weights(self) -> list[Any]:
        """Every variable, the standardisation's included."""
        return [*self.backbone.weights, *self.head.weights]

    def last_layers(self) -> dict[str, Any]:
        """Kernels and biases of both, as ``labels_kernel`` and so on."""
        return {
            f"{name}_{part}": np.asarray(getattr(self.head.get_layer(name), part))
            for name in ("labels", "votes")
            for part in ("kernel", "bias")
        }

    def adopt(self, known: Convolutions) -> None:
        """Take over convolutions that were trained before."""
        for name, (kernel, bias) in known.items():
            layer = self.backbone.get_layer(name)
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)

    def copy_from(self, other: "Network") -> None:
        """Take over all the weights of a network of the same shape."""
        for mine, theirs in zip(self.weights, other.weights, strict=True):
            mine.assign(theirs)

    def standardise(self, faces: NDArray[np.uint8]) -> None:
        """Let the head scale features by their mean and spread over some faces ``(N, S, S)``.

        Raw features differ a hundredfold among themselves, and a head that is given them as they
        are dies in the first epoch.
        """
        features = np.concatenate([self.backbone(part).numpy() for part in batches(faces)])
        standard = self.head.get_layer("standard")
        standard.moving_mean.assign(features.mean(axis=0))
        variance = features.var(axis=0)
        # A tenth of the usual more, so that a feature that hardly ever occurs is not blown up.
        standard.moving_variance.assign(variance + variance.mean() / 10)

    def fold(self) -> None:
        """Put the standardisation into the layers around it; answers stay what they are.

        The last convolution is divided by each feature's spread, which its rectifier lets through,
        and the first dense layer takes the rest. Then one int8 scale suits all features.
        """
        gamma, beta, mean, variance = map(np.asarray, self.head.get_layer("standard").get_weights())
        spread = np.sqrt(variance + self.head.get_layer("standard").epsilon)
        last = next(layer for layer in reversed(self.backbone.layers) if "conv" in layer.name)
        last.set_weights([weight / spread for weight in map(np.asarray, last.get_weights())])
        first = self.head.layers[2]
        kernel, bias = map(np.asarray, first.get_weights())
        first.set_weights(
            [gamma[:, np.newaxis] * kernel, bias + (beta - gamma * mean / spread) @ kernel]
        )

    def score(self, faces: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits for FER2013's and for FER+'s labels, ``(N, 7)`` each, of faces ``(N, S, S)``."""
        given = [self.head(self.backbone(part)) for part in batches(faces)]
        labels, votes = zip(*given, strict=True)
        return np.concatenate(labels), np.concatenate(votes)


def _build_backbone(weights: Path | Literal["imagenet"] | None) -> Any:
    vgg16 = load_vgg16(weights, input_shape=(None, None, 3))
    tensor = vgg16.input
    for layer in vgg16.layers[1:]:
        if layer.name not in LEFT_OUT:
            tensor = layer(tensor)
    tensor = keras.layers.GlobalAveragePooling2D(name="average", dtype="float32")(tensor)
    return keras.Model(vgg16.input, tensor, name="backbone")


def _build_head() -> Any:
    # The batch normalisation never counts batches: its moments are set once, and it is the same
    # affine layer in training and in use. Running moments were what made earlier trials score
    # 47 % in training and 29 % in use.
    features = keras.Input((FEATURES,))
    standard = keras.layers.BatchNormalization(name="standard", trainable=False)
    tensor = standard(features, training=False)
    for units in HIDDEN:
        tensor = keras.layers.Dense(units, "relu", kernel_initializer="he_normal")(tensor)
    outputs = [keras.layers.Dense(len(LABELS), name=name)(tensor) for name in ("labels", "votes")]
    return keras.Model(features, outputs, name="head")


def serve(network: Network, size: int, votes: float) -> Any:
    """The float32 model that is exported: one chain of layers that ends in a softmax.

    Two last layers on the same units are one layer whose weights are their weighted mean.

    Args:
        network: A trained network.
        size: Side of the pictures.
        votes: Weight of the layer that learnt FER+'s votes, 0 to 1.

    Returns:
        Keras model from ``(N, size, size, 3) float32`` to probabilities ``(N, 7)``.
    """
    plain = Network(None, mixed=False)
    plain.copy_from(network)
    plain.fold()
    entry = keras.Input((size, size, 3), name="pictures")
    tensor = entry
    for layer in plain.backbone.layers[1:]:
        tensor = layer(tensor)
    for layer in plain.head.layers[2:-2]:
        tensor = layer(tensor)
    logits = keras.layers.Dense(len(LABELS), name="logits")
    tensor = keras.layers.Softmax(name="probabilities")(logits(tensor))
    logits.set_weights(blend(network.last_layers(), votes))
    return keras.Model(entry, tensor, name="affectline")


def blend(layers: Mapping[str, Any], votes: float) -> list[NDArray[np.float32]]:
    """Kernel and bias of the one layer that stands for both.

    What all seven logits have in common says nothing, and a softmax does not see it; training lets
    it grow to hundreds, and int8 would spend its 256 steps on it. So it is taken away.
    """
    mixed = (
        (1 - votes) * layers[f"labels_{part}"] + votes * layers[f"votes_{part}"]
        for part in ("kernel", "bias")
    )
    return [part - part.mean(axis=-1, keepdims=True) for part in mixed]


def to_input(faces: Any) -> Any:
    """Gray ``(N, S, S, 1) float32`` as VGG16 wants it: three channels, BGR means subtracted."""
    return tf.repeat(faces, 3, axis=-1) - tf.constant(VGG_MEAN_BGR)


def batches(faces: NDArray[np.uint8]) -> Any:
    """Faces ``(N, S, S)`` as network input, some at a time."""
    for start in range(0, len(faces), SCORED):
        yield to_input(tf.cast(faces[start : start + SCORED, ..., np.newaxis], tf.float32))
