"""The network of the strong recipe: VGG16's thirteen convolutions with one pooling fewer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.vision.preprocessing import VGG_MEAN_BGR
from affectline.training.model.layers import BatchNorm, Convolution
from affectline.training.model.paper_network import FEATURES, HIDDEN, load_vgg16
from affectline.training.model.warm_start import Weights

Moments = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Mean and standard deviation ``(O,)`` of each layer's output before its ReLU, in order."""
OMITTED_LAYERS: Final = ("block5_pool",)
BATCH: Final = 256
"""Pictures scored at once."""


class Network:
    """A backbone and a head with two last layers.

    At 48x48, VGG16 ends in a map of 1x1. Without the pooling after block 5 it ends in a map of
    3x3, which is averaged. Nothing else about the convolutions changes, so the ImageNet weights
    fit, and any picture of 16x16 or more can be used. During training, a batch normalisation
    follows each layer; for serving, they are folded into the layers (see ``build_served_model``).

    One last layer is trained on FER2013's labels, the other on FER+'s votes. The two disagree on a
    third of the faces, and both together carry more information about a face than either.

    Attributes:
        backbone: From VGG16's input ``(N, S, S, 3) float32`` to features ``(N, 512) float32``.
        head: From features to two sets of logits ``(N, 7) float32``: FER2013's and FER+'s.
    """

    def __init__(self, mixed: bool) -> None:
        """Build it with random weights.

        Args:
            mixed: Compute the convolutions in bfloat16; weights stay float32.
        """
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
        try:
            self.backbone = _build_backbone()
        finally:
            keras.config.set_dtype_policy(before)
        self.head = _build_head()

    @property
    def weights(self) -> list[Any]:
        """Every variable, including those of the normalisations."""
        return [*self.backbone.weights, *self.head.weights]

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables that a step changes."""
        return [*self.backbone.trainable_variables, *self.head.trainable_variables]

    def weight_values(self) -> list[NDArray[np.float32]]:
        """Values of the trainable variables, in order."""
        return [np.asarray(variable) for variable in self.trainable_variables]

    def last_layers(self) -> dict[str, Any]:
        """Kernels and biases of both last layers, as ``labels_kernel`` and so on."""
        return {
            f"{name}_{part}": np.asarray(getattr(self.head.get_layer(name), part))
            for name in ("labels", "votes")
            for part in ("kernel", "bias")
        }

    def copy_from(self, other: "Network") -> None:
        """Copy all weights of a network of the same shape."""
        for mine, theirs in zip(self.weights, other.weights, strict=True):
            mine.assign(theirs)

    def load_layers(
        self, known: Weights, faces: NDArray[np.uint8], moments: Moments | None = None
    ) -> None:
        """Load layers that were trained without normalisations, or whose were folded.

        Each normalisation gets the moments of the layer before it as its scale and shift, so that
        at first it changes nothing but the unit: every layer's output is divided by its mean
        standard deviation. Kernels are scaled to the standard deviation of new ones by He et al.
        (2015). The normalisations cancel that, and a learning rate means the same in all layers.

        Args:
            known: Kernels and biases of the convolutions, and of the head if it was trained as
                well. A last layer of seven units becomes both of the network's.
            faces: Some of the training faces ``(N, S, S)``.
            moments: Moments that the layers' outputs shall have, instead of their own.
        """
        moments = moments or measure_layers(known, faces)
        unit = np.float32(1)
        for name, (mean, spread) in moments.items():
            model = self.backbone if name.startswith("block") else self.head
            layer, norm = model.get_layer(name), model.get_layer(f"{name}_norm")
            unit = spread.mean()
            kernel = known[name][0]
            wanted = np.sqrt(2 / np.prod(kernel.shape[:-1]))
            layer.kernel.assign(kernel * (wanted / kernel.std()))
            norm.gamma.assign(spread / unit)
            norm.beta.assign(mean / unit)
        if "logits" in known:
            kernel, bias = known["logits"]
            for name, part in (("labels", np.s_[: len(LABELS)]), ("votes", np.s_[-len(LABELS) :])):
                layer = self.head.get_layer(name)
                layer.kernel.assign(kernel[:, part] * unit)
                layer.bias.assign(bias[part])
        self.measure_moments(faces)

    def measure_moments(self, faces: NDArray[np.uint8]) -> None:
        """Measure the moments that the normalisations use, on faces ``(N, S, S)``.

        Every batch passes through the network as in training; the moments are means over batches.
        """
        parts = np.array_split(faces, max(1, len(faces) // BATCH))
        for model, given in ((self.backbone, None), (self.head, self.backbone)):
            layers = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
            entries = keras.Model(model.input, [layer.input for layer in layers])
            found = []
            for pictures in map(_prepare, parts):
                tensor = pictures if given is None else given(pictures, training=True)
                axes = (list(range(len(entry.shape) - 1)) for entry in entries.outputs)
                wide = (tf.cast(entry, tf.float32) for entry in entries(tensor, training=True))
                found.append([tf.nn.moments(*pair) for pair in zip(wide, axes, strict=True)])
            for layer, *each in zip(layers, *found, strict=True):
                mean, variance = (tf.reduce_mean(part, axis=0) for part in zip(*each, strict=True))
                layer.mean.assign(mean)
                layer.variance.assign(variance)

    def score(self, faces: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits for FER2013's and for FER+'s labels, ``(N, 7)`` each, of faces ``(N, S, S)``."""
        given = [self.head(self.backbone(part)) for part in iterate_batches(faces)]
        labels, votes = zip(*given, strict=True)
        return np.concatenate(labels), np.concatenate(votes)


