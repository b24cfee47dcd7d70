"""The network of the paper: VGG16's frozen convolutions and a small head of dense layers."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError, first_line
from affectline.common.labels import LABELS
from affectline.common.vision.preprocessing import (
    FER_SIZE,
    Preprocessing,
    prepare,
    to_three_channels,
)

HIDDEN: Final = (256, 128, 64)
"""Units of the head's three dense layers."""
FEATURES: Final = 512
"""Outputs of VGG16's last block, averaged over the picture."""


def load_vgg16(
    weights: Path | Literal["imagenet"] | None,
    input_shape: tuple[int | None, int | None, int],
    pooling: Literal["avg"] | None = None,
) -> Any:
    """VGG16's convolution and pooling layers.

    Args:
        weights: A file, ``imagenet`` for Keras' own download, or ``None`` for random weights.
        input_shape: Height, width and channels; ``None`` leaves a side open.
        pooling: ``avg`` averages the last map.

    Raises:
        AffectlineError: The weights cannot be read or downloaded, or do not fit.
    """
    try:
        return keras.applications.VGG16(
            include_top=False,
            weights=str(weights) if isinstance(weights, Path) else weights,
            input_shape=input_shape,
            pooling=pooling,
        )
    except Exception as error:  # Keras raises a bare Exception when a download fails.
        if isinstance(weights, Path):
            raise AffectlineError(
                f"--backbone-weights {weights} does not fit ({first_line(error)})",
                "name VGG16's ImageNet weights without the top, in Keras' .weights.h5 format",
            ) from error
        raise AffectlineError(
            f"Keras could not download VGG16's ImageNet weights ({first_line(error)})",
            "go online once, or name a file with --backbone-weights",
        ) from error


def build_backbone(
    weights: Path | Literal["imagenet"] | None = "imagenet", size: int = FER_SIZE
) -> Any:
    """The paper's frozen backbone: preprocessed ``(N, size, size, 3)`` to features ``(N, 512)``.

    Raises:
        AffectlineError: The weights cannot be read or downloaded, or do not fit.
    """
    backbone = load_vgg16(weights, (size, size, 3), pooling="avg")
    backbone.trainable = False
    return backbone


def build_head(hidden: tuple[int, ...] = HIDDEN, features: int = FEATURES) -> Any:
    """Features ``(N, 512)`` to probabilities ``(N, 7)``; weights follow Keras' global seed."""
    layers = [keras.layers.Dense(units, activation="relu") for units in hidden]
    # Softmax is a layer of its own, so that an export can end at the logits.
    return keras.Sequential(
        [
            keras.Input((features,)),
            *layers,
            keras.layers.Dense(len(LABELS), name="logits"),
            keras.layers.Softmax(name="probabilities"),
        ],
        name="head",
    )


def merge_models(backbone: Any, head: Any) -> Any:
    """One functional model: preprocessed ``(N, 48, 48, 3) float32`` to ``(N, 7)``."""
    tensor = backbone.output
    for layer in head.layers:
        tensor = layer(tensor)
    return keras.Model(backbone.input, tensor, name="affectline")


def remove_softmax(model: Any) -> Any:
    """The same chain of layers (merged model or head alone), ending at its logits ``(N, 7)``."""
    # A layer's own output would be ambiguous: each was called in the head first, then here.
    tensor = model.inputs[0]
    for layer in model.layers[:-1]:
        if not isinstance(layer, keras.layers.InputLayer):
            tensor = layer(tensor)
    return keras.Model(model.inputs[0], tensor, name="affectline_logits")


def weights_digest(model: Any) -> bytes:
    """SHA-256 of all weights, in order."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.digest()


def input_batches(
    pixels: NDArray[np.uint8], size: int, preprocessing: Preprocessing = "vgg16"
) -> Iterator[NDArray[np.float32]]:
    """Grayscale faces ``(N, 48, 48) uint8`` as network input, in batches.

    As float32 colour pictures, all of FER2013 takes a gigabyte, a batch a few megabytes.

    Args:
        pixels: The faces.
        size: Faces in a batch.
        preprocessing: The preprocessing of their pixels.
    """
    for start in range(0, len(pixels), size):
        yield prepare(to_three_channels(pixels[start : start + size]), preprocessing)
