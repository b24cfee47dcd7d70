"""Converts a Keras model to the LiteRT files that are served."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.model.paper_network import input_batches
from affectline.training.silence_output import silence_output

SAMPLE: Final = 512
"""Training faces from which the converter determines each tensor's range."""


def convert_to_int8(
    model: Any, samples: NDArray[np.uint8], preprocessing: Preprocessing = "vgg16"
) -> bytes:
    """Quantize weights and activations after training (Jacob et al. 2018).

    Args:
        model: Keras model for preprocessed pictures ``(N, S, S, 3)``.
        samples: Training faces ``(K, S, S) uint8``, whose activations set the ranges.
        preprocessing: The preprocessing of their pixels.

    Returns:
        A LiteRT file with int8 input and output.
    """

    def representative() -> Iterator[list[NDArray[np.float32]]]:
        for picture in input_batches(samples, 1, preprocessing):
            yield [picture]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    with silence_output():
        return bytes(converter.convert())


def convert_to_float32(model: Any) -> bytes:
    """Convert the model to a LiteRT file without quantization."""
    with silence_output():
        return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def choose_samples(faces: LabelledFaces, seed: int) -> NDArray[np.uint8]:
    """Faces of the training split only, drawn without repeats."""
    pixels = faces.select(Split.TRAINING).pixels
    count = min(SAMPLE, len(pixels))
    return pixels[np.random.default_rng(seed).choice(len(pixels), count, replace=False)]