def load_imagenet_convolutions(weights: Path | Literal["imagenet"]) -> Weights:
    """VGG16's convolutions with their ImageNet weights.

    Raises:
        AffectlineError: The weights cannot be read or downloaded, or do not fit.
    """
    vgg16 = load_vgg16(weights, input_shape=(None, None, 3))
    named = ((layer.name, layer.get_weights()) for layer in vgg16.layers)
    return {name: (given[0], given[1]) for name, given in named if given}


def _build_backbone() -> Any:
    pictures = keras.Input((None, None, 3))
    tensor = pictures
    for layer in load_vgg16(None, input_shape=(None, None, 3)).layers[1:]:
        if "conv" in layer.name:
            tensor = Convolution(layer.filters, name=layer.name)(tensor)
            tensor = BatchNorm(name=f"{layer.name}_norm")(tensor)
            tensor = keras.layers.ReLU()(tensor)
        elif layer.name not in OMITTED_LAYERS:
            tensor = keras.layers.MaxPooling2D(name=layer.name)(tensor)
    tensor = keras.layers.GlobalAveragePooling2D(name="average", dtype="float32")(tensor)
    return keras.Model(pictures, tensor, name="backbone")


def _build_head() -> Any:
    features = keras.Input((FEATURES,))
    tensor = features
    for index, units in enumerate(HIDDEN):
        dense = keras.layers.Dense(
            units, use_bias=False, kernel_initializer="he_normal", name=f"dense{index}"
        )
        tensor = BatchNorm(name=f"dense{index}_norm")(dense(tensor))
        tensor = keras.layers.ReLU()(tensor)
    outputs = [keras.layers.Dense(len(LABELS), name=name)(tensor) for name in ("labels", "votes")]
    return keras.Model(features, outputs, name="head")


def measure_layers(known: Weights, faces: NDArray[np.uint8]) -> Moments:
    """Moments of the outputs of layers without normalisation, in order.

    Args:
        known: Kernels and biases of the convolutions, and of the head if it was trained as well.
        faces: Some of the training faces ``(N, S, S)``.
    """
    tensor, moments = to_input(tf.cast(faces[..., np.newaxis], tf.float32)), {}
    block = "block1"
    for name, (kernel, bias) in known.items():
        if name == "logits":
            break
        if name.startswith("dense"):
            features = tensor if len(tensor.shape) == 2 else tf.reduce_mean(tensor, [1, 2])
            tensor = features @ kernel + bias
        else:
            if not name.startswith(block):
                tensor = tf.nn.max_pool2d(tensor, 2, 2, "VALID")
                block = name.split("_")[0]
            tensor = tf.nn.conv2d(tensor, kernel, 1, "SAME") + bias
        mean, variance = tf.nn.moments(tensor, list(range(len(tensor.shape) - 1)))
        moments[name] = mean.numpy(), np.sqrt(variance.numpy()) + np.float32(1e-6)
        tensor = tf.nn.relu(tensor)
    return moments


