"""Runs faces through a Keras model in batches, and caches VGG16's features."""

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.atomic_file import atomic_write
from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.model.paper_network import FEATURES, input_batches, weights_digest

BATCH: Final = 64
"""Pictures in a batch for VGG16; 256 were no faster on two cores."""


def extract_features(
    backbone: Any,
    pixels: NDArray[np.uint8],
    progress: Progress,
    cache: Path,
    preprocessing: Preprocessing = "vgg16",
) -> NDArray[np.float32]:
    """Features of pictures ``(N, 48, 48) uint8``, from the backbone or from the cache.

    Returns:
        ``(N, 512) float32``, not normalised, as in the paper; a model that ends elsewhere has as
        many columns as outputs.
    """
    features: NDArray[np.float32] = np.load(
        cache_features(backbone, pixels, progress, cache, preprocessing)
    )
    return features


def cache_features(
    backbone: Any,
    pixels: NDArray[np.uint8],
    progress: Progress,
    cache: Path,
    preprocessing: Preprocessing,
) -> Path:
    """As ``extract_features``, but returns the file in the cache (``.npy``)."""
    width = backbone.output_shape[-1]
    digest = hashlib.sha256(pixels.tobytes() + weights_digest(backbone))
    if (preprocessing, width) != ("vgg16", FEATURES):
        digest.update(f"{preprocessing} {width}".encode())
    file = cache / f"features-{digest.hexdigest()[:32]}.npy"
    if file.exists() and np.load(file, mmap_mode="r").shape == (len(pixels), width):
        return file
    features = run_model(backbone, pixels, progress, "VGG16 features", preprocessing)
    cache.mkdir(parents=True, exist_ok=True)
    with atomic_write(file, shared=True) as partial, partial.open("wb") as stream:
        np.save(stream, features)
    return file


def run_model(
    model: Any,
    pixels: NDArray[np.uint8],
    progress: Progress,
    title: str,
    preprocessing: Preprocessing = "vgg16",
) -> NDArray[np.float32]:
    """Outputs ``(N, K) float32`` of a model for faces ``(N, 48, 48) uint8``."""
    task = progress.add_task(title, total=len(pixels))
    outputs = []
    for batch in input_batches(pixels, BATCH, preprocessing):
        outputs.append(np.asarray(model.predict_on_batch(batch), dtype=np.float32))
        progress.advance(task, len(batch))
    return np.concatenate(outputs)