def build_served_model(network: Network, size: int, votes: float) -> Any:
    """The float32 model that is exported: one chain of layers that ends in a softmax.

    The normalisations are folded into the layers before them, and the two last layers become one
    layer with the weighted mean of their weights.

    Args:
        network: A trained network.
        size: Side of the pictures.
        votes: Weight of the layer trained on FER+'s votes, 0 to 1.

    Returns:
        Keras model from ``(N, size, size, 3) float32`` to probabilities ``(N, 7)``.
    """
    layers = (each for each in network.backbone.layers if isinstance(each, Convolution))
    convolutions = {
        layer.name: _fold_normalisation(network.backbone, layer.name) for layer in layers
    }
    dense = {
        f"dense{index}": _fold_normalisation(network.head, f"dense{index}")
        for index in range(len(HIDDEN))
    }
    return assemble_served_model(
        size, {**convolutions, **dense, "logits": blend_last_layers(network.last_layers(), votes)}
    )


def assemble_served_model(size: int, weights: Mapping[str, Sequence[Any]]) -> Any:
    """The served float32 model, from kernels and biases by layer; see ``build_served_model``."""
    entry = keras.Input((size, size, 3), name="pictures")
    tensor = entry
    for layer in load_vgg16(None, input_shape=(size, size, 3)).layers[1:]:
        if layer.name not in OMITTED_LAYERS:
            tensor = layer(tensor)
        if "conv" in layer.name:
            layer.set_weights(weights[layer.name])
    tensor = keras.layers.GlobalAveragePooling2D(name="average")(tensor)
    for index, units in enumerate(HIDDEN):
        dense = keras.layers.Dense(units, "relu", name=f"dense{index}")
        tensor = dense(tensor)
        dense.set_weights(weights[dense.name])
    logits = keras.layers.Dense(len(LABELS), name="logits")
    tensor = keras.layers.Softmax(name="probabilities")(logits(tensor))
    logits.set_weights(weights["logits"])
    return keras.Model(entry, tensor, name="affectline")


def build_two_label_set_model(model: Any, layers: Mapping[str, Any], votes: float) -> Any:
    """The served model with both label sets, in one last layer of fourteen units.

    Args:
        model: The result of ``build_served_model``.
        layers: Kernels and biases of both last layers, as ``Network.last_layers`` returns them.
        votes: Weight of the layer trained on FER+'s votes in the first label set, 0 to 1.

    Returns:
        Keras model with logits ``(N, 14)``: seven for FER2013's labels, seven for FER+'s votes.
    """
    tensor = model.inputs[0]
    for layer in model.layers[1:-2]:  # all but the input, the logits and the softmax
        tensor = layer(tensor)
    logits = keras.layers.Dense(2 * len(LABELS), name="logits")
    tensor = logits(tensor)
    pairs = zip(blend_last_layers(layers, votes), blend_last_layers(layers, 1.0), strict=True)
    logits.set_weights([np.concatenate(pair, axis=-1) for pair in pairs])
    return keras.Model(model.inputs[0], tensor, name="affectline_logits")


def _fold_normalisation(model: Any, name: str) -> list[NDArray[np.float32]]:
    """Kernel and bias of a layer, with the normalisation that follows it folded in."""
    scale, shift = (part.numpy() for part in model.get_layer(f"{name}_norm").affine())
    return [np.asarray(model.get_layer(name).kernel) * scale, shift]


def blend_last_layers(layers: Mapping[str, Any], votes: float) -> list[NDArray[np.float32]]:
    """Kernel and bias of one layer that replaces both.

    The mean of the seven logits has no effect on the softmax, but it grows in training, and int8
    would spend its 256 steps on it. So it is subtracted.
    """
    mixed = (
        (1 - votes) * layers[f"labels_{part}"] + votes * layers[f"votes_{part}"]
        for part in ("kernel", "bias")
    )
    return [part - part.mean(axis=-1, keepdims=True) for part in mixed]


def to_input(faces: Any) -> Any:
    """Gray ``(N, S, S, 1) float32`` as VGG16's input: three channels, BGR means subtracted."""
    return tf.repeat(faces, 3, axis=-1) - tf.constant(VGG_MEAN_BGR)


def iterate_batches(faces: NDArray[np.uint8]) -> Any:
    """Faces ``(N, S, S)`` as network input, in batches."""
    for start in range(0, len(faces), BATCH):
        yield _prepare(faces[start : start + BATCH])


def _prepare(faces: NDArray[np.uint8]) -> Any:
    return to_input(tf.cast(faces[..., np.newaxis], tf.float32))
